"""What `btk backtest` shows, writes and ends with."""

import json
from pathlib import Path

import pytest

from tests.cli.program import DAY, RUN, TINY, a_strategy, called, started

TWO = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT,ETHUSDT", *DAY)
LOUD = "print('loud')\n" + TINY.replace("    return", "    print('louder')\n    return", 1)


def test_a_run_shows_each_symbol_and_the_total_uncut_on_stdout_and_says_the_rest_on_stderr(folder: Path) -> None:
    ended = started(*TWO, folder=folder, COLUMNS="20")
    assert ended.code == 0
    assert "Profit factor" in ended.out
    assert not {"…", "\033"} & set(ended.out + ended.err)
    rows = [line.split()[:2] for line in ended.out.splitlines()]
    assert [row[0] for row in rows if row[0] in {"BTCUSDT", "ETHUSDT", "Total"}] == ["BTCUSDT", "ETHUSDT", "Total"]
    assert "fill model vwap, fee 0.1 %, slippage 0.1 %" in ended.out
    assert "SYNTHETIC" in ended.out
    assert "2025-05-04 00:00 to 2025-05-05 00:00 UTC" in ended.out
    written = [line.removeprefix("wrote ") for line in ended.err.splitlines()]
    assert [Path(folder, path).exists() for path in written] == [True] * 6
    assert written[0] == "dump/backtest/tiny.md"


@pytest.mark.usefixtures("folder")
def test_the_manifest_says_by_which_command_and_when(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["btk", *RUN, "--token=hush"])
    assert called(*RUN).code == 0
    manifest = json.loads(next(folder.glob("dump/runs/*/manifest.json")).read_text())
    assert manifest["command"] == f"btk {' '.join(RUN)} '--token=***'"
    assert manifest["started_at"] <= manifest["finished_at"]
    assert manifest["exit_code"] == 0


def test_json_is_one_document_whatever_a_strategy_prints(folder: Path) -> None:
    a_strategy(folder, LOUD)
    ended = started(*TWO, "--json", folder=folder)
    document = json.loads(ended.out)
    assert ended.code == document["exit_code"] == 0
    assert [row["symbol"] for row in document["symbols"]] == ["BTCUSDT", "ETHUSDT"]
    assert document["total"]["trades"] == sum(row["trades"] for row in document["symbols"]) > 0
    assert [Path(folder, path).exists() for path in document["paths"]] == [True] * 6
    assert (document["errors"], document["bounds"]) == ([], None)
    assert document["paths"][-1].endswith(f"{document['run_id']}/report.html")
    assert ended.err.splitlines().count("loud") == 1
    assert "louder" in ended.err


def test_workers_print_on_stderr_as_well_and_change_no_number(folder: Path) -> None:
    a_strategy(folder, LOUD)
    alone = json.loads(called(*TWO, "--json").out)
    ended = started(*TWO, "--json", "--workers", "2", folder=folder)
    together = json.loads(ended.out)
    assert together == alone
    assert "louder" in ended.err


@pytest.mark.usefixtures("folder")
def test_the_times_of_workers_are_put_together(folder: Path) -> None:
    """A164: each call of any process counts, and the run is the whole."""

    def counts(*flags: str) -> dict[str, int]:
        assert called(*TWO, *flags).code == 0
        (file,) = folder.glob("dump/runs/*/performance.json")
        return {timing["metric"]: timing["count"] for timing in json.loads(file.read_text())["timings"]}

    alone = counts()
    assert counts("--workers", "2") == alone
    assert (alone["run"], alone["load"]) == (1, 2)
    assert alone["get_signal"] > 30


@pytest.mark.usefixtures("folder")
def test_json_tells_failures_and_keeps_their_code() -> None:
    ended = called("backtest", "-e", "tiny.py", "-s", "A", "--from", "2016-01-01", "--to", "2016-01-02", "--json")
    document = json.loads(ended.out)
    assert ended.code == document["exit_code"] == 3
    assert len(document["errors"]) == 1
    assert document["symbols"][0]["error"]


def test_json_tells_that_files_could_not_be_written(folder: Path) -> None:
    (folder / "taken").write_text("")
    ended = called(*RUN, "-o", "taken", "--json")
    document = json.loads(ended.out)
    assert ended.code == document["exit_code"] == 1
    assert "taken" in document["errors"][0]
    assert document["paths"] == []


def test_files_beside_a_strategy_do_not_stand_in_for_the_standard_library(folder: Path) -> None:
    (folder / "own").mkdir()
    (folder / "own" / "tiny.py").write_text(TINY)
    for name in ("html", "base64", "zipfile", "string"):
        (folder / "own" / f"{name}.py").write_text("raise RuntimeError('not me')")
    ended = started(*RUN, "-e", "own/tiny.py", folder=folder, anew=True)
    assert (ended.code, "not me" in ended.err) == (0, False)


def test_bounds_runs_both_fill_models_and_shows_their_span(folder: Path) -> None:
    ended = called(*TWO, "--bounds")
    assert ended.code == 0
    assert "fill model vwap and candle" in ended.out
    assert [line.split()[0] for line in ended.out.splitlines() if line.startswith(("BTC", "ETH", "Total"))] == [
        "BTCUSDT",
        "ETHUSDT",
        "Total",
    ]
    assert len(list(folder.glob("dump/runs/*/manifest.json"))) == 2


def test_after_bounds_the_latest_run_is_the_one_that_was_configured(folder: Path) -> None:
    ran = json.loads(called(*TWO, "--bounds", "--json").out)
    reports = {path: path.read_bytes() for path in folder.glob("dump/*/*.md")}
    assert json.loads(called("runs", "show", "--json").out)["run_id"] == ran["run_id"]
    assert called("report", "all", "-q").code == 0
    assert {path: path.read_bytes() for path in reports} == reports


@pytest.mark.usefixtures("folder")
def test_bounds_in_json_has_both_runs_and_the_distance_between_them() -> None:
    document = json.loads(called(*TWO, "--bounds", "--json").out)
    bounds = document["bounds"]
    assert list(bounds["runs"]) == ["vwap", "candle"]
    for row in (*bounds["symbols"], bounds["total"]):
        assert row["total_pnl_pct_span"] == abs(row["total_pnl_pct_vwap"] - row["total_pnl_pct_candle"])
        assert row["trades_span"] == abs(row["trades_vwap"] - row["trades_candle"])
    alone = json.loads(called(*TWO, "--json", "--fill-model", "candle").out)
    assert bounds["runs"]["candle"]["total"] == alone["total"]
    assert document["run_id"] == bounds["runs"]["vwap"]["run_id"]


def test_several_strategies_are_told_apart_and_added_up(folder: Path) -> None:
    a_strategy(folder, TINY + TINY.replace('"tiny"', '"other"'))
    ended = called(*RUN, "--strategy", "tiny,other")
    rows = [line.split()[:2] for line in ended.out.splitlines()]
    wanted = [["other", "BTCUSDT"], ["tiny", "BTCUSDT"], ["other", "Total"], ["tiny", "Total"], ["all", "Total"]]
    assert [row for row in rows if row in wanted] == wanted
    assert ended.code == 0


@pytest.mark.usefixtures("folder")
def test_symbols_come_from_the_environment_where_no_flag_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC_SYMBOL_LIST", "XUSDT,YUSDT")
    arguments = ("backtest", "-e", "tiny.py", *DAY, "--json")
    assert [row["symbol"] for row in json.loads(called(*arguments).out)["symbols"]] == ["XUSDT", "YUSDT"]
    assert [row["symbol"] for row in json.loads(called(*arguments, "-s", "Z").out)["symbols"]] == ["Z"]


@pytest.mark.usefixtures("folder")
def test_quiet_leaves_the_numbers_and_the_errors() -> None:
    ended = called("backtest", "-e", "tiny.py", "-s", "BTCUSDT", *DAY, "-q")
    assert "Total" in ended.out
    assert ended.err == ""


def test_refused_commands_and_failing_listeners_are_counted_and_the_first_is_shown(folder: Path) -> None:
    text = TINY.replace("import Signal", "import Signal, average_buy").replace(", note=", ", on_active=grow, note=")
    listener = "\ndef grow(event):\n    average_buy(-1)\n    raise KeyError('lost')\n"
    a_strategy(folder, text.replace("\nadd_strategy", f"{listener}\nadd_strategy"))
    ended = called(*RUN)
    notes = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    assert ended.code == 0
    assert "refused commands; the first, BTCUSDT at 2025-05-04 00:01: average_buy" in notes[0]
    assert "errors; the first, BTCUSDT at 2025-05-04 00:01: listener grow: KeyError: 'lost'" in notes[1]
    assert "Traceback" not in ended.err
    assert "Traceback" in called(*RUN, "-v").err


@pytest.mark.usefixtures("folder")
def test_max_concurrent_and_workers_reach_the_run() -> None:
    one_by_one = json.loads(called(*TWO, "--json", "--max-concurrent", "1").out)
    assert one_by_one == json.loads(called(*TWO, "--json").out)


def test_strategies_that_assume_different_things_are_named_with_what_they_assume(folder: Path) -> None:
    a_strategy(folder, TINY + TINY.replace('"tiny"', '"other"').replace("note=", "settings={'fee_pct': 0}, note="))
    lines = called(*RUN, "--strategy", "tiny,other").out.splitlines()
    assert "other: fill model vwap, fee 0 %, slippage 0.1 %" in lines
    assert "tiny: fill model vwap, fee 0.1 %, slippage 0.1 %" in lines

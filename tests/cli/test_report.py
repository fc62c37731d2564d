"""`btk report` makes every report of a saved run anew, from the files of the run alone."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from backtestkit_cli.analytics.timings import Samples, timings_of
from backtestkit_cli.cli.app import app
from backtestkit_cli.reports.markdown import kinds
from tests.builders import a_record, a_session
from tests.cli.program import ROOT, called
from tests.cli.saved import RUN_ID, a_saved_record, saved

KINDS = tuple(kinds.KINDS)
WITH_SOMETHING_TO_SAY = tuple(kind for kind in KINDS if kind != "schedule")
"""Nothing waits in the run that these tests look at."""
SYMBOLS = "BTCUSDT,ETHUSDT,DOGEUSDT,XRPUSDT"


@pytest.fixture
def portfolio(everything: Path, tmp_path: Path) -> Path:
    """Return a copy of what the run with everything in it has written."""
    return Path(shutil.copytree(everything, tmp_path / "portfolio"))


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a run of the coordinated example has written, in which every kind has something to say."""
    home = tmp_path_factory.mktemp("portfolio")
    sets = ("frame.to=2025-05-06", "partial_basis=progress", "portfolio.max_drawdown_pct=1")
    options = [text for one in sets for text in ("--set", one)]
    ended = called("backtest", "-c", str(ROOT / "configs/portfolio.yaml"), *options, "-q", "-o", str(home / "dump"))
    assert ended.code == 6, ended.err
    return home / "dump"


def readable(out: Path) -> dict[str, bytes]:
    """Return every file but those of the runs."""
    files = [path for path in out.rglob("*") if path.is_file() and path.relative_to(out).parts[0] != "runs"]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def without_pictures(kind: str) -> tuple[str, ...]:
    """Return what a report is told where its numbers matter: to draw takes longer than all else."""
    return ("--charts", "none") if kind == "heatmap" else ()


def test_there_is_a_command_for_every_kind() -> None:
    group = get_command(app).commands["report"]  # type: ignore[attr-defined]
    assert set(group.commands) == {*kinds.KINDS, "html", "charts", "compare", "all"}


def test_all_reports_are_written_anew_with_the_same_bytes(portfolio: Path) -> None:
    out = portfolio
    before = readable(out)
    assert {name.split("/")[0] for name in before} == {*WITH_SOMETHING_TO_SAY} - {"live"}
    for name in before:
        (out / name).unlink()
    (page,) = out.glob("runs/*/report.html")
    before_page = page.read_bytes()
    page.unlink()
    ended = called("report", "all", "-o", str(out))
    assert (ended.code, ended.out) == (0, "")
    assert readable(out) == before
    assert page.read_bytes() == before_page
    assert sorted(ended.err.splitlines()) == sorted([*(f"wrote {out / name}" for name in before), f"wrote {page}"])


def test_the_page_is_written_anew_where_it_was_or_elsewhere(portfolio: Path, tmp_path: Path) -> None:
    (page,) = portfolio.glob("runs/*/report.html")
    before = page.read_bytes()
    page.write_text("edited")
    assert called("report", "html", "-o", str(portfolio)).err == f"wrote {page}\n"
    assert page.read_bytes() == before
    assert called("report", "html", str(page.parent), "--file", str(tmp_path / "my/page.html"), "-q").err == ""
    assert (tmp_path / "my/page.html").read_bytes() == before


def test_pictures_are_drawn_of_a_saved_run(folder: Path) -> None:
    saved(Path("dump"))
    ended = called("report", "charts", "--charts", "svg")
    assert ended.code == 0
    names = [f"dump/charts/{RUN_ID}/{name}.svg" for name in ("equity", "heatmap", "months")]
    assert ended.err.splitlines() == [f"wrote {name}" for name in names]
    assert all(b"</svg>" in Path(name).read_bytes() for name in names)
    assert called("report", "heatmap", "--charts", "png", "-q").code == 0
    assert Path("dump/heatmap/sma_cross.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("kind", [kind for kind in WITH_SOMETHING_TO_SAY if kind != "live"])
def test_one_report_is_written_anew_where_a_run_looks_for_it_or_elsewhere(
    portfolio: Path, tmp_path: Path, kind: str
) -> None:
    """A163, A168: one layout below any folder."""
    (run,) = (portfolio / "runs").iterdir()
    for out in (tmp_path, tmp_path / "deep/er"):
        ended = called("report", kind, str(run), "-o", str(out), "-q", *without_pictures(kind))
        assert (ended.code, ended.err) == (0, "")
        assert readable(tmp_path / out)[f"{kind}/sma_cross.md"] == readable(portfolio)[f"{kind}/sma_cross.md"]


@pytest.mark.parametrize("kind", WITH_SOMETHING_TO_SAY)
def test_markdown_is_the_file_and_json_its_numbers(portfolio: Path, kind: str) -> None:
    numbers = ("report", kind, "-o", str(portfolio), *without_pictures(kind))
    text = called(*numbers, "--markdown").out
    assert text.startswith("# ")
    assert text.encode() == readable(portfolio)[f"{kind}/sma_cross.md"]
    document = json.loads(called(*numbers, "--json").out, parse_constant=pytest.fail)
    assert (document["kind"], list(document["strategies"])) == (kind, ["sma_cross"])
    assert f"`{document['run_id']}`" in text


def test_tables_show_the_totals_of_the_numbers(portfolio: Path) -> None:
    def of(kind: str) -> tuple[str, dict[str, Any]]:
        numbers = json.loads(called("report", kind, "-o", str(portfolio), "--json").out)
        return called("report", kind, "-o", str(portfolio)).out, numbers["strategies"]["sma_cross"]

    shown, backtest = of("backtest")
    assert f"{backtest['total']['total_pnl_pct']:+.2f} %" in next(x for x in shown.splitlines() if x[:5] == "Total")
    assert "account: 1,000.00" in shown
    shown, partial = of("partial")
    counts = ["Total", str(partial["profit_events"]), str(partial["loss_events"])]
    assert counts in [line.split() for line in shown.splitlines()]
    shown, risk = of("risk")
    assert str(len(risk["refused"])) in next(line for line in shown.splitlines() if line.startswith("Total"))


def test_symbols_of_a_heatmap_are_sorted_by_any_metric(portfolio: Path) -> None:
    """A160."""
    here, before = ("-o", str(portfolio)), readable(portfolio)
    assert {"heatmap/sma_cross.md", "heatmap/sma_cross.json"} <= before.keys()
    shown = called("report", "heatmap", "--sort", "trades", "-s", SYMBOLS, *here).out.splitlines()
    first = next(i for i, line in enumerate(shown) if line.startswith("──")) + 1
    trades = [int(line.split()[1]) for line in shown[first : first + 4]]
    assert trades == sorted(trades, reverse=True)
    assert readable(portfolio) == before
    document = json.loads(called("report", "heatmap", "--sort", "trades", "--json", "--charts", "none", *here).out)
    numbers = document["strategies"]["sma_cross"]
    written = json.loads(readable(portfolio)["heatmap/sma_cross.json"])
    assert (numbers["sort_by"], written["sort_by"]) == ("trades", "trades")
    assert [row["symbol"] for row in written["symbols"]] == [row["symbol"] for row in numbers["rows"]]
    assert called("report", "heatmap", *here).code == 0
    pictures = {f"heatmap/sma_cross{ending}" for ending in (".png", "+months.png")}
    assert readable(portfolio).keys() - before.keys() == pictures
    for picture in pictures:
        (portfolio / picture).unlink()
    assert called("report", "heatmap", "--charts", "none", *here).code == 0
    assert readable(portfolio) == before


def test_a_part_of_a_run_is_shown_and_no_file_is_written(folder: Path) -> None:
    """A153."""
    saved(Path("dump"), a_saved_record("BTCUSDT", "ETHUSDT", trades=4))
    before = readable(Path("dump"))
    ended = called("report", "backtest", "--symbols", "ETHUSDT")
    assert (ended.code, ended.err) == (0, "")
    assert "ETHUSDT of 2 symbols" in ended.out
    assert "BTCUSDT" not in ended.out
    document = json.loads(called("report", "backtest", "-s", "ETHUSDT", "--json").out)
    assert (document["symbols"], document["strategies"]["sma_cross"]["total"]["trades"]) == (["ETHUSDT"], 4)
    assert "ETHUSDT; the run has 2 symbols" in called("report", "backtest", "-s", "ETHUSDT", "--markdown").out
    assert readable(Path("dump")) == before


def test_only_the_strategies_that_are_named_are_shown_and_written(folder: Path) -> None:
    record = a_record(a_session(strategy="near"), a_session(strategy="far"))
    saved(Path("first"), record)
    ended = called("report", "backtest", "first/runs/" + RUN_ID, "--strategy", "near")
    assert ended.code == 0
    assert list(readable(Path("dump"))) == ["backtest/near.md"]
    assert "far" not in ended.out
    assert "near of 2 strategies" in ended.out
    both = called("report", "backtest", "-o", "first")
    assert {"near", "far", "all"} <= {line.split()[0] for line in both.out.splitlines()}


@pytest.mark.parametrize(("kind", "words"), [("partial", "no position"), ("risk", "no signal")])
def test_where_there_is_nothing_to_say_a_note_says_so(folder: Path, kind: str, words: str) -> None:
    saved(Path("dump"))
    stale = Path(f"dump/{kind}/sma_cross.md")
    stale.parent.mkdir()
    stale.write_text("of an earlier run")
    ended = called("report", kind)
    assert (ended.code, ended.out) == (0, "")
    assert len(ended.err.splitlines()) == 1
    assert ended.err.startswith(f"note: {words}")
    assert not stale.exists()
    assert called("report", kind, "-q").err == ""
    assert json.loads(called("report", kind, "--json").out)["kind"] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_without_trades_has_reports_without_numbers(folder: Path, kind: str) -> None:
    saved(Path("dump"), a_saved_record(trades=0))
    ended = called("report", kind)
    assert (ended.code, ended.errors) == (0, [])
    if kind == "backtest":
        assert "N/A" in ended.out
        assert "N/A" in Path("dump/backtest/sma_cross.md").read_text()
    json.loads(called("report", kind, "--json").out, parse_constant=pytest.fail)


def test_every_one_of_2000_trades_counts_and_some_are_shown(folder: Path) -> None:
    saved(Path("dump"), a_saved_record(trades=2_000))
    total = next(line for line in called("report", "backtest").out.splitlines() if line.startswith("Total"))
    assert "2,000" in total.split()
    text = called("report", "backtest", "--markdown").out
    assert "The first 1,000 of 2,000" in text
    assert sum("| BTCUSDT |" in line and "| long" in line for line in text.splitlines()) == 1_000
    numbers = json.loads(called("report", "backtest", "--json").out)["strategies"]["sma_cross"]
    assert (numbers["total"]["trades"], numbers["total"]["wins"], len(numbers["trades"])) == (2_000, 1_000, 2_000)
    pooled = json.loads(called("report", "heatmap", "--json", *without_pictures("heatmap")).out)
    pooled = pooled["strategies"]["sma_cross"]["pooled"]["figures"]
    assert (pooled["trades"], pooled["wins"]) == (2_000, 1_000)


@pytest.mark.parametrize("symbol", ["A/B:C", "1000PEPE|X", "比特币/USDT", "TWO WORDS", "*_`<b>", "späť📉"])
def test_symbols_of_odd_characters_are_shown_and_can_be_named(folder: Path, symbol: str) -> None:
    saved(Path("dump"), a_saved_record("BTCUSDT", symbol))
    ended = called("report", "backtest", "--symbols", symbol)
    assert (ended.code, ended.errors) == (0, [])
    assert ended.out.splitlines()[2].startswith(symbol)
    rows = json.loads(called("report", "backtest", "--json").out)["strategies"]["sma_cross"]["symbols"]
    assert [row["symbol"] for row in rows] == ["BTCUSDT", symbol]
    before = readable(Path("dump"))
    assert called("report", "all").code == 0
    assert readable(Path("dump")) == before


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("report", "bcktest"), 2, ("btk report", "'bcktest'", "'backtest'")),
        (("report", "backtest", "sma_cros-0123456789"), 2, ("dump/runs", "'sma_cros-0123456789'", f"'{RUN_ID}'")),
        (("report", "backtest", ""), 2, ("unknown run ''", RUN_ID)),
        (("report", "backtest", "sma"), 2, ("'sma'", "found 2 that begin so", RUN_ID)),
        (("report", "backtest", "nowhere/at/all"), 2, ("nowhere/at/all", "found nothing")),
        (("report", "backtest", "tiny.py/"), 2, ("tiny.py", "found a file")),
        (("report", "backtest", "-o", "tiny.py"), 2, ("tiny.py", "expected a folder, found a file")),
        (("report", "backtest", "-o", "empty"), 2, ("empty/runs", "expected a saved run, found none", "btk backtest")),
        (("report", "backtest", "x", "-o", "empty"), 2, ("unknown run 'x'", "there are none")),
        (("report", "backtest", RUN_ID, "--strategy", "sma_cros"), 2, (RUN_ID, "'sma_cros'", "'sma_cross'")),
        (("report", "backtest", RUN_ID, "--symbols", "BTCUSD"), 2, (RUN_ID, "'BTCUSD'", "'BTCUSDT'")),
        (("report", "backtest", "--json", "--markdown"), 2, ("--json", "--markdown")),
        (("report", "performance", RUN_ID, "-s", "BTCUSDT"), 2, ("--symbols", "performance", "leave it out")),
        (("report", "heatmap", RUN_ID, "-s", "BTCUSDT", "--charts", "png"), 2, ("--charts", "--symbols")),
        (("report", "heatmap", RUN_ID, "--sort", "trads"), 2, ("metric", "'trads'", "'trades'")),
        (("report", "charts", RUN_ID, "--charts", "pgn"), 2, ("format", "'pgn'", "'png'")),
        (("report", "heatmap", RUN_ID, "--charts", "pgn"), 2, ("format", "'pgn'", "'png'")),
        (("report", "html", "nope"), 2, ("'nope'", RUN_ID)),
        (("report", "html", RUN_ID, "--file", "tiny.py/x.html"), 1, ("tiny.py/x.html", "tiny.py is a file")),
        (("report", "backtest", "--jsn"), 2, ("'--jsn'", "'--json'")),
        (("runs", "lst"), 2, ("btk runs", "'lst'", "'list'")),
        (("runs", "list", "-o", "tiny.py"), 2, ("tiny.py", "expected a folder, found a file")),
        (("runs", "show", "sma_cros-0123456789"), 2, (f"'{RUN_ID}'",)),
        (("runs", "list", "-n", "-1"), 2, ("btk runs list", "-n", "greater than or equal to 0")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_one_line_says_what_is_wrong(
    folder: Path, arguments: tuple[str, ...], code: int, words: tuple[str, ...]
) -> None:
    saved(Path("dump"))
    saved(Path("dump"), a_saved_record(run_id="sma_other"))
    ended = called(*arguments)
    assert (ended.code, ended.out) == (code, "")
    assert len(ended.errors) == 1, ended.err
    assert [word for word in words if word not in ended.errors[0]] == []


def cut(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])


def entry(run: Path, **changed: object) -> None:
    path = run / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changed))


def edited(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda run: (run / "manifest.json").unlink(), ("expected a saved run", "not written to its end")),
        (lambda run: cut(run / "manifest.json", 500), ("manifest.json", "expected JSON")),
        (lambda run: (run / "manifest.json").write_text("[1]"), ("manifest.json", "a JSON object, found list")),
        (lambda run: (run / "manifest.json").write_text('{"name": "app"}'), ("manifest.json", "another JSON")),
        (lambda run: edited(run / "manifest.json", '"format": 1', '"format": 2'), ("format 1, found 2", "version")),
        (lambda run: edited(run / "manifest.json", '"sessions"', '"session"'), ("manifest.json", "no 'sessions'")),
        (lambda run: entry(run, frame=None), ("manifest.json: expected `frame` with name, start and end, found null",)),
        (lambda run: [file.unlink() for file in run.iterdir()], ("the folder of a run, found none of its files",)),
        (lambda run: (run / "trades.parquet").unlink(), ("trades.parquet", "found nothing")),
        (lambda run: cut(run / "trades.parquet", 900), ("trades.parquet", "cut off")),
        (lambda run: cut(run / "trades.parquet", 0), ("trades.parquet", "cut off")),
        (lambda run: (run / "equity.parquet").write_bytes(b"PAR1 no PAR1"), ("equity.parquet", "damaged")),
        (lambda run: cut(run / "events.jsonl", 20), ("events.jsonl", "cut off")),
        (lambda run: shutil.copy(run / "equity.parquet", run / "candles.parquet"), ("candles.parquet", "another")),
        (lambda run: (run / "performance.json").write_text('{"timings": [1]}'), ("performance.json", "another JSON")),
    ],
    ids=[
        *("no manifest", "manifest cut", "a list", "of another program", "newer format", "lacks a part"),
        *("no frame", "not a run", "no trades"),
        *("trades cut", "trades empty", "not Parquet", "events cut", "other columns", "other timings"),
    ],
)
def test_a_run_that_is_not_whole_is_one_line(
    folder: Path, harm: Any, words: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    from backtestkit_cli.events.facts import PositionOpened
    from tests.builders import START_MS, a_position

    events = (PositionOpened(START_MS, "sma_cross", "BTCUSDT", 100.0, a_position()),)
    run = saved(Path("dump"), a_saved_record(events=events))
    before = readable(Path("dump"))
    harm(run)
    for command in (("report", "backtest"), ("runs", "show"), ("report", "all")):
        ended = called(*command, RUN_ID)
        assert (ended.code, ended.out) == (3, ""), command
        assert len(ended.errors) == len(ended.err.splitlines()) == 1, ended.err
        assert [word for word in words if word not in ended.errors[0]] == [], command
        assert capfd.readouterr() == ("", "")  # polars tells of a panic there
        assert readable(Path("dump")) == before


def test_pictures_of_a_run_without_trades_are_those_of_its_equity_and_a_note(folder: Path) -> None:
    saved(Path("dump"), a_saved_record(trades=0))
    ended = called("report", "charts", "--charts", "svg")
    assert (ended.code, ended.out) == (0, "")
    assert "no position was closed: there is nothing to draw for the heatmap" in ended.err
    assert f"wrote dump/charts/{RUN_ID}/equity.svg" in ended.err
    assert "heatmap.svg" not in ended.err


def test_a_terminal_says_that_a_total_of_samples_is_an_estimate(folder: Path) -> None:
    samples = Samples("get_signal", "sma_cross", 150, [0.001] * 100)
    saved(Path("dump"), replace(a_saved_record(), timings=timings_of([samples])))
    ended = called("report", "performance")
    assert "≈ 150.00 ms" in ended.out
    assert "≈ is estimated from samples" in ended.out


def test_numbers_are_shown_where_the_report_cannot_be_written(folder: Path) -> None:
    saved(Path("dump"))
    shutil.rmtree("dump/backtest")
    Path("dump/backtest").write_text("in the way")
    ended = called("report", "backtest")
    assert ended.code == 1
    assert "Total" in ended.out
    assert len(ended.errors) == 1, ended.err
    assert "dump/backtest is a file" in ended.errors[0]
    assert called("report", "all").code == 1


def test_the_out_folder_of_a_config_is_looked_at(folder: Path) -> None:
    Path("mine.yaml").write_text("out: mine\n")
    saved(Path("mine"))
    assert called("report", "backtest").code == 2
    assert called("report", "backtest", "-c", "mine.yaml").code == 0
    assert RUN_ID in called("runs", "list", "-c", "mine.yaml").out

"""Every kind of wrong input ends with a clear line, the right exit code and no traceback."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import DAY, ROOT, RUN, TINY, Ended, a_strategy, called, started
from tests.data.candle_files import START, a_market, changed, write_csv

FRAMELESS = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT")
SYMBOLLESS = ("backtest", "-e", "tiny.py", *DAY)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("backtst",), 2, ("btk", "'backtst'", "'backtest'")),
        (("check", "conf"), 2, ("btk check", "'conf'", "'config'")),
        ((*RUN, "--symbls", "A"), 2, ("btk backtest", "'--symbls'", "'--symbols'")),
        (("list", "--jsn"), 2, ("btk list", "'--jsn'", "'--json'")),
        ((*RUN, "-Z"), 2, ("'-Z'",)),
        ((*RUN, "stray"), 2, ("stray",)),
        ((*RUN, "--set"), 2, ("--set", "argument")),
        (("list", "stratgies"), 2, ("'stratgies'", "'strategies'")),
        ((*RUN, "--set", "fee_pc=1"), 2, ("--set", "'fee_pc'", "'fee_pct'")),
        ((*RUN, "--set", "fee_pct"), 2, ("--set", "key=value", "'fee_pct'")),
        ((*RUN, "--set", "fee_pct=-1"), 2, ("fee_pct", "from 0 to 50", "-1")),
        ((*RUN, "--set", "fee_pct=much"), 2, ("fee_pct", "a number", "'much'")),
        ((*RUN, "--fill-model", "candel"), 2, ("--fill-model", "'candel'", "'candle'")),
        ((*RUN, "--workers", "0"), 2, ("--workers", "at least 1", "0")),
        ((*RUN, "--max-concurrent", "some"), 2, ("--max-concurrent", "'some'")),
        ((*RUN, "--strategy", "tny"), 2, ("strategy", "'tny'", "'tiny'")),
        ((*RUN, "--exchange", "dmo"), 2, ("exchange", "'dmo'", "'demo'")),
        ((*FRAMELESS, "--frame", "may"), 2, ("frame", "'may'")),
        (FRAMELESS, 2, ("frame", "--from", "--to")),
        ((*FRAMELESS, "--from", "2025-05-05"), 2, ("frame.to", "both from and to")),
        (
            (*FRAMELESS, "--from", "2025-05-05", "--to", "2025-05-04"),
            2,
            ("from", "before to", "2025-05-05", "2025-05-04"),
        ),
        ((*FRAMELESS, "--from", "May", "--to", "2025-05-04"), 2, ("--from", "2025-05-04T12:00", "'May'")),
        (SYMBOLLESS, 2, ("symbols", "--symbols", "CC_SYMBOL_LIST")),
        ((*SYMBOLLESS, "-s", ""), 2, ("--symbols", "blank")),
        ((*SYMBOLLESS, "-s", "A,,B"), 2, ("--symbols", "entry 2 is blank")),
        ((*SYMBOLLESS, "-s", "A", "-s", " "), 2, ("--symbols", "entry 2 is blank")),
        ((*SYMBOLLESS, "-s", "A,B", "-s", "A"), 2, ("--symbols", "'A'", "twice")),
        ((*SYMBOLLESS, "-s", "A B"), 2, ("--symbols", "'A B'")),
        (("backtest", "-s", "A", *DAY), 2, ("entry", "--entry")),
        (("backtest", "-e", "tny.py", "-s", "A", *DAY), 2, ("tny.py", "'tiny.py'")),
        (("backtest", "-e", "no_such_module", "-s", "A", *DAY), 2, ("no_such_module", "entry point")),
        ((*RUN, "--config", "none.yaml"), 2, ("none.yaml", "config file")),
        ((*RUN, "--bounds", "--fill-model", "vwap"), 2, ("--bounds", "--fill-model")),
        ((*RUN, "-q", "-v"), 2, ("--verbose", "--quiet")),
        (
            ("backtest", "-e", "tiny.py", "-s", "A", "--from", "2016-01-01", "--to", "2016-01-02"),
            3,
            ("A: asked for", "2016-01-02"),
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
@pytest.mark.usefixtures("folder")
def test_one_line_says_what_is_wrong(arguments: tuple[str, ...], code: int, words: tuple[str, ...]) -> None:
    ended = called(*arguments)
    assert ended.code == code
    assert len(ended.errors) == 1, ended.err
    assert [word for word in words if word not in ended.errors[0]] == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_this_name\n", ("bad.py:1", "does not import", "nothing_of_this_name")),
        ("x = 1\ndef (:\n", ("bad.py:2", "does not import")),
        ("\n\nraise RuntimeError('not today')\n", ("bad.py:3", "RuntimeError", "not today")),
        ("import sys\nsys.exit(3)\n", ("bad.py:2", "does not import")),
        ("x = 1\n", ("bad.py", "registers no strategy", "add_strategy")),
        (TINY + TINY, ("bad.py:", "'tiny'", "twice")),
        (TINY + TINY.replace('"tiny"', '"other"'), ("bad.py", "2 strategies", "other, tiny", "--strategy")),
        (TINY.replace('"1h"', '"1hour"'), ("bad.py:7", "interval", "'1hour'", "1h")),
        (TINY.replace("note=", "settings={'fee_pc': 1}, note="), ("bad.py:7", "fee_pc", "fee_pct")),
        (TINY.replace("get_signal=get_signal, ", ""), ("bad.py:7", "get_signal", "entries")),
    ],
)
def test_a_bad_strategy_file_is_named_with_its_line(folder: Path, text: str, words: tuple[str, ...]) -> None:
    a_strategy(folder, text, "bad.py")
    ended = called("backtest", "-e", "bad.py", "-s", "BTCUSDT", *DAY)
    assert ended.code == 2
    assert len(ended.errors) == 1, ended.err
    assert [word for word in words if word not in ended.errors[0]] == []


def test_all_mistakes_of_a_config_are_reported_with_their_lines(folder: Path) -> None:
    (folder / "run.yaml").write_text("entry: tiny.py\nsymbls: [A]\nsymbols: [A, A]\nsettings:\n  fee_pct: -1\n")
    ended = called("backtest", "-c", "run.yaml", *DAY)
    assert ended.code == 2
    assert [line.split(": ")[1] for line in ended.errors] == ["run.yaml:2", "run.yaml:3", "run.yaml:5"]
    assert "'symbols'" in ended.errors[0]


def test_a_config_that_is_not_yaml_is_named_with_its_line(folder: Path) -> None:
    (folder / "run.yaml").write_text("entry: tiny.py\nsymbols: [A\n")
    ended = called("backtest", "-c", "run.yaml", *DAY)
    assert (ended.code, len(ended.errors)) == (2, 1)
    assert "run.yaml:" in ended.errors[0]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("timestamp", START),
        ("timestamp", START + 6 * 60_000),
        ("close", float("nan")),
        ("volume", -1.0),
        ("high", 1e-9),
    ],
    ids=["unsorted", "duplicate", "not a number", "negative", "high below low"],
)
def test_a_bad_candle_is_named_with_file_and_line(folder: Path, column: str, value: float) -> None:
    write_csv(folder / "A.csv", changed(a_market(400), 7, **{column: value}))
    ended = _on_csv(folder)
    assert ended.code == 3
    assert len(ended.errors) == 1, ended.err
    assert "A.csv: line 9" in ended.errors[0]


def _on_csv(folder: Path, symbols: str = "A") -> Ended:
    (folder / "run.yaml").write_text("entry: tiny.py\nexchange: {kind: csv, path: .}\n")
    span = ("--from", "2025-01-01T00:10", "--to", "2025-01-01T06:00")
    return called("backtest", "-c", "run.yaml", "-s", symbols, *span)


def test_a_symbol_without_candles_fails_and_the_others_finish(folder: Path) -> None:
    write_csv(folder / "AUSDT.csv", a_market(400))
    ended = _on_csv(folder, "AUSDT,AUSTD")
    assert ended.code == 4
    assert len(ended.errors) == 1, ended.err
    assert "AUSTD" in ended.errors[0]
    assert "AUSTD (failed)" in ended.out


def test_a_missing_folder_of_candles_is_missing_data(folder: Path) -> None:
    (folder / "run.yaml").write_text("entry: tiny.py\nexchange: {kind: parquet, path: nowhere}\n")
    ended = called("backtest", "-c", "run.yaml", "-s", "A", *DAY)
    assert (ended.code, len(ended.errors)) == (3, 1)
    assert "nowhere" in ended.errors[0]


def test_an_invalid_signal_is_an_event_and_the_run_goes_on(folder: Path) -> None:
    a_strategy(folder, TINY.replace("price * 1.01", "price * 0.9").replace("minutes=90", "minutes=-1"))
    ended = called(*RUN)
    assert ended.code == 0
    assert ended.errors == []
    assert "24 invalid signals" in ended.err
    assert "take_profit" in ended.err
    assert "minutes" in ended.err
    assert "signal_invalid" in (next((folder / "dump/runs").iterdir()) / "events.jsonl").read_text()


def test_a_strategy_that_raises_ends_its_session_only(folder: Path) -> None:
    a_strategy(
        folder, TINY.replace("    return", "    if symbol == 'BAD': raise ValueError('too\\nbad')\n    return", 1)
    )
    ended = called("backtest", "-e", "tiny.py", "-s", "GOOD,BAD", *DAY)
    assert ended.code == 4
    assert len(ended.errors) == 1, ended.err
    assert "BAD: ValueError: too bad" in ended.errors[0]
    assert "tiny.py:5" in ended.errors[0]
    assert called("backtest", "-e", "tiny.py", "-s", "BAD", *DAY).code == 1


def test_an_out_folder_that_cannot_be_written_leaves_the_numbers_on_stdout(folder: Path) -> None:
    (folder / "taken").write_text("")
    ended = called(*RUN, "-o", "taken")
    assert ended.code == 1
    assert "Total" in ended.out
    assert len(ended.errors) == 1, ended.err
    assert "taken" in ended.errors[0]


def test_a_full_disk_leaves_the_numbers_on_stdout_and_no_half_files(folder: Path) -> None:
    """A limit on the size of files stands for the disk: nothing longer than 100 bytes can be written."""
    command = [sys.executable, "-m", "backtestkit_cli", *RUN]
    ended = subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 1
    assert "Total" in ended.stdout
    assert [line for line in ended.stderr.splitlines() if not line.startswith("error: cannot write")] == []
    assert [path for path in (folder / "dump").rglob("*") if path.is_file()] == []


def test_the_program_itself_ends_with_one_line_and_the_code(folder: Path) -> None:
    ended = started(*RUN, "--symbls", "A", folder=folder, anew=True)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines() == ["error: btk backtest: unknown option '--symbls'; did you mean '--symbols'?"]

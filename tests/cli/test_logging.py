"""What `btk backtest` logs: lines on stderr or in a file, each with the session and the virtual time it is about."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.api import log_context
from backtestkit_cli.cli import log_lines
from tests.cli.program import DAY, RUN, TINY, a_strategy, called, on_a_terminal, started

LOUD = """
import asyncio
import logging
from backtestkit_cli import PositionOpened, Signal, add_strategy, average_buy, context, listen

log = logging.getLogger("mine")

async def get_signal(symbol, when, price):
    log.info("asked %s at %s", symbol, when.isoformat())
    await asyncio.sleep(0)
    print("printed", symbol)
    log.warning("still %s at %s", symbol, when.isoformat(), extra={"depth": {"bids": [1, float("nan")]}})
    if when.hour < 12:
        return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=90)

def opened(event):
    log.info("opened %s", context().symbol)
    average_buy(-1)
    raise KeyError("lost")

listen(PositionOpened, opened)
add_strategy("tiny", interval="6h", get_signal=get_signal)
"""
TWO = ("backtest", "-e", "tiny.py", "-s", "AUSDT,BUSDT", *DAY)
BASE = {"time", "level", "logger", "message"}


@pytest.fixture
def loud(folder: Path) -> Path:
    a_strategy(folder, LOUD)
    return folder


def lines(text: str) -> list[dict[str, Any]]:
    """Return every line of *text* as JSON that no parser refuses."""

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return [json.loads(line, parse_constant=refuse) for line in text.splitlines()]


def test_every_line_of_stderr_is_an_object_with_the_same_keys(loud: Path) -> None:
    ended = started(*TWO, "--log-json", "-v", folder=loud)
    assert ended.code == 0
    found = lines(ended.err)
    keys = BASE | set(log_lines.LOG_KEYS)
    assert [line for line in found if not keys <= line.keys()] == []
    assert {line["logger"] for line in found} == {"btk.run", "btk.data", "mine", "btk.print", "btk.cli"}
    assert "Total" in ended.out
    assert "{" not in ended.out


def test_stdout_is_the_same_document_with_and_without_a_log(loud: Path) -> None:
    plain = started(*TWO, "--json", folder=loud)
    logged = started(*TWO, "--json", "--log-json", "--log-level", "debug", folder=loud)
    assert json.loads(logged.out) == json.loads(plain.out)
    assert lines(logged.err)


@pytest.mark.usefixtures("loud")
def test_two_interleaved_symbols_never_mix() -> None:
    found = lines(called(*TWO, "--log-json").err)
    asked = [line for line in found if line["logger"] == "mine" and line["message"].startswith(("asked", "still"))]
    assert [line["symbol"] for line in asked[:4]] == ["AUSDT", "AUSDT", "BUSDT", "BUSDT"]
    assert len(asked) >= 16
    for line in asked:
        _, symbol, _, when = line["message"].split()
        assert (line["symbol"], line["when"]) == (symbol, when)
        assert (line["strategy"], line["mode"], line["exchange"]) == ("tiny", "backtest", "demo")
        assert line["run_id"].startswith("tiny-")
        assert line["frame"] == "2025-05-04_2025-05-05"
    printed = [line for line in found if line["logger"] == "btk.print"]
    assert {(line["message"], line["symbol"]) for line in printed} == {
        ("printed AUSDT", "AUSDT"),
        ("printed BUSDT", "BUSDT"),
    }


@pytest.mark.usefixtures("loud")
def test_the_engine_says_what_happens_at_its_level() -> None:
    found = [line for line in lines(called(*TWO, "--log-json").err) if line["logger"].startswith("btk.")]
    messages = [(line["level"], line["symbol"], line["message"].partition(":")[0]) for line in found]
    for symbol in ("AUSDT", "BUSDT"):
        kinds = {(level, text) for level, of, text in messages if of == symbol}
        assert {
            ("info", "candles read"),
            ("info", "session begins"),
            ("info", "position opened"),
            ("info", "position closed"),
            ("warning", "command refused"),
            ("error", "error occurred"),
            ("info", "session ends"),
        } <= kinds
    assert messages[0] == ("info", "", "run begins")
    assert ("info", "", "run ends") in messages
    opened = next(line for line in found if line["message"].startswith("position opened"))
    assert opened["facts"]["event"] == "position_opened"
    assert opened["facts"]["price"] > 0
    assert opened["when"].startswith("2025-05-04T")


def test_a_session_that_fails_and_candles_that_are_missing_are_errors(folder: Path) -> None:
    a_strategy(folder, TINY.replace("    return", "    raise ValueError('no')\n    return", 1))
    found = lines(called(*RUN, "--log-json").err)
    failed = [line for line in found if line["level"] == "error" and line["logger"] == "btk.run"]
    assert [(line["symbol"], line["message"].partition(" (")[0]) for line in failed] == [
        ("BTCUSDT", "error occurred: strategy: ValueError: no")
    ]
    assert any(line["message"] == "session fails: 0 trades" for line in found)
    early = ("backtest", "-e", "tiny.py", "-s", "A", "--from", "2016-01-01", "--to", "2016-01-02", "--log-json")
    (missing,) = [line for line in lines(called(*early).err) if line["logger"] == "btk.data"]
    assert (missing["level"], missing["symbol"]) == ("error", "A")


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    "arguments",
    [
        (*RUN, "--log-json", "--nonsense"),
        (*RUN, "--log-json", "--set", "fee_pct=-1"),
        (*RUN, "--log-json", "--log-level", "loud"),
        ("backtest", "-e", "nowhere.py", "-s", "A", *DAY, "--log-json"),
    ],
)
def test_errors_of_the_command_itself_stay_json_too(arguments: tuple[str, ...]) -> None:
    ended = called(*arguments)
    assert ended.code == 2
    assert [(line["level"], line["logger"]) for line in lines(ended.err)] == [("error", "btk.cli")]


@pytest.mark.usefixtures("loud")
def test_a_filter_leaves_the_lines_of_one_symbol() -> None:
    ended = called(*TWO, "--log-json", "--log-filter", "symbol=BUSDT", "-q")
    logged = [line for line in lines(ended.err) if line["logger"] not in {"btk.cli", "btk.print"}]
    assert {line["symbol"] for line in logged} == {"BUSDT"}
    assert {line["logger"] for line in logged} == {"btk.run", "btk.data", "mine"}


def test_filters_of_one_key_add_up_and_those_of_several_must_all_match(folder: Path) -> None:
    a_strategy(folder, TINY + TINY.replace('"tiny"', '"other"'))
    several = (*TWO, "--strategy", "tiny,other", "--log-json", "-q", "--log-filter", "mode=backtest")

    def told(*filters: str) -> set[tuple[str, str]]:
        flags = [part for text in filters for part in ("--log-filter", text)]
        return {(line["strategy"], line["symbol"]) for line in lines(called(*several, *flags).err)}

    assert told("strategy=other", "symbol=AUSDT") == {("other", "AUSDT")}
    assert told("strategy=other", "symbol=AUSDT", "symbol=BUSDT") == {("other", "AUSDT"), ("other", "BUSDT")}
    assert told("mode=live", "strategy=tiny") == {("tiny", "AUSDT"), ("tiny", "BUSDT")}
    assert ("", "") in told()


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("flag", "value", "complaint"),
    [
        ("--log-filter", "symbol", "--log-filter: expected key=value such as symbol=BTCUSDT, found 'symbol'"),
        ("--log-filter", "symbols=A", "--log-filter: unknown key 'symbols'; did you mean 'symbol'?"),
        ("--log-level", "infos", "--log-level: unknown level 'infos'; did you mean 'info'?"),
        ("--log-file", "no/such/folder", "--log-file: no/such/folder: cannot be written: No such file or directory"),
    ],
)
def test_a_wrong_flag_says_what_it_expects(flag: str, value: str, complaint: str) -> None:
    ended = called(*RUN, flag, value)
    assert (ended.code, ended.errors) == (2, [f"error: {complaint}"])


@pytest.mark.usefixtures("loud")
@pytest.mark.parametrize(("level", "levels"), [("debug", 3), ("INFO", 3), ("warning", 2), ("error", 1)], ids=str)
def test_a_level_leaves_out_what_is_below_it(level: str, levels: int) -> None:
    ended = called(*TWO, "--log-level", level, "-q")
    heads = {line.partition(":")[0] for line in ended.err.splitlines() if not line.startswith("printed")}
    assert heads == set(("error", "warning", "info")[:levels])


@pytest.mark.usefixtures("loud")
def test_a_line_for_people_says_when_and_about_what() -> None:
    found = called(*TWO, "--log-level", "info").err.splitlines()
    assert "info: 2025-05-04 00:00 AUSDT tiny mine: asked AUSDT at 2025-05-04T00:00:00+00:00" in found
    assert any(
        line.startswith("info: 2025-05-04 00:00 BUSDT tiny btk.run: position opened: long at ") for line in found
    )


def test_a_file_takes_the_lines_at_its_end_and_stderr_keeps_the_rest(loud: Path) -> None:
    for _ in range(2):
        ended = called(*TWO, "--log-file", "run.log", "--log-json")
        assert {line["logger"] for line in lines(ended.err)} == {"btk.cli", "btk.print"}
    found = lines((loud / "run.log").read_text())
    assert sum(line["message"].startswith("run begins") for line in found) == 2


@pytest.mark.usefixtures("folder")
def test_without_a_flag_nothing_is_logged_and_afterwards_logging_is_what_it_was() -> None:
    before = logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("btk").level
    assert "btk.run" not in called(*RUN).err
    assert "btk.run" in called(*RUN, "--log-level", "info").err
    after = logging.getLogger().level, list(logging.getLogger().handlers), logging.getLogger("btk").level
    assert after == before
    assert "btk.run" not in called(*RUN).err


def test_a_log_changes_no_file_of_a_run(loud: Path) -> None:
    assert called(*TWO, "-o", "plain").code == 0
    assert called(*TWO, "-o", "logged", "--log-level", "debug").code == 0
    for kind in ("events.jsonl", "trades.parquet", "equity.parquet"):
        (plain,) = loud.glob(f"plain/runs/*/{kind}")
        (logged,) = loud.glob(f"logged/runs/*/{kind}")
        assert plain.read_bytes() == logged.read_bytes()


def test_processes_log_as_one_does(loud: Path) -> None:
    ended = started(*TWO, "--log-json", "--workers", "2", folder=loud)
    assert ended.code == 0
    found = lines(ended.err)
    asked = [line for line in found if line["message"].startswith("asked")]
    assert {line["symbol"] for line in asked} == {"AUSDT", "BUSDT"}
    assert all(line["message"].split()[1] == line["symbol"] for line in asked)
    (folder,) = loud.glob("dump/runs/*")
    assert {line["run_id"] for line in found if line["logger"] != "btk.cli"} == {folder.name}


def test_there_are_no_bars_between_the_lines_on_a_terminal(loud: Path) -> None:
    shown = on_a_terminal(*TWO, "--log-json", folder=loud, columns=200).out
    assert "━" not in shown
    assert '"logger": "btk.run"' in shown


def test_a_record_with_arguments_that_do_not_fit_is_a_line_all_the_same() -> None:
    record = logging.LogRecord("mine", logging.INFO, "", 0, "%d apples", ("many",), exc_info=None)
    (line,) = lines(log_lines.JsonLines().format(record))
    assert line["message"] == "%d apples ('many',)"
    nasty = logging.LogRecord("mine", logging.INFO, "", 0, "two\nlines \x1b[31m", (), exc_info=None)
    assert log_lines.TextLines().format(nasty) == "info: mine: two lines \\x1b[31m"


def test_the_keys_of_the_command_line_are_those_of_the_context() -> None:
    assert log_lines.LOG_KEYS == log_context.LOG_KEYS

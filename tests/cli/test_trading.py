"""`btk paper` and `btk live`: what they refuse, what they show, and what signals do."""

import asyncio
import io
import json
import re
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.runs.trading import run
from tests.builders import START_MS, a_position
from tests.cli.program import called, on_a_terminal, popen
from tests.cli.statuses import a_stand_in, stands_in
from tests.venue.driver import TradingVenue
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET
from tests.venue.market import VenueMarket
from tests.venue.server import running
from tests.venue.tapes import demo_tapes

CODES = re.compile(r"\033\[[0-9;?]*[A-Za-z]")
PAPER = ("paper", "-e", "tiny.py", "-s", "BTCUSDT")
LIVE = ("live", "-e", "tiny.py", "-s", "BTC/USDT", "--exchange", "binance")
DAY = ("--from", "2025-05-04", "--to", "2025-05-05")
KEYS = {"BINANCE_API_KEY": "k3y-of-somebody", "BINANCE_API_SECRET": "s3cret-of-somebody"}
HOLDS = SessionMemory(revision=1, tick_ms=START_MS, state=a_position(price_open=60_000.0, cost=600.0))

REFUSED = {
    "no symbols": (("paper", "-e", "tiny.py"), "expected at least one symbol, found none"),
    "no strategy": (("paper", "-s", "BTCUSDT"), "entry: expected a strategy, found none"),
    "a strategy that is not there": ((*PAPER, "--strategy", "tny"), "unknown strategy 'tny'; did you mean 'tiny'?"),
    "an exchange that is not there": ((*PAPER, "--exchange", "binanse"), "unknown exchange 'binanse'; did you mean"),
    "a symbol that cannot be one": (("paper", "-e", "tiny.py", "-s", "BTC USDT"), "expected a symbol such as BTCUSDT"),
    "a symbol twice": (("paper", "-e", "tiny.py", "-s", "BTCUSDT,BTCUSDT"), "expected each symbol once"),
    "speed without replay": ((*PAPER, "--speed", "2"), "--speed is for --replay"),
    "a speed of nothing": ((*PAPER, "--replay", "--speed", "0", *DAY), "--speed: expected a number above 0, found 0"),
    "a speed that is no number": ((*PAPER, "--replay", "--speed", "fast"), "invalid value for '--speed'"),
    "a replay of no frame": ((*PAPER, "--replay"), "expected a frame, found none"),
    "a frame without replay": ((*PAPER, *DAY), "--from, --to: expected no frame: without --replay it goes on from now"),
    "a frame by set": ((*PAPER, "--set", "frame.from=2025-05-04"), "--set frame.from=2025-05-04: expected no frame"),
    "a frame for live": ((*LIVE, "--frame", "may"), "btk live: unknown option '--frame'"),
    "a frame for live by set": ((*LIVE, "--set", "frame=may"), "expected no frame: it goes on from now"),
    "a replay with real orders": ((*LIVE, "--replay"), "btk live: unknown option '--replay'"),
    "two volumes": ((*PAPER, "-q", "-v"), "--verbose and --quiet contradict each other"),
    "a level that is none": ((*PAPER, "--log-level", "loud"), "--log-level: unknown level 'loud'"),
    "real orders on a made-up market": (
        ("live", "-e", "tiny.py", "-s", "BTCUSDT"),
        "exchange 'demo': takes no orders; expected a venue of ccxt, such as binance, found kind demo",
    ),
    "no keys": (LIVE, "btk live needs the keys of binance: expected BINANCE_API_KEY and BINANCE_API_SECRET"),
    "a store that is none": ((*PAPER, "--set", "store.kind=reddis"), "store.kind: expected file, memory, redis,"),
    "a store whose place nobody knows": (
        (*PAPER, "--set", "store={kind: redis, url_env: BTK_NOWHERE}"),
        "a store of kind redis: environment BTK_NOWHERE: expected a URL, found nothing in it",
    ),
    "live in memory": (
        (*LIVE, "--set", "store.kind=memory"),
        "flag --set: store.kind: expected a place that outlives the process, as orders are real, found memory",
    ),
    "a balance of nothing": ((*PAPER, "--set", "paper.balance=0"), "paper.balance: expected a number above 0"),
    "alerts without their variables": (
        (*PAPER, "--set", "alerts.telegram={}"),
        "alerts.telegram.token_env: expected the environment variable BTK_TELEGRAM_TOKEN to be set",
    ),
    "alerts about what does not happen": (
        (*PAPER, "--set", "alerts.webhook={url: 'http://127.0.0.1:9/', events: [position_opend]}"),
        "unknown kind of event 'position_opend'; did you mean",
    ),
    "a key in the config": ((*PAPER, "--set", "exchange.apiKey=abc"), "exchange.apiKey: does not belong in a config"),
}


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*KEYS, "BTK_TELEGRAM_TOKEN", "BTK_TELEGRAM_CHAT"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_trade_is_refused_before_anything_starts(folder: Path, case: str) -> None:
    arguments, words = REFUSED[case]
    ended = called(*arguments)
    assert (ended.code, ended.out) == (2, ""), ended.err
    assert words in "\n".join(ended.errors)
    assert "Traceback" not in ended.err
    assert not (folder / "dump").exists()
    assert not (folder / ".btk/state").exists()


def test_half_of_the_keys_is_named_as_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BINANCE_API_KEY", "abc")
    ended = called(*LIVE)
    assert ended.code == 2
    assert ended.errors == [
        "error: btk live needs the keys of binance: expected BINANCE_API_SECRET in the environment, found none"
    ]


def test_a_file_of_candles_is_for_replays_only(folder: Path) -> None:
    ended = called(*PAPER, "--set", "exchange={kind: csv, path: candles.csv, symbol: BTCUSDT}")
    assert ended.code == 2
    assert "is of kind csv, which has no new candles" in ended.err
    assert "--replay" in ended.err


def test_offline_is_no_way_to_trade_on_a_venue(folder: Path) -> None:
    ended = called(*PAPER, "--exchange", "binance", "--offline")
    assert ended.code == 2
    assert ended.errors == ["error: flag --offline: offline: btk paper on a venue needs the network"]


def test_every_problem_is_named_at_once(folder: Path) -> None:
    ended = called("live", "-e", "tiny.py", "-s", "BTCUSDT", "--set", "alerts.telegram={}")
    assert ended.code == 2
    assert len(ended.errors) == 3


def test_real_orders_without_a_terminal_need_yes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with_keys(monkeypatch)
    ended = called(*LIVE)
    assert (ended.code, ended.out) == (2, "")
    assert ended.errors == ["error: btk live: expected somebody to ask, found no terminal: --yes begins without asking"]


def with_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "run_trading", stands_in)


@pytest.mark.usefixtures("stand_in")
def test_without_a_terminal_each_event_is_a_line_and_the_table_goes_to_stdout(folder: Path) -> None:
    ended = called(*PAPER)
    assert ended.code == 0
    lines = ended.err.splitlines()
    assert lines[0] == "strategies print"
    assert lines[1].startswith("2025-05-04 00:00 paper on demo: 1 position, 1 waiting;")
    assert lines[2] == "2025-05-04 00:00 BTCUSDT: job ran: tidy"
    assert ended.out.splitlines()[0].split()[0] == "Symbol"
    assert "BTCUSDT" in ended.out


@pytest.mark.usefixtures("stand_in")
def test_quiet_leaves_the_result(folder: Path) -> None:
    ended = called(*PAPER, "--quiet")
    assert ended.err == "strategies print\n"
    assert "BTCUSDT" in ended.out


@pytest.mark.usefixtures("stand_in")
def test_a_replay_needs_a_frame_and_nothing_else(folder: Path) -> None:
    assert called(*PAPER, "--replay", *DAY).code == 0
    assert called(*PAPER, "--replay", "--speed", "60", "--set", "frame.from=2025-05-04", "--to", "2025-05-05").code == 0


@pytest.mark.usefixtures("stand_in")
def test_a_frame_of_the_config_is_for_backtests_and_says_nothing(folder: Path) -> None:
    (folder / "run.yaml").write_text("frame: {from: 2025-05-04, to: 2025-05-05}\n")
    assert called(*PAPER, "--config", "run.yaml").code == 0


@pytest.mark.usefixtures("stand_in")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_one_signal_stops_cleanly_and_says_what_happens(
    folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """C14: SIGTERM is as good as Ctrl-C."""
    monkeypatch.setenv("STAND_IN", name)
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    ended = called(*PAPER)
    assert ended.code == 0
    assert "stopping: nothing new is opened, positions are kept" in ended.err
    assert "BTCUSDT" in ended.out
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_second_signal_ends_at_once_whatever_the_strategy_does_and_json_is_on_stdout(folder: Path) -> None:
    process = popen(*PAPER, "--json", folder=folder, anew=True, STAND_IN="holds the loop", **a_stand_in(folder))
    until = time.monotonic() + 30
    try:
        while not (folder / "begun").exists() and time.monotonic() < until:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        assert process.stderr
        said = iter(process.stderr.readline, "")
        assert any(line.startswith("stopping: nothing new is opened") for line in said)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert (process.returncode, err) == (130, "stopped\n")
    assert [json.loads(line)["event"] for line in out.splitlines()] == ["job_ran"]


@pytest.mark.usefixtures("stand_in")
def test_json_ends_with_the_result(folder: Path) -> None:
    ended = called(*PAPER, "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [event["event"] for event in events] == ["job_ran", "run_ended"]
    assert events[-1]["exit_code"] == 0
    assert events[-1]["total"]["trades"] == 1
    assert "strategies print" in ended.err


def test_a_terminal_shows_a_table_and_what_is_printed_stands_above_it(folder: Path) -> None:
    shown = on_a_terminal(*PAPER, folder=folder, columns=150, **a_stand_in(folder))
    text = CODES.sub("", shown.out)
    assert shown.code == 0
    assert "PAPER, no real orders" in text
    assert "long 0.01 at 60000" in text
    assert text.index("strategies print") < text.index("PAPER, no real orders")
    assert "\033[1;37;44mPAPER" in shown.out
    assert shown.out.rindex("\033[?25h") > shown.out.rindex("\033[?25l")


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def loopback(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TradingVenue]:
    """Run an exchange, and be ready to trade there."""
    monkeypatch.setenv("LOOPBACK_API_KEY", LOOPBACK_KEY)
    monkeypatch.setenv("LOOPBACK_API_SECRET", LOOPBACK_SECRET)
    with running(TradingVenue(VenueMarket(demo_tapes(["BTCUSDT"])))) as venue:
        assert isinstance(venue, TradingVenue)
        description = f"kind: ccxt, id: binance, name: loopback, attempts: 1, url: '{venue.url}'"
        (folder / "venue.yaml").write_text(f"exchange: {{{description}}}\n")
        yield venue


THERE = ("live", "-e", "tiny.py", "-s", "BTC/USDT", "-c", "venue.yaml")


@pytest.mark.usefixtures("stand_in", "loopback")
def test_live_shows_its_plan_and_begins_at_the_word_live_only(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(SessionJournal(FileStore(folder / ".btk/state"), "live", "loopback", "tiny", "BTC/USDT").save(HOLDS))
    asyncio.run(SessionJournal(FileStore(folder / ".btk/state"), "live", "loopback", "other", "BTC/USDT").save(HOLDS))
    for typed in ("yes\n", "LIVE\n", ""):
        monkeypatch.setattr(sys, "stdin", Terminal(typed))
        ended = called(*THERE)
        assert (ended.code, ended.out) == (0, "")
        assert "nothing was started" in ended.err
        assert not (folder / "begun").exists()
    monkeypatch.setattr(sys, "stdin", Terminal("live\n"))
    ended = called(*THERE)
    assert ended.code == 0
    assert (folder / "begun").exists()
    plan = " ".join(ended.err[: ended.err.index("to begin:")].split())
    for words in (
        "btk live: real orders on loopback",
        "account the keys in LOOPBACK_API_KEY and LOOPBACK_API_SECRET",
        "symbols BTC/USDT",
        "strategy tiny, every 1h, tiny.py",
        "fill model vwap, fee 0.1 %",
        "exits stop and target rest at the venue",
        "on stop positions and orders stay",
        "alerts nobody is told",
        "balance USDT 10,000 free",
        "state .btk/state: takes up again: BTC/USDT, tiny: long 0.01 at 60000",
        "note: tiny: fill model vwap judges exits by the average price of a tick",
        "note: saved state of BTC/USDT, other is not taken up: this run does not have it",
    ):
        assert words in plan
    assert not any(secret in ended.err + ended.out for secret in (LOOPBACK_KEY, LOOPBACK_SECRET))


@pytest.mark.usefixtures("stand_in")
def test_yes_begins_without_asking_and_still_shows_the_plan(folder: Path, loopback: TradingVenue) -> None:
    loopback.keys.keys.clear()
    ended = called(*THERE, "--yes", "--set", "trading.exits=engine")
    assert ended.code == 0
    assert "btk live: real orders on loopback" in ended.err
    assert "no stop rests at the venue" in ended.err
    assert "the venue did not tell" in ended.err
    assert "note: loopback: the venue refused the credentials in LOOPBACK_API_KEY" in ended.err
    assert "to begin:" not in ended.err
    assert (folder / "begun").exists()


def rows_of(lines: Iterable[str]) -> list[dict[str, Any]]:
    """Return events without their ids, which name the mode."""
    return [{key: value for key, value in json.loads(line).items() if not key.endswith("id")} for line in lines]


@pytest.mark.parametrize("model", ["vwap", "candle"])
def test_a_replay_tells_the_events_of_a_backtest(folder: Path, model: str) -> None:
    """A1: the same module, row by row."""
    what = ("-e", "tiny.py", "-s", "BTCUSDT,ETHUSDT", *DAY, "--fill-model", model)
    ended = called("paper", "--replay", "--json", *what)
    assert ended.code == 0, ended.err
    *events, last = ended.out.splitlines()
    (saved,) = folder.glob("dump/runs/tiny-*/events.jsonl")
    assert called("backtest", *what).code == 0
    (file,) = set(folder.glob("dump/runs/tiny-*/events.jsonl")) - {saved}
    backtest = file.read_text().splitlines()
    assert rows_of(saved.read_text().splitlines()) == rows_of(backtest)
    assert len(backtest) > 20
    assert rows_of(events) == rows_of(backtest)
    assert json.loads(last)["total"]["trades"] == len([row for row in backtest if "position_closed" in row])


def test_a_replay_at_a_speed_takes_its_time_and_stops_at_the_first_signal(folder: Path) -> None:
    process = popen(*PAPER, "--replay", "--speed", "600", *DAY, folder=folder)
    try:
        assert process.stderr
        assert any("position opened" in line for line in iter(process.stderr.readline, ""))
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "stopping: nothing new is opened, the replay ends" in err
    assert "BTCUSDT" in out

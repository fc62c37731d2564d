"""`btk status`: what bots hold, from another shell, and not a trace of having looked."""

import asyncio
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.alerts.outbox import ALERT
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.venue import Leg, OrderKind, VenueOrder
from backtestkit_cli.engine.coordination import Stop
from backtestkit_cli.engine.memory import (
    OpenOrder,
    PendingClose,
    PortfolioMemory,
    RunMemory,
    SessionMemory,
    Stage,
)
from backtestkit_cli.persistence.account_lock import AccountLock
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.runs import sources
from tests.builders import START_MS, a_position, a_trade
from tests.cli.program import called
from tests.cli.statuses import a_waiting

STATE = Path(".btk/state")
EXITS = VenueOrder(
    client_id="abc-x1",
    signal_id="abc",
    strategy="tiny",
    symbol="BTCUSDT",
    leg=Leg.EXITS,
    kind=OrderKind.EXITS,
    is_buy=False,
    quantity=0.01,
    price_expected=60_000.0,
    at_ms=START_MS,
    price_limit=61_200.0,
    price_stop=58_800.0,
)
RESTS = "exits abc-x1, sell 0.01 limit 61200 stop 58800; rests at the venue"
HOLDS = SessionMemory(
    revision=1,
    tick_ms=START_MS,
    state=a_position(price_open=60_000.0, cost=600.0),
    orders=(OpenOrder(EXITS, Stage.RESTING, START_MS),),
)


@pytest.fixture(autouse=True)
def _half_a_minute_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "now_ms", lambda: START_MS + 30_000)


async def kept(mode: str, exchange: str, sessions: dict[tuple[str, str], SessionMemory], *shared: Any) -> FileStore:
    store = FileStore(STATE)
    await store.wait_for_init()
    for (strategy, symbol), memory in sessions.items():
        await SessionJournal(store, mode, exchange, strategy, symbol).save(memory)
    for one in shared:
        await RunJournal(store, mode, exchange).save(one)
    return store


def left_by(mode: str, exchange: str, sessions: dict[tuple[str, str], SessionMemory], *shared: Any) -> FileStore:
    return asyncio.run(kept(mode, exchange, sessions, *shared))


def everything_below(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path): (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"")
        for path in sorted(folder.rglob("*"))
    }


def bots() -> list[dict[str, Any]]:
    ended = called("status", "--json")
    assert ended.code == 0, ended.err
    found: list[dict[str, Any]] = json.loads(ended.out)["bots"]
    return found


def test_where_nothing_was_saved_that_is_said_and_nothing_is_made(folder: Path) -> None:
    ended = called("status")
    assert (ended.code, ended.out) == (0, ".btk/state: no bot has saved anything here\n")
    assert bots() == []
    assert not (folder / ".btk").exists()


@pytest.mark.usefixtures("folder")
def test_positions_signals_orders_blocks_dust_stops_and_alerts_are_shown() -> None:
    waits = SessionMemory(revision=1, tick_ms=START_MS, state=a_waiting())
    blocked = SessionMemory(revision=1, tick_ms=START_MS, blocked="0.5 SOL too many", dust=0.0001)
    closing = HOLDS._replace(orders=(), closing=PendingClose(START_MS, CloseReason.STOP_LOSS, 58_800.0))
    flat = SessionMemory(revision=1, tick_ms=START_MS - 60_000)
    stop = Stop("max_daily_loss_pct", StopAction.CLOSE_ALL, "equity 9,000", START_MS + 60_000)
    store = left_by(
        "live",
        "binance",
        {
            ("tiny", "BTCUSDT"): HOLDS,
            ("tiny", "ETHUSDT"): waits,
            ("tiny", "SOLUSDT"): blocked,
            ("tiny", "XRPUSDT"): closing,
            ("tiny", "ADAUSDT"): flat,
        },
        RunMemory(run_id="tiny-0123", started_at_ms=START_MS, facts={}),
        PortfolioMemory(peak_equity=1.0, day_base=1.0, day_ms=START_MS, stop=stop),
    )
    asyncio.run(store.write(("live", "binance", ALERT, "webhook", "1"), {"text": "not sent"}))
    journal = SessionJournal(store, "live", "binance", "tiny", "BTCUSDT")
    asyncio.run(journal.save(HOLDS._replace(revision=HOLDS.revision + 1), [a_trade()]))
    ended = called("status")
    assert ended.code == 0, ended.err
    lines = [" ".join(line.split()) for line in ended.out.splitlines()]
    assert lines[0] == "live on binance: stopped, state of 2025-05-04 00:00, 30 s ago, tiny-0123"
    assert "BTCUSDT tiny long 0.01 at 60000 58800 61200 2025-05-04 00:00 1" in lines
    assert "ETHUSDT tiny waiting long at 61000 60000 62000 2025-05-04 00:00 0" in lines
    assert "1 flat" in lines
    notes = ended.err.replace("note: ", "").splitlines()
    assert notes == [
        "stopped by the portfolio until 2025-05-04 00:01: max_daily_loss_pct: equity 9,000",
        f"BTCUSDT, tiny: order: {RESTS}, 30 s old",
        "SOLUSDT, tiny: blocked, nothing new is opened: 0.5 SOL too many",
        "SOLUSDT, tiny: dust of 0.0001, too little to be sold",
        "XRPUSDT, tiny: is being closed since 2025-05-04 00:00: stop_loss",
        "1 alert not delivered yet",
    ]
    (bot,) = bots()
    assert (bot["mode"], bot["exchange"], bot["is_running"], bot["alerts_waiting"]) == ("live", "binance", False, 1)
    assert (bot["tick"], bot["age"], bot["run_id"]) == (START_MS, 30_000, "tiny-0123")
    assert bot["portfolio_stop"]["rule"] == "max_daily_loss_pct"
    by_symbol = {session["symbol"]: session for session in bot["sessions"]}
    assert list(by_symbol) == ["ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT"]
    assert by_symbol["BTCUSDT"]["position"]["quantity"] == 0.01
    assert by_symbol["BTCUSDT"]["orders"][0]["stage"] == "resting"
    assert by_symbol["ETHUSDT"]["waiting"]["price_open"] == 61_000.0
    assert by_symbol["SOLUSDT"]["blocked"] == "0.5 SOL too many"
    assert by_symbol["XRPUSDT"]["closing"]["reason"] == "stop_loss"


@pytest.mark.usefixtures("folder")
def test_modes_and_exchanges_are_kept_apart_and_can_be_chosen() -> None:
    """C13: what is held on paper is never shown as real."""
    for mode, exchange in (("paper", "binance"), ("live", "binance"), ("live", "kraken")):
        left_by(mode, exchange, {("tiny", "BTCUSDT"): HOLDS})
    assert [(bot["mode"], bot["exchange"]) for bot in bots()] == [
        ("live", "binance"),
        ("live", "kraken"),
        ("paper", "binance"),
    ]
    assert called("status", "--mode", "paper").out.count(" on ") == 1
    assert "live on kraken" in called("status", "--mode", "live", "--exchange", "kraken").out
    wrong = called("status", "--mode", "liv")
    assert (wrong.code, wrong.errors) == (2, ["error: --mode: unknown mode 'liv'; did you mean 'live'?"])


@pytest.mark.usefixtures("folder")
def test_a_running_bot_is_named_by_its_process_and_its_lock_is_not_touched() -> None:
    left_by("paper", "demo", {("tiny", "BTCUSDT"): HOLDS})
    with AccountLock(STATE, "paper", "demo", "abc"):
        before = everything_below(STATE)
        (bot,) = bots()
        assert bot["is_running"]
        assert [process["pid"] for process in bot["processes"]] == [os.getpid()]
        assert f"paper on demo: running (pid {os.getpid()}, since" in called("status").out
        assert everything_below(STATE) == before
    assert not bots()[0]["is_running"]
    assert called("status").out.startswith("paper on demo: stopped,")


@pytest.mark.usefixtures("folder")
def test_one_that_was_killed_is_not_taken_for_running_even_if_its_number_is_used_again() -> None:
    code = (
        "import os; from pathlib import Path; from backtestkit_cli.persistence.account_lock import AccountLock\n"
        "AccountLock(Path('.btk/state'), 'paper', 'demo', 'abc').acquire(); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 9
    assert bots()[0]["processes"][0]["state"] == "gone"
    assert "stopped: it was killed" in called("status").out
    (holder,) = STATE.rglob("*.holder")
    holder.write_text(f"pid {os.getpid()} on {platform.node()}")
    assert bots()[0]["processes"][0]["state"] == "gone"
    holder.write_text("pid 1 on elsewhere")
    assert "started on elsewhere (pid 1" in called("status").out
    holder.write_text("nonsense")
    assert bots() == []


@pytest.mark.usefixtures("folder")
def test_old_state_of_a_running_bot_is_not_shown_as_the_present(monkeypatch: pytest.MonkeyPatch) -> None:
    left_by("paper", "demo", {("tiny", "BTCUSDT"): HOLDS})
    monkeypatch.setattr(sources, "now_ms", lambda: START_MS + 3_600_000)
    with AccountLock(STATE, "paper", "demo", "abc"):
        ended = called("status")
    assert "state of 2025-05-04 00:00, 60 min ago" in ended.out
    assert "note: it runs, but its newest tick is 60 min old: what is shown is not the present" in ended.err


def cut_off(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:20])


def without_a_state(file: Path) -> None:
    file.write_text(file.read_text().replace('"revision":1', '"revision":"one"'))


def of_tomorrow(file: Path) -> None:
    file.write_text(file.read_text().replace('"version":1', '"version":99'))


@pytest.mark.usefixtures("folder")
@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (cut_off, "the signal record was lost: a position may be open at the venue that is not known here"),
        (without_a_state, "the signal record was lost: a position may be open at the venue that is not known here"),
        (of_tomorrow, "a newer btk wrote this record"),
    ],
)
def test_what_cannot_be_read_is_told_and_left_as_it_is(damage: Callable[[Path], None], told: str) -> None:
    left_by("live", "binance", {("tiny", "BTCUSDT"): HOLDS, ("tiny", "ETHUSDT"): HOLDS})
    (file,) = [one for one in STATE.rglob("*.json") if "btcusdt" in one.name and "signal" in one.parts]
    damage(file)
    before = everything_below(STATE)
    ended = called("status")
    assert ended.code == 0
    assert told in ended.err
    assert "ETHUSDT" in ended.out
    assert everything_below(STATE) == before


def test_a_state_folder_that_is_none_is_an_error(folder: Path) -> None:
    (folder / "state").write_text("")
    ended = called("status", "--set", "store.folder=state")
    assert (ended.code, ended.out) == (3, "")
    assert "state: cannot be read" in ended.errors[0]

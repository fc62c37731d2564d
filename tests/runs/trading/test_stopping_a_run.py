"""Stopping a run that has no end: what is told, what stays, and what is closed."""

import json
import signal
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

import backtestkit_cli as btk
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.trading import OnStop
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.events.facts import PositionClosed, PositionOpened, SessionEnded, SignalCancelled, SignalScheduled
from backtestkit_cli.events.venue_facts import PositionRestored
from backtestkit_cli.persistence.session_journal import SessionJournal
from tests.cli.program import a_strategy, popen
from tests.engine.coordinated import a_long
from tests.markets import flat, plan_for, registered
from tests.runs.trading.going_on import QUICK, Bot, minute_of, of_kind, run_now

OPEN, WAITS, FLAT = "AAA", "BBB", "CCC"


def three_symbols(out: Path, on_stop: OnStop) -> tuple[Bot, list[SessionEnded]]:
    """Return a bot with one symbol that holds a position, one whose signal waits, and one that does nothing."""
    ended: list[SessionEnded] = []

    def get_signal(symbol: str, when: datetime, price: float) -> btk.Signal | None:
        if minute_of(to_ms(when)) != 12 or symbol == FLAT:
            return None
        return a_long(price) if symbol == OPEN else a_long(price, price_open=price * 0.9, stop_loss=price * 0.8)

    def register() -> None:
        btk.add_strategy("s", interval="1m", get_signal=get_signal)
        btk.listen(btk.SessionEnded, ended.append)

    candles = dict.fromkeys((OPEN, WAITS, FLAT), flat(200))
    plan = plan_for(registered(register), candles)
    return Bot(plan=plan, candles=candles, out=out, options=replace(QUICK, on_stop=on_stop)), ended


def memory(bot: Bot, symbol: str) -> SessionMemory | None:
    return run_now(SessionJournal(bot.store, "paper", "held", "s", symbol).recall())


@pytest.mark.parametrize("on_stop", list(OnStop))
def test_each_symbol_says_that_it_is_done_and_reports_are_on_disk(tmp_path: Path, on_stop: OnStop) -> None:
    """A85, A86: one request ends all three, exit code 0, everything written."""
    bot, ended = three_symbols(tmp_path, on_stop)
    outcome = bot.outcome(10, 20)
    assert sorted(one.symbol for one in ended) == [OPEN, WAITS, FLAT]
    assert {one.error for one in ended} == {None}
    assert outcome.exit_code == 0
    folder = tmp_path / "runs" / outcome.facts.run_id
    assert {file.name for file in folder.iterdir()} >= {"manifest.json", "events.jsonl", "report.html"}
    assert (tmp_path / "live/s.md").exists()


def test_what_is_kept_is_taken_up_again(tmp_path: Path) -> None:
    """A85: with `on_stop: keep` the next process goes on with the position and the signal that waits."""
    bot, _ = three_symbols(tmp_path, OnStop.KEEP)
    bot.lives(10, 20)
    kept = memory(bot, OPEN), memory(bot, WAITS)
    assert isinstance(kept[0] and kept[0].state, Position)
    assert isinstance(kept[1] and kept[1].state, Waiting)
    bot.heard.clear()
    bot.lives(22, 30)
    assert [event.symbol for event in of_kind(bot.heard, PositionRestored)] == [OPEN]
    assert [(event.symbol, event.is_restored) for event in of_kind(bot.heard, SignalScheduled)] == [(WAITS, True)]
    assert not of_kind(bot.heard, PositionOpened)


def test_closing_at_the_stop_sells_what_is_open_and_takes_back_what_waits(tmp_path: Path) -> None:
    """A85: `on_stop: close` leaves nothing to be taken up again, and its trades are in the reports."""
    bot, _ = three_symbols(tmp_path, OnStop.CLOSE)
    outcome = bot.outcome(10, 20)
    (closed,) = of_kind(bot.heard, PositionClosed)
    assert (closed.trade.reason.value, closed.trade.note) == ("closed", "stopped")
    assert [(event.symbol, event.reason.value) for event in of_kind(bot.heard, SignalCancelled)] == [(WAITS, "user")]
    assert [trade.id for one in outcome.sessions for trade in one.trades] == [closed.trade.id]
    assert "stopped" in (tmp_path / "live/s.md").read_text()
    left = [memory(bot, symbol) for symbol in (OPEN, WAITS, FLAT)]
    assert [one.state for one in left if one is not None] == [None] * len([one for one in left if one is not None])
    bot.heard.clear()
    bot.lives(22, 30)
    assert bot.heard == []


def test_a_stop_before_the_first_tick_ends_cleanly(tmp_path: Path) -> None:
    bot, ended = three_symbols(tmp_path, OnStop.CLOSE)
    outcome = bot.outcome(10, 10)
    assert outcome.exit_code == 0
    assert len(ended) == 3


def test_a_signal_ends_a_real_process_cleanly(tmp_path: Path) -> None:
    """A85: after SIGINT as after SIGTERM reports are on disk, and the exit code is 0."""
    folders = {number: tmp_path / number.name for number in (signal.SIGINT, signal.SIGTERM)}
    running = {}
    for number, folder in folders.items():
        folder.mkdir()
        a_strategy(folder)
        running[number] = popen("paper", "-e", "tiny.py", "-s", "BTCUSDT,ETHUSDT", folder=folder)
    for number, process in running.items():
        until_s = time.monotonic() + 30
        while not [*folders[number].glob("dump/runs/*/events.jsonl")] and time.monotonic() < until_s:
            time.sleep(0.02)
        process.send_signal(number)
    for number, process in running.items():
        _, err = process.communicate(timeout=30)
        assert process.returncode == 0, err
        (written,) = folders[number].glob("dump/runs/*")
        assert json.loads((written / "manifest.json").read_bytes())["exit_code"] == 0
        assert (written / "report.html").exists()

"""Sessions that fail in a run that goes on: what is written, when they come back, and that nothing is told twice."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path

import pytest

import backtestkit_cli as btk
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.errors import StoreError, StoreUnavailableError
from backtestkit_cli.events.facts import ErrorOccurred, PositionClosed, PositionOpened
from backtestkit_cli.events.venue_facts import SessionRestarted
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.ports import Json, Key
from tests.engine.coordinated import a_long, a_plan, a_profile
from tests.markets import flat, plan_for, registered
from tests.runs.trading.going_on import QUICK, Bot, minute_of, of_kind

MARKETS = {"BTC/USDT": flat(200), "ETH/USDT": flat(200)}


def failing_bot(failing: set[int], tmp_path: Path) -> tuple[Bot, list[tuple[str, int]]]:
    """Return a bot whose strategy fails on BTC at the minutes *failing*, and what it was asked."""
    asked: list[tuple[str, int]] = []

    def get_signal(symbol: str, when: datetime, price: float) -> btk.Signal | None:
        minute = minute_of(to_ms(when))
        asked.append((symbol, minute))
        if symbol.startswith("BTC") and minute in failing:
            raise ValueError(f"minute {minute} is bad")
        return a_long(price, minutes=8) if minute % 10 == 0 else None

    def register() -> None:
        btk.add_strategy("s", interval="1m", get_signal=get_signal)

    return Bot(plan=plan_for(registered(register), MARKETS), candles=MARKETS, out=tmp_path), asked


def test_a_session_that_fails_leaves_a_report_and_restarts_from_its_state(tmp_path: Path) -> None:
    """A82: a fault on one tick; the report is there, the session is back after the delay, and nothing is doubled."""
    bot, asked = failing_bot({19}, tmp_path)
    bot.options = replace(QUICK, restart_seconds=90.0)
    bot.lives(10, 41)
    text = (tmp_path / "errors/BTCUSDT/s.md").read_text()
    assert "ValueError: minute 19 is bad" in text
    assert "Traceback" in text
    assert '"tick_ms"' in text
    assert '"position_opened"' in text
    assert not (tmp_path / "errors/ETHUSDT").exists()
    (restarted,) = of_kind(bot.heard, SessionRestarted)
    assert (restarted.symbol, minute_of(restarted.at_ms)) == ("BTC/USDT", 21)
    btc = [minute for symbol, minute in asked if symbol.startswith("BTC")]
    assert btc == sorted(set(btc)), "it is asked about no minute twice"
    eth = [minute for symbol, minute in asked if symbol.startswith("ETH")]
    assert [minute for minute in eth if minute not in btc] == [20], "the others go on"
    for kind in (PositionOpened, PositionClosed):
        told = [(event.symbol, event.at_ms) for event in of_kind(bot.heard, kind)]
        assert len(told) == len(set(told)) >= 4


def test_a_session_that_fails_again_and_again_is_left_alone_for_longer_each_time(tmp_path: Path) -> None:
    """A82: each failure is told, and there are ever fewer of them."""
    bot, _ = failing_bot(set(range(11, 200)), tmp_path)
    bot.lives(11, 120)
    minutes = [minute_of(event.at_ms) for event in of_kind(bot.heard, SessionRestarted)]
    pauses = [later - sooner for sooner, later in pairwise(minutes)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15
    assert len(minutes) < 20
    errors = of_kind(bot.heard, ErrorOccurred)
    assert abs(len(errors) - len(minutes)) <= 1
    assert of_kind(bot.heard, PositionOpened), "the other symbol trades on"


@pytest.mark.parametrize("failure", [StoreError, StoreUnavailableError])
def test_an_account_that_cannot_be_saved_is_told_once_and_trading_goes_on(
    tmp_path: Path, failure: type[StoreError]
) -> None:
    """D37: what cannot be kept is an event that alerts hear, and no reason to end; how it was found out is no other."""
    store = Stumbling()
    store.failure = failure
    store.kinds = frozenset({"portfolio"})
    store.is_full = True
    candles = {"A": flat(200)}
    plan = a_plan(candles, lambda *_: None, portfolio=Portfolio(balance=1000.0))
    bot = Bot(plan=plan, candles=candles, store=store, out=tmp_path)
    outcome = bot.outcome(9, 30)
    (told,) = of_kind(bot.heard, ErrorOccurred)
    assert (told.source, told.strategy) == ("keeping", "")
    assert "no space left" in told.error
    assert outcome.exit_code == 0


class Stumbling(MemoryStore):
    """A store that cannot be written for a while, as long as `is_full`."""

    is_full = False
    failure = StoreError
    attempts = 0
    kinds = frozenset({"signal", "schedule"})

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Write where there is room."""
        if self.is_full and any(key[2] in self.kinds for key in records):
            self.attempts += issubclass(self.failure, StoreUnavailableError)
            raise self.failure(f"memory: no space left on device (tried {self.attempts} times)")
        await super().write_all(records)


@pytest.mark.parametrize("full", [range(12, 14), range(17, 20), range(18, 19), range(20, 24)])
def test_a_disk_that_is_full_for_a_while_loses_and_doubles_nothing(tmp_path: Path, full: range) -> None:
    """A82, A129: places and trades are those of the venue after it, whichever write was the one that failed."""
    seen: list[float] = []

    def get_signal(_symbol: str, when: datetime, price: float) -> btk.Signal | None:
        return a_long(price, minutes=8, cost=100.0) if minute_of(to_ms(when)) % 10 == 0 else None

    def rule(check: btk.RiskCheck) -> None:
        seen.append(len(check.positions))

    store = Stumbling()
    candles = {"A": flat(200)}
    bot = Bot(plan=a_plan(candles, get_signal, a_profile(rule)), candles=candles, store=store, out=tmp_path)

    def look(status: object) -> None:
        store.is_full = minute_of(status.now_ms) in full  # type: ignore[attr-defined]

    bot.on_look = look
    outcome = bot.outcome(9, 42)
    closed = [event.trade.id for event in of_kind(bot.heard, PositionClosed)]
    assert len(closed) == len(set(closed)) >= 2
    assert closed == [trade.id for trade in outcome.sessions[0].trades]
    assert set(seen) == {0}, "no place is left reserved"
    assert outcome.sessions[0].counts["position_closed"] == len(closed)

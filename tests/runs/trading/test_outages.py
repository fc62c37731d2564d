"""A store that is away for a while: exits go on and entries wait, nothing is told before it is saved, nothing is lost.

What is held is bought each ten minutes and sold eight minutes later, so an outage can be put on either.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import StoreError, StoreUnavailableError, StoreUnreachableError
from backtestkit_cli.events.facts import ErrorOccurred, PositionClosed, PositionOpened
from backtestkit_cli.events.venue_facts import ConnectionLost, ConnectionRestored, OrderRejected, SessionRestarted
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.ports import Json, Key
from tests.engine.coordinated import a_long
from tests.laws import ALL_LAWS
from tests.markets import flat, plan_for, registered
from tests.runs.trading.going_on import Bot, minute_of, of_kind, run_now

SYMBOL = "BTC/USDT"
NEVER = range(0)
HANGS_S = 3.0


class Away(MemoryStore):
    """A store that is reached again after a while; `hangs` is how long it takes to find out that it is not."""

    failure: StoreError | None = None
    is_late = False
    """Say that what was asked for is done though nobody hears of it."""

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        if self.failure is not None:
            await asyncio.sleep(HANGS_S)
            if self.is_late:
                await super().write_all(records)
            raise self.failure
        await super().write_all(records)


class Trader:
    """A bot on one symbol with a store that is away for some minutes, and when it told what."""

    def __init__(self, away: range = NEVER, failure: StoreError | None = None) -> None:
        self.store = Away()
        self.away, self.broken = away, NEVER
        self.failure: StoreError = failure or StoreUnreachableError(
            "redis://host: connection refused (tried once, for 0.0 s)"
        )
        self.asked: list[int] = []
        self.told: list[tuple[str, int, int]] = []
        """Of each event its kind, the minute it is of, and the minute it was told in."""

        def get_signal(_symbol: str, when: datetime, price: float) -> btk.Signal | None:
            minute = minute_of(to_ms(when))
            self.asked.append(minute)
            self._look(None)
            return a_long(price, minutes=8) if minute % 10 == 0 else None

        def register() -> None:
            btk.add_strategy("s", interval="1m", get_signal=get_signal)
            for kind in (btk.PositionOpened, btk.PositionClosed, btk.OrderRejected):
                btk.listen(kind, self._tell)

        candles = {SYMBOL: flat(200)}
        self.bot = Bot(plan=plan_for(registered(register), candles), candles=candles, store=self.store)
        self.bot.on_look = self._look

    def _tell(self, event: Any) -> None:
        self.told.append((type(event).__name__, minute_of(event.at_ms), minute_of(self.bot.now_ms())))

    def _look(self, _status: object) -> None:
        minute = minute_of(self.bot.now_ms())
        broken = StoreError("postgres: no such table") if minute in self.broken else None
        self.store.failure = self.failure if minute in self.away else broken

    @property
    def memory(self) -> SessionMemory:
        found = run_now(SessionJournal(self.bot.store, "paper", "held", "s", SYMBOL).recall())
        assert found is not None
        return found

    @property
    def trades(self) -> list[tuple[int, int]]:
        """Return the minutes of open and close of each trade that is kept."""
        kept = run_now(SessionJournal(self.bot.store, "paper", "held", "s", SYMBOL).trades())
        return [(minute_of(one.opened_at_ms), minute_of(one.closed_at_ms)) for one in kept]

    @property
    def coins(self) -> float:
        """Return what the account of the paper venue holds by what is kept of it."""
        record: Any = run_now(self.bot.store.read(("paper", "held", "account", "simulated")))
        filled = [(one["order"]["is_buy"], one["fill"]) for one in record["orders"] if one["fill"]]
        return float(sum((1 if is_buy else -1) * fill["quantity"] for is_buy, fill in filled))


def test_without_an_outage_each_is_told_in_its_minute() -> None:
    trader = Trader()
    trader.bot.lives(9, 39)
    assert trader.trades == [(10, 18), (20, 28), (30, 38)]
    assert {told - of for _, of, told in trader.told} == {0}


@pytest.mark.parametrize("failure", [None, StoreUnavailableError("redis://host: OOM, used memory > 'maxmemory'")])
def test_an_exit_goes_on_while_nothing_can_be_saved_and_is_told_once_it_is(failure: StoreError | None) -> None:
    """The position is sold at its minute, and nobody hears of it before it could survive a crash."""
    trader = Trader(away=range(16, 25), failure=failure)
    trader.bot.lives(9, 39)
    assert trader.trades == [(10, 18), (30, 38)]
    (closed, _) = [one for one in trader.told if one[0] == "PositionClosed"]
    assert closed[1] == 18
    assert 25 <= closed[2] <= 26
    assert trader.coins == 0


def test_nobody_is_asked_for_a_signal_while_something_waits_to_be_saved() -> None:
    trader = Trader(away=range(16, 25))
    trader.bot.lives(9, 39)
    assert 20 not in trader.asked
    assert 26 in trader.asked
    assert [minute_of(event.at_ms) for event in of_kind(trader.bot.heard, PositionOpened)] == [10, 30]


def test_an_entry_whose_attempt_cannot_be_saved_is_not_sent_and_told_why() -> None:
    """Nothing was to be saved before: the attempt itself is what cannot be."""
    trader = Trader(away=range(20, 25))
    trader.bot.lives(9, 39)
    assert trader.trades == [(10, 18), (30, 38)]
    (rejected,) = of_kind(trader.bot.heard, OrderRejected)
    assert "connection refused" in rejected.reason


def test_an_outage_is_told_once_at_its_begin_and_once_at_its_end() -> None:
    trader = Trader(away=range(16, 25))
    trader.bot.lives(9, 39)
    (lost,) = of_kind(trader.bot.heard, ConnectionLost)
    (restored,) = of_kind(trader.bot.heard, ConnectionRestored)
    assert "not saved yet: redis://host: connection refused" in lost.reason
    assert 16 <= minute_of(lost.at_ms) <= 18
    assert 25 <= minute_of(restored.at_ms) <= 26
    assert not of_kind(trader.bot.heard, ErrorOccurred)


@pytest.mark.parametrize("begin", range(9, 20))
@pytest.mark.parametrize("is_late", [False, True] if ALL_LAWS else [None])
def test_wherever_an_outage_begins_nothing_is_lost_or_doubled(begin: int, *, is_late: bool | None) -> None:
    """Also where what failed was written in truth, and its answer was lost."""
    away = range(begin, begin + 4)
    trader = Trader(away=away)
    trader.store.is_late = begin % 2 == 0 if is_late is None else is_late
    trader.bot.lives(9, 39)
    trades = trader.trades
    assert trades[-1] == (30, 38)
    assert set(trades) <= {(10, 18), (20, 28), (30, 38)}
    missed = {10, 20} & set(away)
    assert len(trades) >= 3 - len(missed)
    assert [(of, kind) for kind, of, _ in trader.told if kind != "OrderRejected"] == [
        (minute, kind)
        for trade in trades
        for minute, kind in zip(trade, ("PositionOpened", "PositionClosed"), strict=True)
    ]
    assert trader.coins == 0
    assert trader.memory.state is None


def test_a_session_that_fails_during_an_outage_loses_nothing() -> None:
    """What it did before it failed is saved when the store takes it again, and then told."""
    trader = Trader(away=range(16, 22))
    trader.broken = range(22, 26)
    trader.bot.lives(9, 39)
    assert trader.trades == [(10, 18), (30, 38)]
    assert [minute_of(event.at_ms) for event in of_kind(trader.bot.heard, PositionClosed)] == [18, 38]
    (restarted,) = of_kind(trader.bot.heard, SessionRestarted)
    assert minute_of(restarted.at_ms) >= 26
    assert "no such table" in restarted.error
    assert trader.coins == 0


def test_a_process_that_dies_during_an_outage_finds_at_the_venue_what_it_could_not_save() -> None:
    trader = Trader(away=range(16, 25))
    trader.bot.lives(9, 22, killed=True)
    assert trader.trades == []
    assert trader.memory.state is not None, "the sale is not on record"
    trader.away, trader.store.failure = NEVER, None
    trader.bot.lives(27, 39)
    assert [closed for _, closed in trader.trades][-1] == 38
    assert len(trader.trades) == 2
    assert len(of_kind(trader.bot.heard, PositionClosed)) == 2
    assert trader.coins == 0


def test_a_run_that_is_stopped_during_an_outage_says_what_is_not_saved(tmp_path: Path) -> None:
    trader = Trader(away=range(16, 60))
    trader.bot.out = tmp_path
    outcome = trader.bot.outcome(9, 22)
    (told,) = of_kind(trader.bot.heard, ErrorOccurred)
    assert (told.source, told.symbol) == ("stop", SYMBOL)
    assert "what was done last is not saved" in told.error
    assert "the next start compares it with the venue" in told.error
    assert outcome.exit_code == 0
    trader.away, trader.store.failure = NEVER, None
    trader.bot.lives(27, 39)
    assert len(trader.trades) == 2
    assert trader.coins == 0


def test_a_stop_just_after_an_outage_leaves_nothing_unsaved() -> None:
    trader = Trader(away=range(16, 25))
    trader.bot.lives(9, 25)
    assert trader.trades == [(10, 18)]
    assert trader.coins == 0
    assert not of_kind(trader.bot.heard, ErrorOccurred)

"""What a run reads of its candles: gaps at the edges of the frame, and warm-up that counts candles."""

import asyncio
import signal
import threading
import time
from datetime import datetime

import pytest

from backtestkit_cli import add_strategy, get_candles
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.errors import MissingCandlesError
from backtestkit_cli.reports.saved.manifest import manifest
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.history import HistoryPlan, read_history
from backtestkit_cli.runs.markets import MarketBook
from tests.data.candle_files import a_market, without
from tests.markets import START_MS, Held, plan_for, registered

DAYS = 4
MARKET = a_market(DAYS * 1440, start=START_MS)


class Counting(Held):
    """Remembers what it was asked for."""

    def __init__(self, candles: Candles) -> None:
        super().__init__({"AAA": candles})
        self.asked: list[tuple[int, int]] = []

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        self.asked.append((start_ms, end_ms))
        return await super().fetch(symbol, interval, start_ms, end_ms)


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def book(candles: Candles, policy: GapPolicy, start: int, frame_start: int, end: int) -> MarketBook:
    source = Counting(candles)
    return MarketBook(source, HistoryPlan(at(start), at(frame_start), at(end), policy), avg_price_candles=5)


async def test_a_span_without_a_gap_at_its_edges_is_asked_once() -> None:
    source = Counting(without(MARKET, 2000))
    await read_history(source, "AAA", HistoryPlan(at(1500), at(1500), at(2500), GapPolicy.FILL))
    assert source.asked == [(at(1500), at(2500))]


async def test_an_edge_in_a_gap_makes_it_look_a_day_further_and_no_more() -> None:
    source = Counting(without(MARKET, 1500, 1501, 2499))
    span, prepared = await read_history(source, "AAA", HistoryPlan(at(1500), at(1500), at(2500), GapPolicy.FILL))
    assert source.asked[1:] == [(at(1500) - DAY_MS, at(1500)), (at(2500), at(2500) + DAY_MS)]
    assert (span, prepared.missing) == ((at(1500), at(2500)), 3)
    assert prepared.candles.timestamp.tolist() == [at(minute) for minute in range(1500, 2500)]


@pytest.mark.parametrize("policy", [GapPolicy.FILL, GapPolicy.SKIP])
async def test_a_frame_whose_ends_fall_into_gaps_runs(policy: GapPolicy) -> None:
    read = book(without(MARKET, 1495, 1496, 2498, 2499), policy, 1495, 1500, 2500)
    market = await read.load("AAA")
    facts = read.facts["AAA"]
    skipped = policy is GapPolicy.SKIP
    assert facts.count == len(market.candles) == (1003 if skipped else 1005)
    assert facts.missing == 4
    assert facts.minutes == facts.count + (facts.missing if skipped else 0)
    assert int(market.candles.timestamp[0]) == at(1493 if skipped else 1495), (
        "as many candles as the warm-up has minutes"
    )


async def test_the_error_policy_refuses_a_gap_at_an_edge_too() -> None:
    with pytest.raises(MissingCandlesError, match="1 1m candle missing in 1 gap"):
        await book(without(MARKET, 2499), GapPolicy.ERROR, 1495, 1500, 2500).load("AAA")


@pytest.mark.parametrize("policy", GapPolicy)
async def test_what_lies_before_listing_or_after_the_last_candle_is_refused_by_all(policy: GapPolicy) -> None:
    with pytest.raises(MissingCandlesError, match="5 minutes missing at the start"):
        await book(MARKET, policy, -5, 0, 100).load("AAA")
    with pytest.raises(MissingCandlesError, match="1 minute missing at the end"):
        await book(MARKET, policy, 5, 10, DAYS * 1440 + 1).load("AAA")


@pytest.mark.parametrize("size", [None, 1])
async def test_a_symbol_that_is_read_though_not_listed_leaves_its_fingerprint(size: int | None) -> None:
    def get_signal(symbol: str, _when: datetime, _price: float) -> None:
        get_candles("BBB" if symbol == "AAA" else "CCC", "1m", 1)

    registry = registered(lambda: add_strategy("reads", interval="1h", get_signal=get_signal))
    candles = {name: MARKET.slice(0, 200) for name in ("AAA", "BBB", "CCC", "DDD")}
    outcome = await run_backtest(plan_for(registry, candles, symbols=["AAA", "BBB"], max_concurrent=size))
    assert list(outcome.candles_beside) == ["CCC"]
    assert set(manifest(outcome)["candles"]) == {"AAA", "BBB", "CCC"}
    assert outcome.candles_beside["CCC"].count == 200


class Stuck(Held):
    """Never answers for one symbol, and remembers that it was given up."""

    def __init__(self, candles: dict[str, Candles]) -> None:
        super().__init__(candles)
        self.given_up = threading.Event()
        self.asked = 0

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        self.asked += 1
        if symbol == "STUCK":
            try:
                await asyncio.sleep(60)
            finally:
                self.given_up.set()
        return await super().fetch(symbol, interval, start_ms, end_ms)


def a_book(source: Held) -> MarketBook:
    return MarketBook(source, HistoryPlan(at(0), at(10), at(100), GapPolicy.FILL), avg_price_candles=5)


def test_whatever_interrupts_the_reading_of_an_unlisted_symbol_ends_it_at_once() -> None:
    source = Stuck({"AAA": MARKET})
    before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    signal.setitimer(signal.ITIMER_REAL, 0.3)
    begin = time.monotonic()
    try:
        with pytest.raises(KeyboardInterrupt):
            a_book(source).market("STUCK")
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - begin < 20
    assert source.given_up.wait(20)


def test_a_symbol_that_cannot_be_had_is_asked_for_once() -> None:
    source = Stuck({"AAA": MARKET})
    book = a_book(source)
    for _ in range(3):
        with pytest.raises(MissingCandlesError):
            book.market("NONE")
    assert source.asked == 1
    assert len(book.market("AAA").candles) == 100


async def test_under_skip_a_warm_up_goes_back_until_it_has_a_candle_for_each_minute() -> None:
    """Also where the hole is in the middle of it and whole days long, as far as there are candles."""
    hole = range(1440 + 600, 2 * 1440 + 900)
    source = Counting(without(MARKET, *hole))
    plan = HistoryPlan(at(2 * 1440), at(3 * 1440), at(3 * 1440 + 100), GapPolicy.SKIP)
    read = MarketBook(source, plan, avg_price_candles=5)
    market = await read.load("AAA")
    before = [t for t in market.candles.timestamp.tolist() if t < at(3 * 1440)]
    assert len(before) == 1440
    assert before[0] == at(1440 + 600 - (1440 - 540))

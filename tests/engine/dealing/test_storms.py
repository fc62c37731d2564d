"""Whole runs at a venue where calls fail, orders vanish, processes die and disks are full: the books agree at the end.

`make storm` runs them in their full size: ten symbols for 2,000 minutes.
"""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.events.venue_facts import EntriesBlocked
from tests.engine.dealing.mishaps import ALL, OF_THE_VENUE, ON_THE_WIRE, Mishap, Mishaps
from tests.engine.dealing.storm import WARM_UP, Storm, blown_over, problems, walks
from tests.laws import ALL_LAWS, tried

SYMBOLS, MINUTES = (10, 2_000) if ALL_LAWS else (2, 146)
RATE = 0.2
VENUES: dict[str, dict[str, Any]] = {
    "pairs": {},
    "stops alone": {"has_pairs": False},
    "no limits": {"rests_limits": False},
    "fee in quote": {"fee_in": "quote", "spread_rate": Decimal("0.0004")},
    "exits in the engine": {"options": {"exits": "engine"}},
}
LAW = tried(2, 60)
pytestmark = pytest.mark.timeout(3_600 if ALL_LAWS else 60)


def candles(seed: int, symbols: int = SYMBOLS, minutes: int = MINUTES) -> Any:
    """Return walks that end between two slots, when all is closed."""
    return walks(seed, symbols, minutes - minutes % 30 + WARM_UP - 10 + 26)


def book_of(storm: Storm) -> dict[str, list[str]]:
    """Return the ids of the trades by symbol; none may be open."""
    assert not any(isinstance(memory.state, Position) for memory in storm.memories.values())
    return {symbol: [trade.id for trade in trades] for symbol, trades in storm.trades.items()}


@pytest.mark.parametrize("venue", VENUES.values(), ids=VENUES)
def test_a_storm_on_the_wire_and_at_the_venue_leaves_the_book_of_fair_weather_or_says_why_not(venue: Any) -> None:
    calm, storm = (blown_over(candles(5), Mishaps(7, rate), **venue) for rate in (0.0, RATE))
    assert problems(calm) == problems(storm) == []
    missing = {symbol: set(ids) - set(book_of(storm)[symbol]) for symbol, ids in book_of(calm).items()}
    assert set().union(*missing.values()) <= storm.given_up()
    assert {name for ids in book_of(storm).values() for name in ids} <= {
        n for ids in book_of(calm).values() for n in ids
    }
    assert sum(map(len, book_of(storm).values())) > 2 * SYMBOLS
    assert len(storm.broker.mishaps.happened) == len(OF_THE_VENUE)


def test_what_only_the_wire_does_changes_not_a_cent() -> None:
    calm, storm = (blown_over(candles(3), Mishaps(2, rate, ON_THE_WIRE)) for rate in (0.0, RATE))
    assert problems(storm) == []
    assert storm.given_up() or (book_of(storm), storm.net()) == (book_of(calm), calm.net())


@LAW
@given(seed=st.integers(0, 10_000), venue=st.sampled_from(sorted(VENUES)))
def test_after_any_storm_our_book_is_that_of_the_venue(seed: int, venue: str) -> None:
    storm = blown_over(candles(seed, 2, 150), Mishaps(seed, RATE, outages=0.02), **VENUES[venue])
    assert problems(storm) == []


@LAW
@given(seed=st.integers(0, 10_000))
def test_coins_that_are_sold_behind_our_back_end_their_position_and_no_other(seed: int) -> None:
    storm = blown_over(candles(seed, 2, 150), Mishaps(seed, RATE, ALL), options={"reconcile_minutes": 5})
    assert problems(storm) == []
    reasons = {trade.reason for trades in storm.trades.values() for trade in trades}
    assert CloseReason.LIQUIDATED_ELSEWHERE not in reasons or storm.broker.mishaps.happened[Mishap.SOLD_OUTSIDE]


@LAW
@given(
    seed=st.integers(0, 10_000),
    fatal=st.sets(st.integers(10, 700), min_size=1, max_size=8),
    rate=st.sampled_from([0, RATE]),
)
def test_a_process_that_dies_between_any_two_steps_loses_nothing_and_doubles_nothing(
    seed: int, fatal: set[int], rate: float
) -> None:
    storm = blown_over(candles(seed, 2, 150), Mishaps(seed, rate), fatal=fatal)
    assert problems(storm) == []
    assert storm.deaths


@LAW
@given(seed=st.integers(0, 10_000))
def test_what_cannot_be_saved_is_not_sent(seed: int) -> None:
    storm = blown_over(candles(seed, 2, 150), Mishaps(seed, 0.1), disk=Mishaps(seed, 0.05))
    assert problems(storm) == []


def test_a_venue_that_refuses_half_of_all_orders_is_no_reason_to_lose_track() -> None:
    storm = blown_over(candles(4), Mishaps(4, 0.5, (Mishap.REJECTED,)))
    assert problems(storm) == []
    assert not any(isinstance(event, EntriesBlocked) for event in storm.events)


def test_what_is_too_little_to_be_sold_is_dust_and_stays_at_its_cost() -> None:
    storm = blown_over(candles(6), Mishaps(6, RATE), min_quantity=0.5)
    assert problems(storm) == []

"""Sizing: the numbers of the three methods, their clamps, and the factor for what goes together with open positions."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import inf, isclose, isfinite, nan
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import Atr, Candles, Correlation, FixedPct, Kelly, Side, Size, SizingCheck
from backtestkit_cli.api.own_sizing import OwnSizing
from backtestkit_cli.domain.risk import OpenPosition
from backtestkit_cli.engine.failures import answer_of, named_text_of
from backtestkit_cli.errors import NotEnoughCandlesError
from backtestkit_cli.policies.sizing.correlation import correlation_of
from backtestkit_cli.policies.sizing.formulas import (
    atr_quantity,
    average_true_range,
    fixed_pct_quantity,
    kelly_fraction,
    kelly_quantity,
)
from backtestkit_cli.policies.sizing.methods import Method
from tests.markets import START_MS, candles_of

HOUR_MS = 3_600_000


def hours(closes: Sequence[float], half_range: float = 0.0) -> Candles:
    """Return hours that reach *half_range* to both sides of their close."""
    close = np.array(closes, float)
    times = START_MS + np.arange(len(close)) * HOUR_MS
    return Candles.frozen(times, close, close + half_range, close - half_range, close, np.ones(len(close)))


def reader(markets: Mapping[str, Candles]) -> Callable[[str, str, int], Candles]:
    """Return what gives the last candles of *markets*, as `get_candles` does."""

    def candles(symbol: str, interval: str, n: int) -> Candles:
        found = markets.get(symbol, Candles.empty())
        if len(found) < n:
            raise NotEnoughCandlesError(f"{symbol}: expected {n} closed candles of {interval}, found {len(found)}")
        return found.slice(len(found) - n, len(found))

    return candles


def a_check(
    *, markets: Mapping[str, Candles] | None = None, positions: Sequence[OpenPosition] = (), **changes: Any
) -> SizingCheck:
    """Return a long entry at 50,000 with the stop at 49,000 and a balance of 10,000."""
    usual: dict[str, Any] = {
        "strategy": "mine",
        "symbol": "BTCUSDT",
        "side": Side.LONG,
        "price": 50_000.0,
        "stop_loss": 49_000.0,
        "at_ms": START_MS,
        "balance": 10_000.0,
    }
    return SizingCheck(**usual | changes, positions=positions, candles=reader(markets or {}))


# --- A131: fixed percentage


def test_fixed_percentage_of_2_with_a_stop_1000_away_is_a_fifth() -> None:
    assert FixedPct(risk_pct=2).size(a_check()) == Size(0.2, 10_000.0, "")
    assert fixed_pct_quantity(10_000, 2, 50_000, 49_000) == 0.2


def test_fixed_percentage_under_a_cap_of_10_percent_is_a_fiftieth() -> None:
    size = FixedPct(risk_pct=2, max_position_pct=10).size(a_check())
    assert size == Size(0.02, 1_000.0, "max_position_pct 10")


def test_a_short_risks_as_much_above_its_entry() -> None:
    assert FixedPct(risk_pct=2).size(a_check(side=Side.SHORT, stop_loss=51_000.0)).quantity == 0.2


def test_a_balance_of_its_own_counts_in_place_of_that_of_the_run() -> None:
    assert FixedPct(risk_pct=2, balance=5_000).size(a_check(balance=nan)).quantity == 0.1


def test_a_stop_at_the_entry_is_no_size() -> None:
    assert FixedPct(risk_pct=2).size(a_check(stop_loss=50_000.0)) == Size(0.0, 0.0, "the stop is at the entry")


# --- A132: Kelly


def test_a_quarter_of_kelly() -> None:
    assert isclose(kelly_fraction(0.55, 1.5), 0.25)
    assert isclose(kelly_fraction(0.55, 1.5) * 0.25, 0.0625)
    size = Kelly(win_rate=0.55, reward_ratio=1.5).size(a_check())
    assert isclose(size.quantity, 0.0125)
    assert isclose(size.cost, 625)
    assert isclose(Kelly(win_rate=0.55, reward_ratio=1.5, kelly_multiplier=1).size(a_check()).cost, 2_500)


@pytest.mark.parametrize(("win_rate", "reward_ratio"), [(0.0, 1.5), (0.3, 1.5), (0.4, 1.0), (0.5, 1.0)])
def test_kelly_without_an_edge_is_nothing_and_says_so(win_rate: float, reward_ratio: float) -> None:
    size = Kelly(win_rate=win_rate, reward_ratio=reward_ratio, min_cost=50).size(a_check())
    assert (size.quantity, size.cost) == (0, 0)
    assert size.limited_by == f"no edge: win_rate {win_rate:g} and reward_ratio {reward_ratio:g} lose in the long run"


# --- A133: average true range

RANGE_500 = {"BTCUSDT": hours([50_000.0] * 15, half_range=250)}


def test_atr_sizing() -> None:
    assert Atr(risk_pct=2).size(a_check(markets=RANGE_500)) == Size(0.2, 10_000.0, "")
    assert atr_quantity(10_000, 2, 500, 2) == 0.2


def test_atr_sizing_under_a_cap_of_12_percent() -> None:
    size = Atr(risk_pct=2, max_position_pct=12).size(a_check(markets=RANGE_500))
    assert size == Size(0.024, 1_200.0, "max_position_pct 12")


def test_the_true_range_reaches_to_the_close_before() -> None:
    assert average_true_range(hours([100, 110, 104], half_range=2)) == ((112 - 100) + (110 - 102)) / 2
    assert not isfinite(average_true_range(hours([100])))


def test_atr_reads_one_candle_more_than_it_averages() -> None:
    short = {"BTCUSDT": hours([50_000.0] * 14, half_range=250)}
    size = Atr(risk_pct=2).size(a_check(markets=short))
    assert size == Size(0.0, 0.0, "BTCUSDT: expected 15 closed candles of 1h, found 14")
    assert Atr(risk_pct=2).candles_needed() == {"1h": 15}


def test_a_market_that_stands_still_has_no_range_to_size_by() -> None:
    size = Atr(risk_pct=2).size(a_check(markets={"BTCUSDT": hours([50_000.0] * 15)}))
    assert size == Size(0.0, 0.0, "the average true range is 0")


# --- A134: the clamps, in their order


@pytest.mark.parametrize(
    ("bounds", "cost", "limited_by"),
    [
        ({}, 500, ""),
        ({"max_position_pct": 4}, 400, "max_position_pct 4"),
        ({"min_cost": 600}, 600, "min_cost 600"),
        ({"max_cost": 300}, 300, "max_cost 300"),
        ({"max_position_pct": 4, "min_cost": 600}, 400, "max_position_pct 4"),
        ({"max_position_pct": 7, "min_cost": 800}, 700, "min_cost 800"),
        ({"max_position_pct": 4, "min_cost": 450, "max_cost": 300}, 300, "max_position_pct 4; max_cost 300"),
        ({"max_position_pct": 4, "min_cost": 100, "max_cost": 450}, 400, "max_position_pct 4"),
        ({"min_cost": 400, "max_cost": 600, "max_position_pct": 6}, 500, ""),
    ],
)
def test_the_clamps_are_cap_then_least_then_most_and_the_least_lifts_above_no_cap(
    bounds: dict[str, Any], cost: float, limited_by: str
) -> None:
    size = FixedPct(risk_pct=0.1, **bounds).size(a_check())
    assert isclose(size.cost, cost)
    assert isclose(size.quantity, cost / 50_000)
    assert size.limited_by == limited_by


numbers = st.floats(min_value=0, max_value=1e9) | st.floats() | st.sampled_from([0.0, -1.0, 5e-324, 1.8e308])
amounts = st.none() | st.floats(min_value=1e-6, max_value=1e9)
bounds = st.fixed_dictionaries(
    {"max_position_pct": st.none() | st.floats(1e-3, 100), "min_cost": amounts, "max_cost": amounts}
)
methods: st.SearchStrategy[FixedPct | Kelly | Atr] = st.one_of(
    st.builds(FixedPct, risk_pct=numbers),
    st.builds(Kelly, win_rate=numbers, reward_ratio=numbers, kelly_multiplier=numbers),
    st.builds(Atr, risk_pct=numbers, atr_multiplier=numbers),
)


@given(method=methods, limits=bounds, price=numbers, stop=numbers, balance=numbers)
def test_no_size_is_above_a_cap_negative_or_anything_but_a_number(
    method: Method, limits: dict[str, Any], price: float, stop: float, balance: float
) -> None:
    check = a_check(markets=RANGE_500, price=price, stop_loss=stop, balance=balance)
    size = replace(method, **limits).size(check)
    assert isfinite(size.cost)
    assert isfinite(size.quantity)
    assert (size.cost > 0) == (size.quantity > 0)
    assert size.cost >= 0
    assert size.cost > 0 or size.limited_by
    if size.cost > 0:
        assert size.cost <= (limits["max_cost"] or inf)
        assert size.cost <= balance * (limits["max_position_pct"] or inf) / 100


sane = st.floats(min_value=1e-3, max_value=1e6)


@given(limits=bounds, risks=st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), price=sane, stop=sane, balance=sane)
def test_more_risk_is_never_a_smaller_size(
    limits: dict[str, Any], risks: tuple[float, float], price: float, stop: float, balance: float
) -> None:
    check = a_check(markets=RANGE_500, price=price, stop_loss=stop, balance=balance)
    for method in (FixedPct, Atr):
        less, more = (method(risk_pct=risk, **limits).size(check).cost for risk in sorted(risks))
        assert less <= more


@given(win_rate=st.floats(0, 1), reward_ratio=sane, least=sane)
def test_kelly_enters_only_with_an_edge_whatever_the_least_cost(
    win_rate: float, reward_ratio: float, least: float
) -> None:
    size = Kelly(win_rate=win_rate, reward_ratio=reward_ratio, min_cost=least).size(a_check())
    assert (size.cost > 0) == (kelly_quantity(10_000, 50_000, win_rate, reward_ratio, 0.25) > 0)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"price": 0.0}, "the price is 0"),
        ({"price": nan}, "the price is nan"),
        ({"price": -5.0}, "the price is -5"),
        ({"balance": 0.0}, "the balance is 0"),
        ({"balance": nan}, "the balance is nan"),
        ({"balance": inf}, "the balance is inf"),
        ({"stop_loss": nan}, "the stop is nan"),
        ({"stop_loss": 0.0}, "the stop is 0"),
        ({"balance": 1e308, "stop_loss": 49_999.999}, "the size is inf"),
    ],
)
def test_numbers_that_are_none_are_no_size_and_say_which(changes: dict[str, Any], reason: str) -> None:
    assert FixedPct(risk_pct=2).size(a_check(**changes)) == Size(0.0, 0.0, reason)


# --- A90: what goes together with open positions is smaller

MOVES = [0.01, -0.02, 0.015, 0.0, -0.01, 0.03, -0.005, 0.01, -0.015, 0.02]
TOGETHER = Correlation(threshold=0.8, factor=0.5, candles=11)


def prices(moves: Sequence[float], start: float = 100.0) -> Candles:
    return hours((start * np.exp(np.concatenate(([0.0], np.cumsum(moves))))).tolist())


def opened(symbol: str, side: Side = Side.LONG) -> OpenPosition:
    return OpenPosition("mine", symbol, side, 100.0, START_MS)


ETH, SOL = [2 * move for move in MOVES], [move + 0.002 * (-1) ** i for i, move in enumerate(MOVES)]
MARKETS = {
    "BTCUSDT": prices(MOVES, 50_000),
    "ETHUSDT": prices(ETH),  # moves with BTC, twice as far: correlation 1
    "SOLUSDT": prices(SOL),
    "GOLDUSDT": prices([-move for move in MOVES]),  # moves against it: correlation -1
    "LAZYUSDT": hours([100.0] * 11),
    "OTHERUSDT": prices([0.01, 0.01, 0.0, -0.01, 0.02, 0.0, 0.0, -0.01, 0.0, 0.01]),
    "NEWUSDT": prices(MOVES[:4]),
}


def test_an_entry_that_goes_with_an_open_position_is_half_the_size() -> None:
    """Two longs of symbols whose returns are multiples of each other: 0.2 becomes 0.1."""
    check = a_check(markets=MARKETS, positions=[opened("ETHUSDT")])
    size = FixedPct(risk_pct=2, correlation=TOGETHER).size(check)
    assert size == Size(0.1, 5_000.0, "correlation 1.00 with ETHUSDT: times 0.5")


@pytest.mark.parametrize(
    ("positions", "quantity", "named"),
    [
        ([], 0.2, ""),
        ([opened("ETHUSDT", Side.SHORT)], 0.2, ""),
        ([opened("GOLDUSDT")], 0.2, ""),
        ([opened("GOLDUSDT", Side.SHORT)], 0.1, "correlation -1.00 with GOLDUSDT: times 0.5"),
        ([opened("OTHERUSDT")], 0.2, ""),
        ([opened("LAZYUSDT")], 0.2, ""),
        ([opened("NEWUSDT")], 0.2, ""),
        ([opened("NEWUSDT"), opened("SOLUSDT"), opened("ETHUSDT")], 0.1, "correlation 1.00 with ETHUSDT: times 0.5"),
        ([opened("BTCUSDT")], 0.1, "correlation 1.00 with BTCUSDT: times 0.5"),
    ],
)
def test_only_what_earns_together_counts_and_it_counts_once(
    positions: list[OpenPosition], quantity: float, named: str
) -> None:
    size = FixedPct(risk_pct=2, correlation=TOGETHER).size(a_check(markets=MARKETS, positions=positions))
    assert (size.quantity, size.limited_by) == (quantity, named)


def test_a_short_goes_with_a_short() -> None:
    check = a_check(markets=MARKETS, side=Side.SHORT, stop_loss=51_000.0, positions=[opened("ETHUSDT", Side.SHORT)])
    assert FixedPct(risk_pct=2, correlation=TOGETHER).size(check).quantity == 0.1


def test_the_factor_comes_before_the_clamps() -> None:
    check = a_check(markets=MARKETS, positions=[opened("ETHUSDT")])
    size = FixedPct(risk_pct=2, correlation=TOGETHER, max_position_pct=60).size(check)
    assert size.cost == 5_000
    size = FixedPct(risk_pct=2, correlation=TOGETHER, max_position_pct=10).size(check)
    assert (size.cost, size.limited_by) == (1_000, "correlation 1.00 with ETHUSDT: times 0.5; max_position_pct 10")


def test_a_factor_of_0_is_no_entry_and_the_least_cost_does_not_lift_it() -> None:
    check = a_check(markets=MARKETS, positions=[opened("ETHUSDT")])
    size = Kelly(win_rate=0.55, reward_ratio=1.5, min_cost=50, correlation=replace(TOGETHER, factor=0)).size(check)
    assert size == Size(0.0, 0.0, "correlation 1.00 with ETHUSDT: times 0")


def test_too_few_candles_of_the_entry_itself_change_nothing() -> None:
    markets = {**MARKETS, "BTCUSDT": prices(MOVES[:5], 50_000)}
    check = a_check(markets=markets, positions=[opened("ETHUSDT")])
    assert FixedPct(risk_pct=2, correlation=TOGETHER).size(check).quantity == 0.2


def test_returns_are_compared_between_the_candles_that_both_have() -> None:
    btc, eth = MARKETS["BTCUSDT"], MARKETS["ETHUSDT"]
    holes = eth.chosen(np.array([0, 1, 3, 4, 6, 7, 8, 10]))
    assert isclose(correlation_of(btc, holes), 1)
    assert correlation_of(btc, eth.chosen(np.array([0, 1, 2]))) == 0
    assert correlation_of(btc, hours([0.0] * 11)) == 0


@given(
    st.lists(
        st.tuples(st.floats(-0.1, 0.1), st.floats(-0.1, 0.1)),
        min_size=4,
        max_size=40,
    )
)
def test_a_correlation_is_that_of_numpy_within_its_bounds(moves: list[tuple[float, float]]) -> None:
    one, other = (prices(column) for column in zip(*moves, strict=True))
    found = correlation_of(one, other)
    assert -1 - 1e-9 <= found <= 1 + 1e-9
    assert found == correlation_of(other, one)
    returns = np.diff(np.log([one.close, other.close]), axis=1)
    if found and returns.std(axis=1).min() > 1e-6:
        assert isclose(found, np.corrcoef(returns)[0, 1], abs_tol=1e-6)


def test_the_candles_that_a_sizing_reads_are_those_it_says_it_needs() -> None:
    assert FixedPct(risk_pct=2).candles_needed() == {}
    assert FixedPct(risk_pct=2, correlation=TOGETHER).candles_needed() == {"1h": 11}
    assert Atr(risk_pct=2, correlation=TOGETHER).candles_needed() == {"1h": 15}
    assert Atr(risk_pct=2, interval="15m", correlation=TOGETHER).candles_needed() == {"1h": 11, "15m": 15}


# --- a sizing of the author's


def test_a_function_says_what_an_entry_costs() -> None:
    assert OwnSizing(lambda check: check.balance / 100).size(a_check()) == Size(0.002, 100.0, "")
    assert OwnSizing(lambda _: np.float32(50)).size(a_check()) == Size(0.001, 50.0, "")
    assert OwnSizing(lambda _: Size(0.001, 50.0, "why")).size(a_check()) == Size(0.001, 50.0, "why")


def fails(check: SizingCheck) -> float:
    raise KeyError(f"no\n{check.symbol}")


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda _: 0, "the sizing says 0"),
        (lambda _: nan, "expected a cost of at least 0, found nan"),
        (lambda _: -3, "expected a cost of at least 0, found -3"),
        (lambda _: inf, "expected a cost of at least 0, found inf"),
        (lambda _: None, "expected a cost in quote money or a Size, found None"),
        (lambda _: True, "expected a cost in quote money or a Size, found True"),
        (lambda _: "100", "expected a cost in quote money or a Size, found '100'"),
        (
            lambda _: Size(1.0, 50.0),
            (
                "expected a Size whose quantity × price is its cost,"
                " found Size(quantity=1.0, cost=50.0, limited_by='') at 50000"
            ),
        ),
        (lambda _: Size(-0.001, -50.0), "expected a cost of at least 0, found -50"),
    ],
)
def test_an_odd_answer_of_a_function_is_no_size_with_the_reason(
    function: Callable[[SizingCheck], object], reason: str
) -> None:
    assert OwnSizing(function).size(a_check()) == Size(0.0, 0.0, reason)


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (lambda _: 10**400, "OverflowError: int too large to convert to float"),
        (lambda check: 100 / (check.price - 50_000), "ZeroDivisionError: float division by zero"),
        (fails, "KeyError: 'no\\nBTCUSDT'"),
    ],
)
def test_what_a_function_raises_is_for_who_asks(function: Callable[[SizingCheck], object], reason: str) -> None:
    assert answer_of(lambda: OwnSizing(function).size(a_check()), 60, named_text_of) == (None, reason)


def test_minutes_serve_as_well_as_hours() -> None:
    minutes = candles_of([100.0 + i % 2 for i in range(30)])
    size = Atr(risk_pct=1, interval="1m").size(a_check(markets={"BTCUSDT": minutes}, price=100.0))
    assert size.quantity == 50

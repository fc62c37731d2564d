"""Sizings while a run goes on: what a position costs, and what keeps it from opening."""

from datetime import datetime
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import FixedPct, Signal, SignalRefused, Size, SizingCheck
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.events.facts import ErrorOccurred
from backtestkit_cli.policies.sizing.correlation import Correlation
from tests.engine.coordinated import (
    a_long,
    a_plan,
    at,
    minute_of,
    of_kind,
    opened,
    ran,
    ran_both_ways,
    refusals,
    trades_of,
)
from tests.markets import candles_of, flat, random_candles


def costs(outcome: Any) -> dict[str, float]:
    """Return what the position of each symbol cost."""
    return {trade.symbol: trade.invested for trade in trades_of(outcome)}


def test_a_position_costs_what_the_sizing_says_of_the_free_capital_at_that_moment() -> None:
    """A91: 1 % of what is free over a stop 10 % away is a tenth of it; the second entry has less to size by."""
    plan = a_plan(
        dict.fromkeys("AB", flat(60)),
        at([20], stop_loss=90.0),
        sizing=FixedPct(risk_pct=1.0),
        portfolio=Portfolio(balance=1200.0, reserve=200.0),
    )
    assert costs(ran_both_ways(plan)) == pytest.approx({"A": 100.0, "B": (1000.0 - 100.1) / 10})


def test_what_a_close_brings_is_sized_by_again() -> None:
    """A91: rebalanced on close."""
    plan = a_plan(
        {"A": flat(60)},
        at([20, 40], stop_loss=90.0, minutes=10),
        sizing=FixedPct(risk_pct=1.0),
        portfolio=Portfolio(balance=1000.0),
    )
    first, second = trades_of(ran_both_ways(plan))
    assert first.invested == pytest.approx(100.0)
    assert second.invested == pytest.approx((1000.0 + first.gain.net) / 10)


def test_a_cost_that_the_signal_names_wins_over_the_sizing() -> None:
    asked: list[SizingCheck] = []

    def size(check: SizingCheck) -> float:
        asked.append(check)
        return 50.0

    def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        cost = 77.0 if symbol == "A" else None
        return a_long(price, cost=cost) if minute_of(to_ms(when)) == 20 else None

    assert costs(ran_both_ways(a_plan(dict.fromkeys("AB", flat(60)), get_signal, sizing=size))) == {
        "A": 77.0,
        "B": 50.0,
    }
    assert {check.symbol for check in asked} == {"B"}
    assert np.isnan(asked[0].balance)


def test_an_entry_that_waits_opens_with_the_cost_it_was_sized_with() -> None:
    candles = {"A": candles_of(np.linspace(100, 90, 60).tolist())}
    plan = a_plan(candles, at([10], price_open=95.0, stop_loss=85.0), sizing=lambda check: check.price)
    (trade,) = trades_of(ran_both_ways(plan))
    assert (trade.invested, trade.price_open) == (95.0, 95.0)


def short_of_candles(check: SizingCheck) -> float:
    return float(check.candles(check.symbol, "1h", 50).close[-1])


def missing_key(_check: SizingCheck) -> float:
    nothing: dict[str, float] = {}
    return nothing["nothing"]


@pytest.mark.parametrize(
    ("sizing", "reason"),
    [
        (lambda _: 0.0, "a size of 0: the sizing says 0"),
        (lambda _: 1e308, "a size of 1e+308"),
        (lambda _: -1.0, "a size of 0: expected a cost of at least 0, found -1"),
        (lambda _: float("nan"), "a size of 0: expected a cost of at least 0, found nan"),
        (lambda _: True, "a size of 0: expected a cost in quote money or a Size, found True"),
        (lambda _: Size(0.0, 0.0, "no edge"), "a size of 0: no edge"),
        (missing_key, "KeyError: 'nothing'"),
        (short_of_candles, "NotEnoughCandlesError: A: 50 candles of 1h were asked for"),
    ],
)
def test_a_sizing_that_gives_none_or_fails_refuses_by_its_name_with_the_reason(sizing: Any, reason: str) -> None:
    outcome = ran_both_ways(a_plan({"A": flat(60)}, at([20, 30]), sizing=sizing))
    assert [row[:4] for row in refusals(outcome)] == [(20, "A", "sizing", "mine"), (30, "A", "sizing", "mine")]
    assert refusals(outcome)[0][4].startswith(reason)
    (first, _) = of_kind(outcome, SignalRefused)
    assert first.check is None
    assert (trades_of(outcome), outcome.exit_code, of_kind(outcome, ErrorOccurred)) == ([], 0, [])


def test_a_size_beyond_the_account_is_refused_by_cash() -> None:
    plan = a_plan({"A": flat(60)}, at([20]), sizing=lambda _: 1000.0, portfolio=Portfolio(balance=1000.0))
    outcome = ran_both_ways(plan)
    assert [row[2:4] for row in refusals(outcome)] == [("portfolio", "cash")]


def test_the_second_of_two_symbols_that_move_together_gets_half_and_a_third_that_does_not_all() -> None:
    """A90."""
    twin = random_candles(1, 200)
    candles = {"A": twin, "B": twin, "C": random_candles(9, 200)}
    sizing = FixedPct(
        risk_pct=1.0,
        balance=1000.0,
        correlation=Correlation(threshold=0.8, factor=0.5, interval="1m", candles=60),
    )

    def get_signal(_symbol: str, when: datetime, price: float) -> Signal | None:
        return a_long(price, stop_loss=price * 0.9) if minute_of(to_ms(when)) == 100 else None

    outcome = ran_both_ways(a_plan(candles, get_signal, sizing=sizing))
    assert costs(outcome) == pytest.approx({"A": 100.0, "B": 50.0, "C": 100.0})
    assert [symbol for _, symbol in opened(ran(a_plan(candles, get_signal, sizing=sizing, max_concurrent=1)))] == [
        *"ABC"
    ]

"""Real fills in the ledger: those that are as decided change nothing, and all others add up to the money that moved."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.account import cash_effect, valuation
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Closing, Entry, Plan, Position, average_in, close, enter, sell_part
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.domain.venue import Fill
from backtestkit_cli.engine.booking import (
    booked_average,
    booked_close,
    booked_entry,
    booked_part,
    merged,
    remaining,
)
from tests.builders import COSTS, START_MS, a_position

SIDES = st.sampled_from(Side)
PRICES = st.floats(1e-6, 1e6)
SUMS = st.floats(1e-2, 1e7)
NAMES = {"strategy": "sma_cross", "symbol": "BTC/USDT"}
CLOSING = Closing(START_MS + 600_000, CloseReason.CLOSED, 1.0)


class Deal(NamedTuple):
    """What a venue did at one price: how much (a share of what is wanted or held), and which fees it took (0-1)."""

    price: float
    share: float
    fee_quote: float
    fee_base: float

    def of(self, quantity: float) -> Fill:
        traded = quantity * self.share
        return Fill(traded, self.price, traded * self.price * self.fee_quote, traded * self.fee_base)


# Fees may be rebates. Prices of one position stay within one order of magnitude, as levels demand.
DEALS = st.builds(Deal, st.floats(0.5, 5), st.floats(0.01, 1), st.floats(-0.001, 0.01), st.sampled_from((0.0, 0.002)))
SALES = st.builds(Deal, st.floats(0.5, 5), st.floats(0.01, 0.9), st.floats(-0.001, 0.01), st.sampled_from((0.0, 0.002)))
FIRST = Deal(1.1, 0.7, 0.003, 0.002)
STEPS = st.lists(st.tuples(st.booleans(), st.one_of(DEALS, SALES)), max_size=6)


class Cash:
    """Money by hand: what came in and went out, the fees of it, and the coins that are held (of a short, owed)."""

    def __init__(self, side: Side) -> None:
        self.sign = side.sign
        self.net = self.turnover = self.fees = self.coins = 0.0

    def adds(self, fill: Fill) -> None:
        self.coins += fill.quantity - self.sign * fill.fee_base
        self._moves(-self.sign, fill)

    def takes(self, fill: Fill) -> None:
        self.coins -= fill.quantity + self.sign * fill.fee_base
        self._moves(self.sign, fill)

    def _moves(self, sign: int, fill: Fill) -> None:
        self.net += sign * fill.quantity * fill.price - (fill.fee_quote or 0.0)
        self.turnover += fill.quantity * fill.price
        self.fees += (fill.fee_quote or 0.0) + fill.fee_base * fill.price


def _played(side: Side, fee_rate: float, steps: list[tuple[bool, Deal]], last: Deal) -> tuple[Cash, Position, Fill]:
    """Return the cash and the position after *steps*, and the fill that is to close it."""
    costs, cash = Costs(fee_rate, 0.0), Cash(side)
    first = FIRST.of(10.0)
    proposed = enter("id", side, Plan(9.0, 0.1), START_MS, Entry(START_MS, 1.0, 10.0))
    position = booked_entry(proposed, first, costs)
    cash.adds(first)
    for minute, (adds, deal) in enumerate(steps):
        at_ms = START_MS + minute * 60_000
        if adds:
            fill = deal.of(10.0)
            position = booked_average(position, at_ms, fill, costs)
            cash.adds(fill)
        else:
            fill = deal._replace(share=min(deal.share, 0.9)).of(position.quantity_left)
            position = booked_part(position, at_ms, fill, costs)
            cash.takes(fill)
    return cash, position, last.of(position.quantity_left)


@given(SIDES, st.floats(0, 0.02), STEPS, DEALS)
def test_the_net_gain_is_the_money_received_less_the_money_paid_less_the_fees_and_all_fees_are_shown(
    side: Side, fee_rate: float, steps: list[tuple[bool, Deal]], last: Deal
) -> None:
    cash, position, fill = _played(side, fee_rate, steps, last)
    assert position.quantity_left == pytest.approx(cash.coins, rel=1e-9)
    trade = booked_close(position, CLOSING, fill, Costs(fee_rate, 0.0), **NAMES)
    cash.takes(fill)
    kept = max(cash.coins, 0.0) * position.price_effective if side is Side.LONG else 0.0
    assert trade.gain.net == pytest.approx(cash.net + kept, rel=1e-9, abs=1e-9 * cash.turnover)
    assert trade.gain.fee == pytest.approx(cash.fees, rel=1e-9, abs=1e-9 * cash.turnover)
    assert trade.gain.slippage == 0.0
    assert trade.price_close == fill.price


@given(SIDES, st.floats(0, 0.02), STEPS, DEALS)
def test_cash_and_value_of_an_open_position_are_its_gain_at_any_price(
    side: Side, fee_rate: float, steps: list[tuple[bool, Deal]], mark: Deal
) -> None:
    costs = Costs(fee_rate, 0.0)
    cash, position, _ = _played(side, fee_rate, steps, mark)
    net = cash_effect(position, costs) + valuation(position, costs).at(mark.price)
    value = position.value_at(mark.price, costs).net
    assert net == pytest.approx(value, rel=1e-9, abs=1e-9 * cash.turnover)


class Whole(NamedTuple):
    """A position by the functions of the ledger, and the same by fills of what they decide."""

    decided: Position
    booked: Position


def _both(side: Side, price: float, cost: float, costs: Costs, steps: list[tuple[bool, float, float]]) -> Whole:
    decided = enter("id", side, Plan(price * 2, price / 2), START_MS, Entry(START_MS, price, cost))
    booked = booked_entry(decided, Fill(decided.quantity_left, price), costs)
    for adds, at, amount in steps:
        if adds:
            decided = average_in(decided, Entry(1, price * at, cost * amount))
            fill = Fill(cost * amount / (price * at), price * at)
            booked = booked_average(booked, 1, fill, costs, cost=cost * amount)
        else:
            percent = amount * 90
            fill = Fill(booked.quantity_left * (percent / 100), price * at)
            decided = sell_part(decided, 1, price * at, percent, costs)
            booked = booked_part(booked, 1, fill, costs, percent=percent)
    return Whole(decided, booked)


@given(
    SIDES,
    PRICES,
    SUMS,
    st.builds(Costs, st.floats(0, 0.02), st.floats(0, 0.02)),
    st.lists(st.tuples(st.booleans(), st.floats(0.1, 10), st.floats(0.01, 1)), max_size=5),
)
def test_what_is_filled_as_decided_is_booked_as_decided_to_the_last_bit(
    side: Side, price: float, cost: float, costs: Costs, steps: list[tuple[bool, float, float]]
) -> None:
    decided, booked = _both(side, price, cost, costs, steps)
    assert repr(booked) == repr(decided)
    closing = CLOSING._replace(price=price * 1.1)
    trade = booked_close(booked, closing, Fill(booked.quantity_left, closing.price), costs, **NAMES)
    assert repr(trade) == repr(close(decided, closing, costs, **NAMES))


def test_an_entry_that_is_filled_as_decided_is_the_very_position_of_the_decision() -> None:
    proposed = a_position()
    assert booked_entry(proposed, Fill(proposed.quantity_left, proposed.price_open), COSTS) is proposed


def test_an_entry_that_is_filled_in_part_is_what_was_filled_at_the_costs_of_the_settings() -> None:
    proposed = a_position(price_open=100.0, cost=100.0)
    position = booked_entry(proposed, Fill(0.25, 100.0), COSTS)
    assert (position.invested, position.cost_left, position.quantity_left) == (25.0, 25.0, 0.25)
    whole = a_position(price_open=100.0, cost=25.0)
    assert position.value_at(101.0, COSTS) == whole.value_at(101.0, COSTS)
    assert (position.take_profit, position.stop_loss, position.plan) == (102.0, 98.0, proposed.plan)


def test_a_fee_in_coins_raises_the_effective_price_of_a_long_and_lowers_that_of_a_short() -> None:
    fill = Fill(1.0, 100.0, 0.0, 0.001)
    held = {side: booked_entry(a_position(side=side), fill, COSTS) for side in Side}
    assert held[Side.LONG].quantity_left == pytest.approx(0.999)
    assert held[Side.SHORT].quantity_left == pytest.approx(1.001)
    assert held[Side.SHORT].price_effective < 100.0 < held[Side.LONG].price_effective
    shown = held[Side.LONG].value_at(100.0, Costs(0.001, 0.0))
    assert shown.gross == pytest.approx(0.0)
    assert shown.fee == pytest.approx(100 * 0.001 + 0.999 * 100 * 0.001)  # the coins kept, and the fee of a sale


def test_the_real_fee_of_an_entry_counts_before_anything_is_sold() -> None:
    costs = Costs(0.001, 0.0)
    dear, usual = (booked_entry(a_position(), Fill(1.0, 100.0, fee), costs) for fee in (1.0, 0.1))
    assert usual.value_at(100.0, costs).net - dear.value_at(100.0, costs).net == pytest.approx(0.9)


def test_coins_that_a_close_leaves_behind_stay_at_what_they_cost() -> None:
    position = booked_entry(a_position(), Fill(1.0, 100.0, 0.0), Costs(0.0, 0.0))
    trade = booked_close(position, CLOSING, Fill(0.9, 110.0, 0.0), Costs(0.0, 0.0), **NAMES)
    assert trade.gain.net == pytest.approx(0.9 * (110 - 100))


def test_what_is_all_too_little_to_be_sold_is_neither_won_nor_lost() -> None:
    position = booked_entry(a_position(), Fill(1.0, 100.0, 0.1), Costs(0.001, 0.0))
    trade = booked_close(position, CLOSING, Fill(0.0, 90.0, 0.0), Costs(0.001, 0.0), **NAMES)
    assert trade.gain.net == pytest.approx(-0.1)


FILLS = st.builds(Fill, st.floats(1e-3, 1e3), st.floats(0.9, 1.1), st.floats(0, 10), st.floats(0, 1e-7))


@given(st.lists(FILLS, min_size=1, max_size=5))
def test_the_parts_of_a_growing_fill_add_up_to_it(fills: list[Fill]) -> None:
    grown = [merged(fills[: count + 1]) for count in range(len(fills))]
    parts = [remaining(earlier, now) for earlier, now in zip([None, *grown], grown, strict=False)]
    again = merged([part for part in parts if part is not None])
    assert again.quantity == pytest.approx(grown[-1].quantity, rel=1e-9)
    assert again.quantity * again.price == pytest.approx(grown[-1].quantity * grown[-1].price, rel=1e-9)
    assert again.fee_quote == pytest.approx(grown[-1].fee_quote, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("now", [Fill(1.0, 100.0), Fill(1.0, 100.0, 0.2)])
def test_a_fill_that_has_not_grown_has_no_remaining_part(now: Fill) -> None:
    assert remaining(Fill(1.0, 100.0), now) is None


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        ([Fill(1.0, 7.3), Fill(2.0, 7.3)], Fill(3.0, 7.3)),
        ([Fill(1.0, 10.0, 0.5), Fill(3.0, 20.0, 0.25, 0.1)], Fill(4.0, 17.5, 0.75, 0.1)),
        ([Fill(1.0, 10.0), Fill(1.0, 10.0, 0.5)], Fill(2.0, 10.0, 0.5)),
    ],
)
def test_fills_of_one_order_are_one_at_their_average_price(parts: list[Fill], whole: Fill) -> None:
    assert merged(parts) == whole


def test_the_rest_of_a_fill_at_one_price_has_that_very_price() -> None:
    rest = remaining(Fill(0.1, 7.3), Fill(0.3, 7.3))
    assert rest is not None
    assert rest.price == 7.3

"""Money of one account that pays for every entry and receives every exit; all in the quote asset."""

from typing import NamedTuple

import numpy as np

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position


class Valuation(NamedTuple):
    """What is left of a position, in money if it were sold at a price: `fixed + per_price * price`, costs paid."""

    fixed: float
    per_price: float

    def at(self, price: float) -> float:
        """Return the money at *price*."""
        return self.fixed + self.per_price * price


def valuation(position: Position, costs: Costs) -> Valuation:
    """Return how the value of *position* follows from the price.

    A long of cost `c` at effective price `e` is worth `c·i/o·(1-f)`, a short `2c - c·i/o·(1+f)`, with `o` and
    `i` as in `round_trip`: what a sale brings after its fee, the money of a short put back first.
    """
    sign, fee = position.side.sign, costs.fee_rate
    slippage = sign * costs.slippage_rate
    opened = position.price_effective * (1 + slippage)
    per_price = position.cost_left * (1 - slippage) / opened * (1 - sign * fee)
    if sign > 0:
        return Valuation(0.0, per_price)
    return Valuation(2 * position.cost_left, -per_price)


def cash_effect(position: Position, costs: Costs) -> float:
    """Return what *position* has moved in cash so far: its entries and their fees out, its partial closes in.

    Cash effect + value = the net gain if it were closed at that price, so that an account keeps
    `cash + Σ value = equity` by construction of `round_trip`.
    """
    return position.realised.net - position.cost_left * (1 + costs.fee_rate)


def net_lines(
    sign: Floats, realised_net: Floats, cost_left: Floats, price_effective: Floats, costs: Costs
) -> tuple[Floats, Floats]:
    """Return `cash_effect + valuation` of many positions at once: their net gain is `fixed + per_price * price`.

    *sign* is that of the side, the others are what a position says of itself; to the last bit it is the same.
    """
    slippage = sign * costs.slippage_rate
    opened = price_effective * (1 + slippage)
    per_price = sign * (cost_left * (1 - slippage) / opened * (1 - sign * costs.fee_rate))
    returned = np.where(sign > 0, 0.0, 2 * cost_left)
    return realised_net - cost_left * (1 + costs.fee_rate) + returned, per_price

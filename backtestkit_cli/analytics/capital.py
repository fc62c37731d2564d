"""The money that a run without a portfolio would have needed: what its account figures are relative to."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple, Self

import numpy as np

from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.analytics.trade_columns import Times
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.money import Costs, round_trip
from backtestkit_cli.domain.position import Entry, Partial
from backtestkit_cli.domain.signal import Side

_SIDES = {side.value: side for side in Side}


class Fills(NamedTuple):
    """All that one trade bought and sold, in order; the last sale is the closing one, of all that was left."""

    side: Side
    entries: Sequence[Entry]
    sales: Sequence[Partial]


class Sale(NamedTuple):
    """A sale as a saved run has it: `percent` (0-100) of what was left, which had cost `cost` quote money."""

    at_ms: int
    price: float
    percent: float
    cost: float


class CashFlows(NamedTuple):
    """Money that moved into (+) and out of (-) the cash of an account, in quote money and in any order."""

    at_ms: Times
    amount_quote: Floats

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the flows of all *parts*."""
        times, amounts = zip(cls(np.empty(0, np.int64), np.empty(0)), *parts, strict=True)
        return cls(np.concatenate(times), np.concatenate(amounts))


def fills_from(side: str, entries: Sequence[Entry], sales: Sequence[Sale]) -> Fills:
    """Return what a saved trade bought and sold, the closing sale being the last of *sales*.

    A file does not say which of a buy and a sale at one tick came first. What the sold part had cost does: it is
    the stated percentage of all that was held then.
    """
    found: list[Partial] = []
    left, held = 0, 0.0
    for at_ms, price, part, cost in sales[:-1]:
        share = part / 100
        while left < len(entries) and entries[left].at_ms <= at_ms:
            more = held + entries[left].cost
            if entries[left].at_ms == at_ms and abs(held * share - cost) <= abs(more * share - cost):
                break
            left, held = left + 1, more
        found.append(Partial(at_ms, price, part, cost, left))
        held *= 1 - share
    at_ms, price, part, cost = sales[-1]
    return Fills(_SIDES[side], entries, (*found, Partial(at_ms, price, part, cost, len(entries))))


def session_flows(trades: Iterable[Fills], costs: Costs) -> CashFlows:
    """Return what the trades of one session, which follow one another, moved in cash.

    An entry takes its cost and its fee. A sale brings back what the sold part had cost and what it has won, its
    fee paid; for a short that has lost more than was put in, it takes money. Both are the steps of `cash_effect`.
    What happens at one instant is stated as the least that the cash fell to, then the rest: within a session money
    that came in pays for what was bought after it.
    """
    rows: list[tuple[int, float]] = []
    moves = (move for fills in trades for move in _moves(fills, costs))
    for at_ms, group in groupby(moves, key=lambda move: move[0]):
        lowest = moved = 0.0
        for _, amount in group:
            moved += amount
            lowest = min(lowest, moved)
        rows += [(at_ms, lowest), (at_ms, moved - lowest)]
    return CashFlows(np.array([at_ms for at_ms, _ in rows], np.int64), np.array([amount for _, amount in rows], float))


def required_capital(flows: CashFlows) -> float | None:
    """Return the least balance with which every flow could have been paid: the lowest sum of cash, below 0.

    At one instant money that goes out counts before money that comes in, for nothing says in which order the
    sessions acted: with this balance cash suffices in any. None without flows, or where no double can hold it.
    """
    if not len(flows.at_ms):
        return None
    in_order = np.lexsort((flows.amount_quote, flows.at_ms))
    with np.errstate(over="ignore", invalid="ignore"):
        lowest = np.cumsum(flows.amount_quote[in_order]).min()
    return finite(max(0.0, -lowest)) if np.isfinite(lowest) else None


def _moves(fills: Fills, costs: Costs) -> Iterator[tuple[int, float]]:
    """Yield time and amount of each move of cash, with the ledger of `domain/position`."""
    cost_left = quantity_left = price_effective = 0.0
    bought = 0
    with_fee = 1 + costs.fee_rate
    for at_ms, price, part, _, entries_before in fills.sales:
        for entry in fills.entries[bought:entries_before]:
            yield entry.at_ms, -entry.cost * with_fee
            cost_left += entry.cost
            quantity_left += entry.cost / entry.price
            price_effective = cost_left / quantity_left
        bought = entries_before
        share = part / 100
        sold = cost_left * share
        yield at_ms, round_trip(fills.side, sold, price_effective, price, costs).net + sold * with_fee
        cost_left, quantity_left = cost_left * (1 - share), quantity_left * (1 - share)

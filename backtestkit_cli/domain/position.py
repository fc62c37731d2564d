"""The ledger of an open position: buys, partial closes, and the trade they become."""

from typing import NamedTuple

from backtestkit_cli.domain.ladder import Ladder
from backtestkit_cli.domain.money import NOTHING, Costs, Gain, round_trip
from backtestkit_cli.domain.signal import CloseReason, Side, Signal


class Entry(NamedTuple):
    """One purchase: `cost` quote money at `price`."""

    at_ms: int
    price: float
    cost: float


class Partial(NamedTuple):
    """One sale of `percent` (0-100) of what was left, which had cost `cost` quote money.

    `entries_before` entries had been made by then, which orders it among those of the same tick.
    """

    at_ms: int
    price: float
    percent: float
    cost: float
    entries_before: int


class Plan(NamedTuple):
    """What a position set out with: its first levels, and the policies that move them or buy more.

    The names are those of `Signal`; `minutes` of None is no limit. `has_policies` says whether any is given.
    """

    take_profit: float
    stop_loss: float
    minutes: int | None = None
    note: str = ""
    trailing_stop_pct: float | None = None
    trailing_activation_pct: float | None = None
    breakeven_at_pct: float | None = None
    ladder: Ladder | None = None
    has_policies: bool = False

    @classmethod
    def of(cls, signal: Signal) -> "Plan":
        """Return what a valid *signal* asks for."""
        plan = cls(
            float(signal.take_profit),
            float(signal.stop_loss),
            None if signal.minutes is None else int(signal.minutes),
            signal.note,
        )
        if not signal.has_policies:
            return plan
        return plan._replace(
            trailing_stop_pct=_plain(signal.trailing_stop_pct),
            trailing_activation_pct=_plain(signal.trailing_activation_pct),
            breakeven_at_pct=_plain(signal.breakeven_at_pct),
            ladder=None if signal.ladder is None else signal.ladder.in_floats(),
            has_policies=True,
        )


def _plain(number: float | None) -> float | None:
    """Return *number* as a float: a `np.float32` would round every price it meets to seven digits."""
    return None if number is None else float(number)


class Progress(NamedTuple):
    """What has happened to a position once and for all.

    `profit_level` and `loss_level` are the highest partial levels reached, in percent. `trailed_from_ms` is
    when the stop began to follow the price, and `trailed_best` the best price since, both None before. A ladder
    is over once a rung was refused.
    """

    profit_level: int = 0
    loss_level: int = 0
    is_breakeven_done: bool = False
    is_ladder_over: bool = False
    trailed_from_ms: int | None = None
    trailed_best: float | None = None


NO_PROGRESS = Progress()


# NamedTuples because a sweep makes a hundred thousand of each: a frozen dataclass of this size took ten times as long.
class Position(NamedTuple):
    """An open signal. Prices are before slippage; `cost_left` and `quantity_left` are what is still held.

    `price_effective` is money over quantity: an entry moves it, a partial close scales both and leaves it.
    `realised` is the gain of the parts already sold, and what the fees of real fills differ by from those of the
    settings. `invested` is all the money that was put in. `take_profit` and `stop_loss` are in force now, those of
    `plan` are the first ones.
    """

    id: str
    side: Side
    take_profit: float
    stop_loss: float
    plan: Plan
    scheduled_at_ms: int
    opened_at_ms: int
    entries: tuple[Entry, ...]
    partials: tuple[Partial, ...]
    invested: float
    cost_left: float
    quantity_left: float
    price_effective: float
    realised: Gain
    progress: Progress = NO_PROGRESS

    @property
    def minutes(self) -> int | None:
        """Return the longest life, None for no limit."""
        return self.plan.minutes

    @property
    def note(self) -> str:
        """Return the note of the signal."""
        return self.plan.note

    @property
    def price_open(self) -> float:
        """Return the price of the first entry."""
        return self.entries[0].price

    @property
    def price_lowest(self) -> float:
        """Return the lowest price that was paid."""
        return min(entry.price for entry in self.entries)

    @property
    def price_highest(self) -> float:
        """Return the highest price that was paid."""
        return max(entry.price for entry in self.entries)

    def value_at(self, price: float, costs: Costs) -> Gain:
        """Return the gain if all that is left were sold at *price*, sold parts included."""
        rest = round_trip(self.side, self.cost_left, self.price_effective, price, costs)
        return self.realised.plus(rest) if self.partials or self.realised != NOTHING else rest


class Trade(NamedTuple):
    """A closed position. `gain` is in quote money, `pnl_pct` is its net in percent of `invested`."""

    id: str
    strategy: str
    symbol: str
    side: Side
    reason: CloseReason
    scheduled_at_ms: int
    opened_at_ms: int
    closed_at_ms: int
    price_open: float
    price_effective: float
    price_close: float
    take_profit: float
    stop_loss: float
    entries: tuple[Entry, ...]
    partials: tuple[Partial, ...]
    invested: float
    gain: Gain
    note: str

    @property
    def pnl_pct(self) -> float:
        """Return net gain in percent of the money put in."""
        return self.gain.net / self.invested * 100

    @property
    def pnl_cost(self) -> float:
        """Return net gain in quote money."""
        return self.gain.net


def enter(position_id: str, side: Side, plan: Plan, scheduled_at_ms: int, entry: Entry) -> Position:
    """Return the position that begins with *entry*."""
    at_ms, price, cost = entry
    return Position(
        position_id,
        side,
        plan.take_profit,
        plan.stop_loss,
        plan,
        scheduled_at_ms,
        at_ms,
        (entry,),
        (),
        cost,
        cost,
        cost / price,
        price,
        NOTHING,
    )


def average_in(position: Position, entry: Entry) -> Position:
    """Return *position* with one more purchase."""
    cost = position.cost_left + entry.cost
    quantity = position.quantity_left + entry.cost / entry.price
    return position._replace(
        entries=(*position.entries, entry),
        invested=position.invested + entry.cost,
        cost_left=cost,
        quantity_left=quantity,
        price_effective=cost / quantity,
    )


def sell_part(position: Position, at_ms: int, price: float, percent: float, costs: Costs) -> Position:
    """Return *position* after *percent* (above 0, below 100) of what is left was sold at *price*."""
    share = percent / 100
    cost = position.cost_left * share
    gain = round_trip(position.side, cost, position.price_effective, price, costs)
    return position._replace(
        partials=(*position.partials, Partial(at_ms, price, percent, cost, len(position.entries))),
        cost_left=position.cost_left * (1 - share),
        quantity_left=position.quantity_left * (1 - share),
        realised=position.realised.plus(gain),
    )


class Closing(NamedTuple):
    """How a position ends: when, why and at which price before slippage."""

    at_ms: int
    reason: CloseReason
    price: float
    note: str = ""


def close(position: Position, closing: Closing, costs: Costs, *, strategy: str, symbol: str) -> Trade:
    """Return the trade that *position* becomes when all that is left goes at the closing price."""
    return Trade(
        position.id,
        strategy,
        symbol,
        position.side,
        closing.reason,
        position.scheduled_at_ms,
        position.opened_at_ms,
        closing.at_ms,
        position.entries[0].price,
        position.price_effective,
        closing.price,
        position.take_profit,
        position.stop_loss,
        position.entries,
        position.partials,
        position.invested,
        position.value_at(closing.price, costs),
        closing.note or position.note,
    )

"""The life of a signal, as pure functions of candles; rows are those of `Market`.

            get_signal                     its entry order is filled
    flat ──────────────▶ waiting ──────────────────────────────▶ open ──▶ trade
      │                     └─▶ cancelled: timeout, price_reject,   ▲      take_profit, stop_loss,
      │                         frame_end, user                     │      time_expired, closed, frame_end
      └─────────────────────────────────────────────────────────────┘
               at market, or where the order is filled at once

Each function looks at a span of rows and returns the first thing that happens there, or None. A replay
gives it the rest of the frame and sleeps until that row; a clock that cannot see ahead gives it one row.
"""

import hashlib
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.order import EntryOrder, EntryTouch
from backtestkit_cli.domain.position import Entry, Plan, Position, enter
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CancelReason, Side, Signal
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import StrategyError
from backtestkit_cli.policies.fills.model import FillModel
from backtestkit_cli.policies.orders.choose import is_built_in, order_of
from backtestkit_cli.policies.orders.view import CutColumns, EntryView

SIDES: Mapping[str, Side] = {side.value: side for side in Side}


class Waiting(NamedTuple):
    """A signal whose entry has not been reached yet; `price_open` is the price its order expects to open at."""

    id: str
    signal: Signal
    side: Side
    order: EntryOrder
    price_open: float
    scheduled_at_ms: int


def born_ms(state: Waiting | Position) -> int:
    """Return the tick that made *state* what it is: it is first looked at in the one after."""
    return state.opened_at_ms if isinstance(state, Position) else state.scheduled_at_ms


class Opens(NamedTuple):
    """A waiting entry fills at `price`; `stopped_at` is the price of a stop within the same candle."""

    row: int
    price: float
    stopped_at: float | None


class Cancels(NamedTuple):
    """A waiting entry ends without filling."""

    row: int
    reason: CancelReason


def next_entry(
    market: Market, model: FillModel, waiting: Waiting, await_minutes: int, start: int, stop: int, last: int
) -> Opens | Cancels | None:
    """Return the first row of `[start, stop)` at which *waiting* opens or is cancelled; nothing opens at *last*.

    An order of the author's own sees no row from *stop* on.

    Raises:
        StrategyError: an order of the author's own answered what cannot be.
    """
    timeout = max(market.row_from(waiting.scheduled_at_ms + await_minutes * MINUTE_MS), start)
    signal = waiting.signal
    columns = market if is_built_in(waiting.order) else CutColumns(market, stop)
    view = EntryView(columns, model, waiting.side, signal.take_profit, signal.stop_loss, waiting.scheduled_at_ms)
    orders_until = min(stop, timeout if model.time_first else timeout + 1)
    touch: Any = waiting.order.first_touch(view, start, orders_until)
    if touch is not None:
        if not isinstance(touch, tuple) or len(touch) != len(EntryTouch._fields):
            text = f"entry order {waiting.order.kind!r}: first_touch: expected an EntryTouch or None, found {touch!r}"
            raise StrategyError(text)
        row, price, stopped_at = touch
        if not start <= row < orders_until or not (price is None or 0 < price < math.inf):
            expected = f"a row from {start} to {orders_until - 1} and a price above 0"
            raise StrategyError(f"entry order {waiting.order.kind!r}: first_touch: expected {expected}, found {touch}")
        if price is None:
            return Cancels(row, CancelReason.PRICE_REJECT)
        if row < last:
            return Opens(row, price, stopped_at)
    if timeout < stop:
        return Cancels(timeout, CancelReason.TIMEOUT)
    if last < stop:
        return Cancels(last, CancelReason.FRAME_END)
    return None


def expected_price(signal: Signal, price: float) -> float:
    """Return the price that a valid *signal* expects to open at, at market *price*."""
    return order_of(signal).placement(SIDES[signal.position].sign, price)[1]


def place(signal: Signal, price: float, at_ms: int, signal_id: str, settings: Settings) -> Waiting | Position:
    """Return what a valid *signal* becomes at market *price*: open now, or waiting for its entry."""
    side = SIDES[signal.position]
    if signal.entry is None and signal.price_open is None:  # nearly always
        return opened(signal, side, (at_ms, at_ms), price, signal_id, settings)
    order = order_of(signal)
    opens_now, price_open = order.placement(side.sign, price)
    if opens_now:
        return opened(signal, side, (at_ms, at_ms), price_open, signal_id, settings)
    return Waiting(signal_id, signal, side, order, price_open, at_ms)


def opened(
    signal: Signal, side: Side, times_ms: tuple[int, int], price: float, signal_id: str, settings: Settings
) -> Position:
    """Return the position of *signal*, scheduled and opened at *times_ms*, that fills at *price*."""
    scheduled_at_ms, at_ms = times_ms
    cost = settings.position_cost if signal.cost is None else float(signal.cost)
    return enter(signal_id, side, Plan.of(signal), scheduled_at_ms, Entry(at_ms, price, cost))


def slot_end_ms(when_ms: int, length_ms: int) -> int:
    """Return when the slot of *when_ms* ends and the next call of `get_signal` may come."""
    return when_ms - when_ms % length_ms + length_ms


def id_prefix(*names: str) -> str:
    """Return what the ids of all signals of the session with these *names* begin with."""
    return hashlib.blake2b("|".join(names).encode(), digest_size=6).hexdigest()


def signal_id(prefix: str, scheduled_at_ms: int) -> str:
    """Return the id of the signal of a session at a tick; a session schedules at most one a tick."""
    return f"{prefix}-{scheduled_at_ms // MINUTE_MS:x}"

"""The state of one session and everything that changes it: what happens by itself, signals, and commands."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

from backtestkit_cli.domain.command import ACCEPTED, CommandResult, refused
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Closing, Position, Trade, close
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CancelReason, CloseReason, Signal
from backtestkit_cli.engine import commands
from backtestkit_cli.engine.lifecycle import (
    Act,
    Cancels,
    Opens,
    Waiting,
    next_entry,
    next_exit,
    opened,
    place,
)
from backtestkit_cli.engine.market import Market
from backtestkit_cli.events.facts import (
    CommandRefused,
    Event,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    SignalCancelled,
    SignalScheduled,
)
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.policies.fills.model import Touch

_INSIDE_THE_MINUTE = (CloseReason.TAKE_PROFIT, CloseReason.STOP_LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPlan:
    """What a desk trades, and how far it may look for its own next act.

    A replay sees the rest of the frame, so that it can sleep until something happens; a clock that
    cannot see ahead looks one row at a time. `last_row` is the row of the frame's end.
    """

    strategy: str
    symbol: str
    settings: Settings
    last_row: int
    sees_ahead: bool


class Desk:
    """Holds at most one signal. Events of what it does wait in `outbox` until the session publishes them.

    `row` and `when_ms` are the current tick, `price` is `price(when)`.
    """

    def __init__(self, plan: DeskPlan, market: Market) -> None:
        """Start flat."""
        self._plan = plan
        self._market = market
        self._model = fill_model(plan.settings.fill_model)
        prices: Any = self._model.prices(market)
        self.prices: memoryview = memoryview(prices)  # gives a float in half the time of the array
        self._costs = Costs.of(plan.settings)
        self.state: Waiting | Position | None = None
        self.trades: list[Trade] = []
        self.outbox: deque[Event] = deque()
        self.row = self.when_ms = 0
        self.price = math.nan
        self.quiet_until = 0
        self._act: Act | None = None

    def move_to(self, row: int) -> None:
        """Make *row* the current tick."""
        self.row, self.when_ms, self.price = row, self._market.time_of(row), self.prices[row]

    def look(self, start: int) -> None:
        """Find what the state does by itself from row *start* on; rows before `quiet_until` bring nothing."""
        state, last = self.state, self._plan.last_row
        stop = last + 1 if self._plan.sees_ahead else min(start, last) + 1
        act: Act | None = None
        if type(state) is Position:
            act = next_exit(self._market, self._model, state, start, stop, last)
        elif type(state) is Waiting:
            await_minutes = self._plan.settings.schedule_await_minutes
            act = next_entry(self._market, self._model, state, await_minutes, start, stop, last)
        self._act = act
        self.quiet_until = stop if act is None else act.row

    def act_now(self) -> Act | None:
        """Return what happens by itself at the current row, if anything."""
        act = self._act
        if act is None or act.row != self.row:
            if self.row < self.quiet_until or self.state is None:
                return None
            self.look(self.row)
            act = self._act
        return act if act is not None and act.row == self.row else None

    def carry_out(self, act: Act) -> bool:
        """Change the state by *act*; say whether the session may be asked for a new signal at this very tick."""
        if isinstance(act, Touch):
            self._close(act.reason, act.price)
            return self._model.flat_at_exit_tick and act.reason in _INSIDE_THE_MINUTE
        waiting = self.state
        assert isinstance(waiting, Waiting)  # noqa: S101 - only a waiting entry opens or is cancelled
        if isinstance(act, Cancels):
            self._cancel(waiting, act.reason)
        else:
            self._fill(waiting, act)
        return False

    def carry_out_due(self) -> bool:
        """Carry out what happens by itself at the current row, if anything; see `carry_out`."""
        act = self.act_now()
        return act is not None and self.carry_out(act) and self.state is None

    def accept(self, signal: Signal, signal_id: str) -> None:
        """Open a valid *signal* at the price of this tick, or let it wait for its entry."""
        state = place(signal, self.price, self.when_ms, signal_id, self._plan.settings)
        if isinstance(state, Position):
            self._open(state, signal)
            return
        self._enter(state)
        self.outbox.append(SignalScheduled(*self._stamp(), state.id, state.side, state.price_open, signal))

    def average_buy(self, cost: float | None) -> CommandResult:
        """Buy *cost* more at the price of this tick, where the averaging policy allows it."""
        settings, position, price = self._plan.settings, self.state, self.price
        money = settings.position_cost if cost is None else cost
        after: Position | str = commands.NO_POSITION
        if isinstance(position, Position):
            after = commands.decide_average(position, price, money, self.when_ms, settings.averaging)
        if isinstance(after, str):
            return self._refuse("average_buy", after, money)
        self.state = after
        self.outbox.append(PositionAveraged(*self._stamp(), price, float(money), after))
        return ACCEPTED

    def partial_close(self, percent: float) -> CommandResult:
        """Sell *percent* of what is left; selling all of it closes the position."""
        position, price = self.state, self.price
        after: Position | str = commands.NO_POSITION
        if isinstance(position, Position):
            after = commands.decide_partial(position, price, percent, self.when_ms, self._costs)
        if isinstance(after, str):
            return self._refuse("partial_close", after, percent)
        if percent == 100:
            return self.close_position("")
        self.state = after
        self.outbox.append(PositionReduced(*self._stamp(), price, float(percent), after))
        return ACCEPTED

    def close_position(self, note: str) -> CommandResult:
        """Sell all that is left at the price of this tick."""
        if not isinstance(self.state, Position):
            return self._refuse("close_position", commands.NO_POSITION)
        self._close(CloseReason.CLOSED, self.price, note)
        return ACCEPTED

    def cancel(self) -> CommandResult:
        """Drop the waiting signal."""
        if not isinstance(self.state, Waiting):
            return self._refuse("cancel", commands.NOTHING_WAITS)
        self._cancel(self.state, CancelReason.USER)
        return ACCEPTED

    def activate(self) -> CommandResult:
        """Open the waiting signal at the price of this tick."""
        waiting, price = self.state, self.price
        if not isinstance(waiting, Waiting):
            return self._refuse("activate", commands.NOTHING_WAITS)
        problem = commands.activation_problem(waiting, price)
        if problem:
            return self._refuse("activate", problem)
        self._open(self._opened(waiting, price), waiting.signal)
        return ACCEPTED

    def _fill(self, waiting: Waiting, act: Opens) -> None:
        self._open(self._opened(waiting, act.price), waiting.signal)
        if act.stopped_at is not None:
            self._close(CloseReason.STOP_LOSS, act.stopped_at)

    def _opened(self, waiting: Waiting, price: float) -> Position:
        times_ms = (waiting.scheduled_at_ms, self.when_ms)
        return opened(waiting.signal, waiting.side, times_ms, price, waiting.id, self._plan.settings)

    def _open(self, position: Position, signal: Signal) -> None:
        self._enter(position)
        self.outbox.append(PositionOpened(*self._stamp(), position.entries[0].price, position, signal.flags))

    def _close(self, reason: CloseReason, price: float, note: str = "") -> None:
        position = self.state
        assert isinstance(position, Position)  # noqa: S101 - only an open position closes
        closing = Closing(self.when_ms, reason, price, note)
        trade = close(position, closing, self._costs, strategy=self._plan.strategy, symbol=self._plan.symbol)
        self.trades.append(trade)
        self._enter(None)
        self.outbox.append(PositionClosed(*self._stamp(), trade))

    def _cancel(self, waiting: Waiting, reason: CancelReason) -> None:
        self._enter(None)
        self.outbox.append(SignalCancelled(*self._stamp(), waiting.id, reason))

    def _enter(self, state: Waiting | Position | None) -> None:
        """Take *state* on; what it does by itself is first looked for at the next row."""
        self.state = state
        self._act = None
        self.quiet_until = self.row + 1
        if state is not None and self._plan.sees_ahead:
            self.look(self.row + 1)

    def _refuse(self, command: str, problem: str, argument: float | None = None) -> CommandResult:
        self.outbox.append(CommandRefused(*self._stamp(), command, self.price, argument, problem))
        return refused(problem)

    def _stamp(self) -> tuple[int, str, str]:
        return self.when_ms, self._plan.strategy, self._plan.symbol

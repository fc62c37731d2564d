"""The state of one session and what changes it by itself: exits, policies, and waiting signals."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Any, TypeAlias

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Closing, Position, Trade, close
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CancelReason, CloseReason, Side, Signal
from backtestkit_cli.engine.exits import BeginsToTrail, Rules, Step, next_exit, next_step
from backtestkit_cli.engine.gate import Refusal, SessionGate
from backtestkit_cli.engine.lifecycle import Cancels, Opens, Waiting, next_entry, opened, place
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.steps import Tick, taken
from backtestkit_cli.events.facts import (
    Event,
    PositionClosed,
    PositionOpened,
    SignalAdmitted,
    SignalCancelled,
    SignalRefused,
    SignalScheduled,
    Told,
)
from backtestkit_cli.policies.exits.following import followed
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.policies.fills.model import Touch

Act: TypeAlias = Touch | Step | Opens | Cancels
"""What the machine does by itself at a row."""

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

    `row` and `when_ms` are the current tick, `price` is `price(when)`. Rows before `quiet_until` bring nothing
    by themselves; before `pings_until` the position does not change either.
    """

    def __init__(self, plan: DeskPlan, market: Market, gate: SessionGate | None) -> None:
        """Start flat; with a *gate*, entries need its leave."""
        settings = plan.settings
        self._plan = plan
        self.market = market
        self._gate = gate
        self.last_row = plan.last_row
        self._model = fill_model(settings.fill_model)
        self.costs = Costs.of(settings)
        self._rules = Rules(market, self._model, self.costs, settings.partial_basis, plan.last_row)
        self.columns = self._model.prices(market)
        prices: Any = self.columns
        self.prices: memoryview = memoryview(prices)  # gives a float in half the time of the array
        self.state: Waiting | Position | None = None
        self.trades: list[Trade] = []
        self.outbox: deque[Told] = deque()
        self.row = self.when_ms = 0
        self.price = math.nan
        self.quiet_until = self.pings_until = 0
        self._act: Act | None = None
        self._touch: Touch | None = None
        self._touch_for: tuple[float | None, ...] = ()
        self._exits_from = self._steps_from = 0  # the first rows not yet judged
        self._settled_row = 0

    def move_to(self, row: int) -> None:
        """Make *row* the current tick."""
        self.row, self.when_ms, self.price = row, self.market.time_of(row), self.prices[row]

    def look(self, start: int) -> None:
        """Find what the state does by itself from row *start* on."""
        state, last = self.state, self.last_row
        stop = last + 1 if self._plan.sees_ahead else min(start, last) + 1
        act: Act | None = None
        if type(state) is Position:
            exits_from = max(self._exits_from, start)
            if state.progress.trailed_from_ms is not None:
                state = self.settle(exits_from - 1)
            touch = self._next_exit(state, exits_from, stop)
            steps_from = max(self._steps_from, start)
            act = next_step(self._rules, state, steps_from, stop if touch is None else touch.row) or touch
            self.quiet_until = self.pings_until = stop if act is None else act.row
            if state.progress.trailed_from_ms is not None:
                self.pings_until = 0
        elif type(state) is Waiting:
            await_minutes = self._plan.settings.schedule_await_minutes
            act = next_entry(self.market, self._model, state, await_minutes, start, stop, last)
            self.quiet_until = stop if act is None else act.row
        self._act = act

    def _next_exit(self, position: Position, start: int, stop: int) -> Touch | None:
        """Return how *position* ends, which what is bought or sold of it does not change."""
        levels = (position.take_profit, position.stop_loss, position.progress.trailed_best)
        known = self._touch
        if levels == self._touch_for and (known is None or known.row >= start):
            return known
        touch = next_exit(self._rules, position, start, stop)
        if self._plan.sees_ahead:
            self._touch, self._touch_for = touch, levels
        return touch

    def act_now(self) -> Act | None:
        """Return what happens by itself at the current row, if anything more; see `through`."""
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
            self.settle(self.row - 1)
            self.close(act.reason, act.price)
            return self._model.flat_at_exit_tick and act.reason in _INSIDE_THE_MINUTE
        if isinstance(act, Cancels):
            self.cancel(act.reason)
        elif isinstance(act, Opens):
            self._fill(act)
        else:
            self._take(act)
        return False

    def carry_out_due(self) -> bool:
        """Carry out all that happens by itself at the current row; see `carry_out`."""
        is_free = False
        while (act := self.act_now()) is not None:
            is_free = self.carry_out(act)
        self.through()
        return is_free and self.state is None

    def through(self) -> None:
        """Count the current row as judged: what a command changes from here on is first looked at in the next."""
        self._exits_from = self._steps_from = self.row + 1

    def settle(self, row: int) -> Position:
        """Return the open position with its stop where the prices up to *row* have moved it."""
        position = self.state
        assert type(position) is Position  # noqa: S101 - asked of an open position only
        best = position.progress.trailed_best
        if best is None or row <= self._settled_row:
            return position
        prices = self.columns[self._settled_row + 1 : row + 1]
        self._settled_row = row
        newest = float(prices.max() if position.side is Side.LONG else prices.min())
        if position.side.sign * newest > position.side.sign * best:
            self.state = position = followed(position, newest)
        return position

    def accept(self, signal: Signal, signal_id: str) -> None:
        """Open a valid *signal* at the price of this tick, or let it wait for its entry; the gate may refuse it."""
        if self._gate is not None:
            answer = self._gate.appears(signal, self.price, self.when_ms)
            if isinstance(answer, Refusal):
                self.outbox.append(self._refused(signal_id, signal, self.price, answer))
                return
            self.outbox.append(SignalAdmitted(*self.stamp(), answer.check, answer.profiles))
            signal = answer.signal
        state = place(signal, self.price, self.when_ms, signal_id, self._plan.settings)
        if isinstance(state, Position):
            self._open(state, signal)
            return
        self._enter(state)
        self.outbox.append(SignalScheduled(*self.stamp(), state.id, state.side, state.price_open, signal))

    def activate(self) -> Refusal | None:
        """Open the waiting signal at the price of this tick, unless the gate refuses."""
        waiting = self._waiting()
        refusal = self._refusal_to_open(waiting, self.price)
        if refusal is None:
            self._open(self._opened(waiting, self.price), waiting.signal)
        return refusal

    def replace(self, position: Position, *events: Event) -> None:
        """Put *position*, changed by a command or a step at this tick, in the place of the open one."""
        self._hold(position)
        if (self._steps_from, self._exits_from) != (self.row, self.row + 1):  # not amid the steps of this row
            self.through()
        self.outbox.extend(events)
        self._act = None
        self.quiet_until = self.pings_until = self._steps_from
        if self._plan.sees_ahead:
            self.look(self._steps_from)

    def close(self, reason: CloseReason, price: float, note: str = "") -> None:
        """Turn the open position into a trade at *price*."""
        position = self.state
        assert isinstance(position, Position)  # noqa: S101 - only an open position closes
        closing = Closing(self.when_ms, reason, price, note)
        trade = close(position, closing, self.costs, strategy=self._plan.strategy, symbol=self._plan.symbol)
        self.trades.append(trade)
        if self._gate is not None:
            self._gate.closed(trade)
        self._enter(None)
        self.outbox.append(PositionClosed(*self.stamp(), trade))

    def cancel(self, reason: CancelReason) -> None:
        """Drop the waiting signal."""
        waiting = self._waiting()
        self._enter(None)
        self.outbox.append(SignalCancelled(*self.stamp(), waiting.id, reason))

    @property
    def is_sized(self) -> bool:
        """Say whether a sizing decides what entries cost."""
        return self._gate is not None and self._gate.is_sized

    def money_problem(self, cost: float) -> str | None:
        """Return why the account of the run cannot pay an entry of *cost* more, or None."""
        return None if self._gate is None else self._gate.addition_problem(cost, self.price, self.when_ms)

    def stamp(self) -> tuple[int, str, str]:
        """Return what every event of this tick begins with."""
        return self.when_ms, self._plan.strategy, self._plan.symbol

    def _take(self, step: Step) -> None:
        """Let a policy change the position, at the price of this tick; a stop that follows has followed it by then."""
        position = self.settle(self.row)
        self._exits_from, self._steps_from = self.row + 1, self.row
        if isinstance(step, BeginsToTrail):
            self._settled_row = self.row
        tick = Tick(*self.stamp(), self.price)
        after, events = taken(step, position, tick, self.costs, self._rules.basis, self.money_problem)
        self.replace(after, *events)

    def _fill(self, act: Opens) -> None:
        waiting = self._waiting()
        refusal = self._refusal_to_open(waiting, act.price)
        if refusal is not None:
            self.outbox.append(self._refused(waiting.id, waiting.signal, act.price, refusal))
            self.cancel(CancelReason.RISK)
            return
        self._open(self._opened(waiting, act.price), waiting.signal)
        if act.stopped_at is not None:
            self.close(CloseReason.STOP_LOSS, act.stopped_at)

    def _waiting(self) -> Waiting:
        waiting = self.state
        assert isinstance(waiting, Waiting)  # noqa: S101 - only what waits opens or is cancelled
        return waiting

    def _refused(self, signal_id: str, signal: Signal, price: float, why: Refusal) -> SignalRefused:
        stage, profile, rule, reason, check = why
        return SignalRefused(*self.stamp(), signal_id, signal, price, stage, profile, rule, reason, check)

    def _refusal_to_open(self, waiting: Waiting, price: float) -> Refusal | None:
        """Return why the gate does not let *waiting* open now, or None; there is no gate in most runs."""
        if self._gate is None:
            return None
        answer = self._gate.opens(waiting.signal, price, self.when_ms)
        if isinstance(answer, Refusal):
            return answer
        self.outbox.append(SignalAdmitted(*self.stamp(), answer.check, answer.profiles))
        return None

    def _opened(self, waiting: Waiting, price: float) -> Position:
        times_ms = (waiting.scheduled_at_ms, self.when_ms)
        return opened(waiting.signal, waiting.side, times_ms, price, waiting.id, self._plan.settings)

    def _open(self, position: Position, signal: Signal) -> None:
        self._enter(position)
        self.outbox.append(PositionOpened(*self.stamp(), position.entries[0].price, position, signal.flags))

    def _enter(self, state: Waiting | Position | None) -> None:
        """Take *state* on; what it does by itself is first looked for at the next row."""
        if type(state) is Position:
            self._hold(state)
        else:
            self.state = state
        self._act = None
        self._touch_for = ()
        self.quiet_until = self.pings_until = self._exits_from = self._steps_from = self.row + 1
        if state is not None and self._plan.sees_ahead:
            self.look(self.row + 1)

    def _hold(self, position: Position) -> None:
        self.state = position
        if self._gate is not None:
            self._gate.holds(position)

"""The state of one session and what changes it by itself: exits, policies, and waiting signals."""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.position import Closing, Position, Trade, close
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CancelReason, CloseReason, Signal
from backtestkit_cli.engine.exits import Rules, Step
from backtestkit_cli.engine.foresight import Act, Foresight
from backtestkit_cli.engine.gate import Refusal, SessionGate
from backtestkit_cli.engine.lifecycle import Cancels, Opens, Waiting, opened, place
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
from backtestkit_cli.policies.fills.choose import fill_model
from backtestkit_cli.policies.fills.model import Touch

T = TypeVar("T")

_INSIDE_THE_MINUTE = (CloseReason.TAKE_PROFIT, CloseReason.STOP_LOSS)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskPlan:
    """What a desk trades, and how far it may look for its own next act.

    A replay sees the rest of the frame, so that it can sleep until something happens; a clock that
    cannot see ahead looks one row at a time. `last_row` is the row of the frame's end. Where a venue has the last
    word (`is_settled`), what the desk decides is a proposal, and whoever settles it books the trades.
    """

    strategy: str
    symbol: str
    settings: Settings
    last_row: int
    sees_ahead: bool
    is_settled: bool = False


class Desk:
    """Holds at most one signal. Events of what it does wait in `outbox` until the session publishes them.

    `row` and `when_ms` are the current tick, `price` is `price(when)`. `ahead` knows until when nothing happens.
    """

    def __init__(self, plan: DeskPlan, market: Market, gate: SessionGate | None) -> None:
        """Start flat; with a *gate*, entries need its leave."""
        settings = plan.settings
        self._plan = plan
        self.market = market
        self.gate = gate
        self.last_row = plan.last_row
        self._model = fill_model(settings.fill_model)
        self.costs = Costs.of(settings)
        rules = Rules(market, self._model, self.costs, settings.partial_basis, plan.last_row)
        self.ahead = Foresight(rules, settings.schedule_await_minutes, sees_ahead=plan.sees_ahead)
        self.columns = self._model.prices(market)
        prices: Any = self.columns
        self.prices: memoryview = memoryview(prices)  # gives a float in half the time of the array
        self.state: Waiting | Position | None = None
        self.trades: list[Trade] = []
        self.outbox: deque[Told] = deque()
        self.row = self.when_ms = 0
        self.price = math.nan
        self.is_judging = False

    def move_to(self, row: int) -> None:
        """Make *row* the current tick."""
        self.row, self.when_ms, self.price = row, self.market.time_of(row), self.prices[row]

    def act_now(self) -> Act | None:
        """Return what happens by itself at the current row, if anything more; see `through`."""
        self.state, act = self.ahead.act_at(self.row, self.state)
        return act

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
        while self.state is not None and (act := self.act_now()) is not None:
            is_free = self.carry_out(act)
        self.through()
        return is_free and self.state is None

    def through(self) -> None:
        """Count the current row as judged: what a command changes from here on is first looked at in the next."""
        self.ahead.through(self.row)

    def settle(self, row: int) -> Position:
        """Return the open position with its stop where the prices up to *row* have moved it."""
        position = self.state
        assert type(position) is Position  # noqa: S101 - asked of an open position only
        self.state = position = self.ahead.settled(position, row)
        return position

    def judged(self, judge: Callable[[], T]) -> T:
        """Return what code of the author's that judges a signal says; meanwhile no command is taken."""
        self.is_judging = True
        try:
            return judge()
        finally:
            self.is_judging = False

    def accept(self, signal: Signal, signal_id: str) -> None:
        """Open a valid *signal* at the price of this tick, or let it wait for its entry; the gate may refuse it."""
        if self.gate is not None:
            answer = self.judged(partial(self.gate.appears, signal, self.price, self.when_ms))
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
        self.outbox.extend(events)
        self.state = self.ahead.changed(self.row, position)

    def close(self, reason: CloseReason, price: float, note: str = "") -> None:
        """Turn the open position into a trade at *price*."""
        position = self.state
        assert isinstance(position, Position)  # noqa: S101 - only an open position closes
        closing = Closing(self.when_ms, reason, price, note)
        trade = close(position, closing, self.costs, strategy=self._plan.strategy, symbol=self._plan.symbol)
        if not self._plan.is_settled:
            self.book(trade)
        self._enter(None)
        self.outbox.append(PositionClosed(*self.stamp(), trade))

    def book(self, trade: Trade) -> None:
        """Count *trade* as closed."""
        self.trades.append(trade)
        if self.gate is not None:
            self.gate.closed(trade)

    def take(
        self, state: Waiting | Position | None, *, is_judged: bool = True, reserved: Position | None = None
    ) -> None:
        """Put what a venue or the saved state says in the place of what was decided.

        It is looked at from the next row on; a position that was open before this row, from this one where it has not
        been *judged* yet. *reserved* is the position that an order on its way may become: it keeps its place.
        """
        was_open = type(self.state) is Position
        if type(state) is Position:
            self._hold(state)
            judged_row = self.row if is_judged or state.opened_at_ms >= self.when_ms else self.row - 1
            self.ahead.through(judged_row)  # a step that the venue did not take must not come again at this row
            self.state = (self.ahead.changed if was_open else self.ahead.entered)(judged_row, state)
            return
        if self.gate is not None:
            if reserved is None:
                self.gate.drops()
            else:
                self.gate.holds(reserved)
        self.state = self.ahead.entered(self.row, state)

    def cancel(self, reason: CancelReason) -> None:
        """Drop the waiting signal."""
        waiting = self._waiting()
        self._enter(None)
        self.outbox.append(SignalCancelled(*self.stamp(), waiting.id, reason))

    def obey_stop(self) -> None:
        """Do what a stop of the portfolio orders, if one is in force: nothing waits, or stays open if it says so."""
        stop = None if self.gate is None or self.state is None else self.gate.stop_at(self.when_ms)
        if stop is None:
            return
        if isinstance(self.state, Waiting):
            self.cancel(CancelReason.RISK)
        elif isinstance(self.state, Position) and stop.action is StopAction.CLOSE_ALL:
            self.settle(self.row)
            self.close(CloseReason.PORTFOLIO_STOP, self.price)

    def money_problem(self, cost: float) -> str | None:
        """Return why the account of the run cannot pay an entry of *cost* more, or None."""
        if self.gate is None:
            return None
        return self.judged(partial(self.gate.addition_problem, self.settle(self.row), cost, self.price, self.when_ms))

    def stamp(self) -> tuple[int, str, str]:
        """Return what every event of this tick begins with."""
        return self.when_ms, self._plan.strategy, self._plan.symbol

    def _take(self, step: Step) -> None:
        """Let a policy change the position, at the price of this tick; a stop that follows has followed it by then."""
        position = self.settle(self.row)
        self.ahead.steps_at(self.row)
        tick = Tick(*self.stamp(), self.price)
        after, events = taken(step, position, tick, self.costs, self._plan.settings.partial_basis, self.money_problem)
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
        if self.gate is None:
            return None
        answer = self.judged(partial(self.gate.opens, waiting.signal, price, self.when_ms))
        if isinstance(answer, Refusal):
            return answer
        self.outbox.append(SignalAdmitted(*self.stamp(), answer.check, answer.profiles))
        return None

    def _opened(self, waiting: Waiting, price: float) -> Position:
        times_ms = (waiting.scheduled_at_ms, self.when_ms)
        return opened(waiting.signal, waiting.side, times_ms, price, waiting.id, self._plan.settings)

    def _open(self, position: Position, signal: Signal) -> None:
        self._enter(position)
        flags = signal.flags if signal.post_only or signal.reduce_only else ()
        self.outbox.append(PositionOpened(*self.stamp(), position.entries[0].price, position, flags))

    def _enter(self, state: Waiting | Position | None) -> None:
        """Take *state* on; what it does by itself is first looked for at the next row."""
        if self.gate is not None and type(state) is Position:
            self._hold(state)
        self.state = self.ahead.entered(self.row, state)

    def _hold(self, position: Position) -> None:
        self.state = position
        if self.gate is not None:
            self.gate.holds(position)

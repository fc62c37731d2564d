"""When the state of a session changes by itself next, so that it can sleep until then."""

from typing import TypeAlias

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.engine.exits import Rules, Step, next_exit, next_step
from backtestkit_cli.engine.lifecycle import Cancels, Opens, Waiting, next_entry
from backtestkit_cli.policies.exits.following import followed
from backtestkit_cli.policies.fills.model import Touch
from backtestkit_cli.policies.orders.choose import is_built_in

Act: TypeAlias = Touch | Step | Opens | Cancels
"""What the machine does by itself at a row."""
State: TypeAlias = Waiting | Position | None


class Foresight:
    """Finds the next act of a state, and remembers up to which row it has been judged.

    Rows before `quiet_until` bring nothing by themselves; before `pings_until` the position does not change
    either, and of anything but a position no row lies before it. A replay sees the rest of the frame; a clock that
    cannot see ahead looks one row at a time.
    """

    def __init__(self, rules: Rules, await_minutes: int, *, sees_ahead: bool) -> None:
        """Judge by *rules*; a signal waits for *await_minutes* at most."""
        self._rules = rules
        self._await_minutes = await_minutes
        self._sees_ahead = sees_ahead
        self._columns = rules.model.prices(rules.market)
        self.quiet_until = self.pings_until = 0
        self._act: Act | None = None
        self._touch: Touch | None = None
        self._touch_for: tuple[float | None, ...] = ()
        self._exits_from = self._steps_from = 0  # the first rows not yet judged
        self._settled_row = 0

    def entered(self, row: int, state: State) -> State:
        """Take on *state*, entered at *row*; what it does is first looked for at the next row."""
        self._act = None
        self._touch_for = ()
        self._settled_row = row
        begin = self.quiet_until = self.pings_until = self._exits_from = self._steps_from = row + 1
        if state is None or not self._sees_ahead:
            return state
        if type(state) is not Position:
            return self._look(begin, state)
        stop = self._rules.last_row + 1  # as `_look` does, of a position that nothing has changed yet
        touch = next_exit(self._rules, state, begin, stop)
        act = next_step(self._rules, state, begin, stop if touch is None else touch.row) or touch
        self.quiet_until = self.pings_until = stop if act is None else act.row
        self._act = act
        return state

    def changed(self, row: int, position: Position) -> State:
        """Take on *position*, changed at *row*; amid the steps of a row the rest of them is still to come there."""
        if (self._steps_from, self._exits_from) != (row, row + 1):
            self.through(row)
        self._act = None
        self.quiet_until = self.pings_until = self._steps_from
        return self._look(self._steps_from, position) if self._sees_ahead else position

    def steps_at(self, row: int) -> None:
        """Count the exits of *row* as judged, but not its steps."""
        self._exits_from, self._steps_from = row + 1, row

    def through(self, row: int) -> None:
        """Count *row* as judged."""
        self._exits_from = self._steps_from = row + 1

    def act_at(self, row: int, state: State) -> tuple[State, Act | None]:
        """Return what *state* does at *row*, if anything more, and the state with its stop settled."""
        act = self._act
        if act is None or act.row != row:
            if row < self.quiet_until or state is None:
                return state, None
            state = self._look(row, state)
            act = self._act
        return state, act if act is not None and act.row == row else None

    def settled(self, position: Position, row: int) -> Position:
        """Return *position* with its stop where the prices up to *row* have moved it."""
        best = position.progress.trailed_best
        if best is None:
            self._settled_row = row  # it begins to trail at this row at the earliest
            return position
        if row <= self._settled_row:
            return position
        prices = self._columns[self._settled_row + 1 : row + 1]
        self._settled_row = row
        newest = float(prices.max() if position.side is Side.LONG else prices.min())
        if position.side.sign * newest > position.side.sign * best:
            return followed(position, newest)
        return position

    def _look(self, start: int, state: State) -> State:
        """Find what *state* does by itself from row *start* on."""
        last = self._rules.last_row
        stop = last + 1 if self._sees_ahead else min(start, last) + 1
        act: Act | None = None
        if type(state) is Position:
            exits_from = max(self._exits_from, start)
            if state.progress.trailed_from_ms is not None:
                state = self.settled(state, exits_from - 1)
            touch = self._next_exit(state, exits_from, stop)
            steps_from = max(self._steps_from, start)
            act = next_step(self._rules, state, steps_from, stop if touch is None else touch.row) or touch
            self.quiet_until = self.pings_until = stop if act is None else act.row
            if state.progress.trailed_from_ms is not None:
                self.pings_until = 0
        elif type(state) is Waiting:
            if not is_built_in(state.order):  # whatever it does, it does it at its tick
                stop = min(start, last) + 1
            act = next_entry(self._rules.market, self._rules.model, state, self._await_minutes, start, stop, last)
            self.quiet_until = stop if act is None else act.row
        self._act = act
        return state

    def _next_exit(self, position: Position, start: int, stop: int) -> Touch | None:
        """Return how *position* ends, which what is bought or sold of it does not change."""
        levels = (position.take_profit, position.stop_loss, position.progress.trailed_best)
        known = self._touch
        if levels == self._touch_for and (known is None or known.row >= start):
            return known
        touch = next_exit(self._rules, position, start, stop)
        if self._sees_ahead:
            self._touch, self._touch_for = touch, levels
        return touch

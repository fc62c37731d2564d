"""The commands of a session, carried out at its desk at the price of the tick; each answers whether it was."""

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from backtestkit_cli.domain.command import ACCEPTED, CommandResult, refused
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.position_view import PositionView
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import CancelReason, CloseReason
from backtestkit_cli.domain.wording import kept, shown
from backtestkit_cli.engine import commands
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.watching import Watched
from backtestkit_cli.events.facts import (
    CommandRefused,
    MovedBy,
    PositionAveraged,
    PositionReduced,
    StopMoved,
    TargetMoved,
)

_JUDGING = "a rule, a sizing, a validator or an order gives no commands"

P = ParamSpec("P")


def _command(decide: Callable[Concatenate["CommandDesk", P], CommandResult]) -> Callable[..., CommandResult]:
    """Refuse a command of code that is asked about a signal: what it judges must not change under it."""

    @wraps(decide)
    def taken(desk: "CommandDesk", *arguments: P.args, **named: P.kwargs) -> CommandResult:
        refusal = desk.refusal_while_judging(decide.__name__, arguments)
        return decide(desk, *arguments, **named) if refusal is None else refusal

    return taken


class CommandDesk:
    """Decides commands and puts what they change on the desk; a refused one is an event and changes nothing."""

    def __init__(self, desk: Desk, market: Market, prices: Any, settings: Settings) -> None:  # noqa: ANN401 - columns
        """Command *desk*, which trades *market* at *prices*."""
        self._desk = desk
        self._market = market
        self._prices = prices
        self._settings = settings
        self._watched: Watched | None = None

    def position(self) -> PositionView | None:
        """Return what is open, at this tick."""
        desk = self._desk
        position = self._open_position()
        if position is None:
            return None
        if self._watched is None or self._watched.id != position.id:
            self._watched = Watched(position, self._market, self._prices)
        return self._watched.view(position, desk.row, desk.when_ms, desk.costs)

    @_command
    def average_buy(self, cost: float | None) -> CommandResult:
        """Buy *cost* more at the price of this tick, where the averaging policy and the account allow it."""
        settings, position, desk = self._settings, self._open_position(), self._desk
        money: Any = cost
        if position is None:
            return self._refuse("average_buy", commands.NO_POSITION, cost)
        if cost is None:
            money = position.entries[0].cost
        after = commands.decide_average(position, desk.price, money, desk.when_ms, settings.averaging)
        problem = after if isinstance(after, str) else desk.money_problem(float(money))
        if isinstance(after, str) or problem is not None:
            return self._refuse("average_buy", problem or "", money)
        desk.replace(after, PositionAveraged(*desk.stamp(), desk.price, float(money), after))
        return ACCEPTED

    @_command
    def partial_close(self, percent: float) -> CommandResult:
        """Sell *percent* of what is left; selling all of it closes the position."""
        position, desk = self._open_position(), self._desk
        after: Position | str = commands.NO_POSITION
        if position is not None:
            after = commands.decide_partial(position, desk.price, percent, desk.when_ms, desk.costs)
        if isinstance(after, str):
            return self._refuse("partial_close", after, percent)
        if percent == 100:
            return self.close_position("")
        desk.replace(after, PositionReduced(*desk.stamp(), desk.price, float(percent), after))
        return ACCEPTED

    @_command
    def move_stop(self, price: float) -> CommandResult:
        """Move the stop to *price*, tighter only."""
        position, desk = self._open_position(), self._desk
        after: Position | str = commands.NO_POSITION
        if position is not None:
            after = commands.decide_stop(position, desk.price, price)
        return self._moved_stop("move_stop", after, price)

    @_command
    def move_take_profit(self, price: float) -> CommandResult:
        """Move the target to *price*."""
        position, desk = self._open_position(), self._desk
        after: Position | str = commands.NO_POSITION
        if position is not None:
            after = commands.decide_target(position, desk.price, price)
        if isinstance(after, str):
            return self._refuse("move_take_profit", after, price)
        desk.replace(after, TargetMoved(*desk.stamp(), desk.price, after.take_profit, MovedBy.COMMAND, after))
        return ACCEPTED

    @_command
    def breakeven(self) -> CommandResult:
        """Move the stop to where the rest ends without loss."""
        position, desk = self._open_position(), self._desk
        after: Position | str = commands.NO_POSITION
        if position is not None:
            after = commands.decide_breakeven(position, desk.price, desk.costs)
        return self._moved_stop("breakeven", after, None)

    @_command
    def close_position(self, note: str) -> CommandResult:
        """Sell all that is left at the price of this tick."""
        if self._open_position() is None:
            return self._refuse("close_position", commands.NO_POSITION)
        text: Any = note
        if not isinstance(text, str):
            return self._refuse("close_position", f"note must be a text, was {shown(text)}", text)
        self._desk.close(CloseReason.CLOSED, self._desk.price, note)
        return ACCEPTED

    @_command
    def cancel(self) -> CommandResult:
        """Drop the waiting signal."""
        if not isinstance(self._desk.state, Waiting):
            return self._refuse("cancel", commands.NOTHING_WAITS)
        self._desk.cancel(CancelReason.USER)
        return ACCEPTED

    @_command
    def activate(self) -> CommandResult:
        """Open the waiting signal at the price of this tick, where risk and account allow it."""
        desk = self._desk
        if not isinstance(desk.state, Waiting):
            return self._refuse("activate", commands.NOTHING_WAITS)
        problem = commands.activation_problem(desk.state, desk.price)
        if problem:
            return self._refuse("activate", problem)
        refusal = desk.activate()
        if refusal is not None:
            return self._refuse("activate", f"{refusal.profile}: {refusal.rule}: {refusal.reason}")
        return ACCEPTED

    def refusal_while_judging(self, command: str, arguments: Sequence[object]) -> CommandResult | None:
        """Return the refusal of a command that comes while a signal is judged, None at any other time."""
        if not self._desk.is_judging:
            return None
        return self._refuse(command, _JUDGING, arguments[0] if arguments else None)

    def _open_position(self) -> Position | None:
        """Return the open position with its stop settled, None where nothing is open."""
        return self._desk.settle(self._desk.row) if isinstance(self._desk.state, Position) else None

    def _moved_stop(self, command: str, after: Position | str, argument: float | None) -> CommandResult:
        if isinstance(after, str):
            return self._refuse(command, after, argument)
        desk = self._desk
        desk.replace(after, StopMoved(*desk.stamp(), desk.price, after.stop_loss, MovedBy.COMMAND, after))
        return ACCEPTED

    def _refuse(self, command: str, problem: str, argument: object = None) -> CommandResult:
        desk = self._desk
        desk.outbox.append(CommandRefused(*desk.stamp(), command, desk.price, kept(argument), problem))
        return refused(problem)

"""The end of a session whose run was stopped: what is open stays or is closed, and its end is told."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import CancelReason, CloseReason
from backtestkit_cli.engine.dealing.dealer import Dealer
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.errors import StoreError
from backtestkit_cli.events.facts import ErrorOccurred
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper

STOPPED: Final = "stopped"
"""The note of a close because the run was stopped."""
_TRIES: Final = 3

Publish = Callable[[Any], Awaitable[None]]


async def wound_up(keepers: Sequence[SessionKeeper], now_ms: int, *, closes: bool) -> None:
    """Tell that all sessions are over; before that, what they hold is closed if the run *closes* it.

    Else all of it stays: positions with their exits, signals that wait, and entries that rest at the venue, which may
    be filled while no process is there.
    """
    for keeper in keepers if closes else ():
        try:
            problem = await closed_out(keeper.dealer, keeper.publish)
        except StoreError as error:
            problem = str(error)
        if problem:
            text = f"what is held was not closed: {problem}; the next start looks after it"
            await keeper.publish(ErrorOccurred(now_ms, keeper.spec.name, keeper.symbol, "stop", text, ""))
    for keeper in keepers:
        await _make_good(keeper, now_ms)
        await keeper.ends(now_ms)


async def _make_good(keeper: SessionKeeper, now_ms: int) -> None:
    """Save what is due, or tell that it never will be."""
    try:
        await keeper.dealer.make_good()
    except StoreError as error:
        text = f"what was done last is not saved: {error}; the next start compares it with the venue"
        await keeper.publish(ErrorOccurred(now_ms, keeper.spec.name, keeper.symbol, "stop", text, ""))
    for fact in keeper.dealer.saved_facts():
        await keeper.publish(fact)


async def closed_out(dealer: Dealer, publish: Publish) -> str:
    """Close at the market what *dealer* holds and take back what waits, at the venue as well.

    Return why something is left, nothing where all is done. A close that the venue has not confirmed is kept, and
    brought to its end by the next process.

    Raises:
        StoreError: what was done cannot be saved.
    """
    desk, memory = dealer.desk, dealer.memory
    if memory.state is None and not memory.orders:
        return ""
    if desk is None:
        return "there was no tick yet to close at"
    for attempt in range(_TRIES):
        if attempt:
            await dealer.begin()
        if isinstance(desk.state, Position) and dealer.memory.closing is None:
            desk.settle(desk.row)
            desk.close(CloseReason.CLOSED, desk.price, STOPPED)
        elif isinstance(desk.state, Waiting):
            desk.cancel(CancelReason.USER)
        while facts := await dealer.settled(dealer.memory.slot):
            await publish(facts.popleft())
        if dealer.memory.state is None and not dealer.memory.orders:
            return ""
    return "the venue has not confirmed it"

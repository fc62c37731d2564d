"""Taking an order back, which may find it filled."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, OrderState, VenueOrder
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.memory import OpenOrder

Answered: TypeAlias = Callable[[VenueOrder, Answer], Awaitable[None]]


async def withdrawn(blotter: Blotter, known: OpenOrder, answered: Answered) -> bool:
    """Take *known* back; say whether it is settled, so that nothing of it can be filled any more.

    What was filled of it before is booked by *answered*. One that may still arrive is waited for, as long as its
    session has the patience.
    """
    answer = await _taken_back(blotter, known)
    if isinstance(answer, Gone) and blotter.may_arrive(known):
        wait_s = blotter.wire.arrival_s(known.sent_ms)
        if wait_s * 1000 > blotter.wire.patience_ms:
            return False
        await blotter.wire.sleep(wait_s)
        answer = await _taken_back(blotter, known)
    if isinstance(answer, Gone):
        if blotter.may_arrive(known):
            return False
        blotter.drop(known.order)
        return True
    if not isinstance(answer, Confirmed) or answer.state is OrderState.RESTING:
        return False
    if answer.fill is None:
        blotter.drop(known.order)
    else:
        await answered(known.order, answer)
    return blotter.known(known.order) is None


async def _taken_back(blotter: Blotter, known: OpenOrder) -> Answer:
    answer = await blotter.ask(known.order, blotter.wire.broker.cancel)
    return await blotter.ask(known.order, blotter.wire.broker.check) if isinstance(answer, Gone) else answer

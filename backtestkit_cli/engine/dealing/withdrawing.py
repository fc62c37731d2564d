"""Taking an order back, which may find it filled."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, OrderState, VenueOrder
from backtestkit_cli.engine.dealing.blotter import Blotter
from backtestkit_cli.engine.memory import OpenOrder

Answered: TypeAlias = Callable[[VenueOrder, Answer], Awaitable[None]]


async def withdrawn(blotter: Blotter, known: OpenOrder, answered: Answered) -> bool:
    """Take *known* back; say whether it is settled, so that nothing of it can be filled any more.

    What was filled of it before is booked by *answered*. Of an order that may still arrive nobody knows.
    """
    broker, order = blotter.wire.broker, known.order
    answer = await blotter.ask(order, broker.cancel)
    if isinstance(answer, Gone):
        answer = await blotter.ask(order, broker.check)
    if isinstance(answer, Gone):
        if blotter.may_arrive(known):
            return False
        blotter.drop(order)
        return True
    if not isinstance(answer, Confirmed) or answer.state is OrderState.RESTING:
        return False
    if answer.fill is None:
        blotter.drop(order)
    else:
        await answered(order, answer)
    return True

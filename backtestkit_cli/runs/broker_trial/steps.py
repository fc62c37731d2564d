"""The steps of the test, in their order."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from backtestkit_cli.domain.venue import Answer, Confirmed, OrderState, VenueOrder
from backtestkit_cli.errors import VenueError
from backtestkit_cli.ports import Broker
from backtestkit_cli.runs.broker_trial.desk import Desk, Step
from backtestkit_cli.runs.broker_trial.ticket import Ticket
from backtestkit_cli.runs.broker_trial.wording import rules_text

_NOTHING = 1e-12
"""What of the base asset is no more than the noise of sums."""


async def broker_steps(
    broker: Broker,
    symbol: str,
    price: float,
    *,
    now_ms: int,
    is_dry: bool = True,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> AsyncGenerator[Step, None]:
    """Yield each step once it is done; *price* is the last of *symbol*, and *now_ms* makes the ids of the orders.

    A dry run asks for the rules only, and says what it would send. Whatever happens, also where the steps are not
    taken to their end, orders that rest are taken back, and what was bought is sold.
    """
    try:
        rules = await broker.rules(symbol)
    except VenueError as error:
        yield Step("rules", symbol, str(error), is_ok=False)
        return
    yield Step("rules", symbol, rules_text(rules))
    ticket = Ticket(symbol, price, now_ms, rules)
    desk = Desk(broker, rules, is_dry=is_dry)
    left: list[Step] = []
    try:
        yield await desk.balances()
        async for step in _entries(desk, ticket):
            yield step
        async for step in _round_trip(desk, ticket):
            yield step
    finally:
        left = await _cleaned_up(desk, ticket, sleep)
    for step in left:
        yield step


async def _entries(desk: Desk, ticket: Ticket) -> AsyncGenerator[Step, None]:
    """A limit far below the market: placed, found, moved, taken back."""
    broker, far, farther = desk.broker, ticket.far(), ticket.farther()
    placed = await desk.do("open limit", broker.open, far, OrderState.RESTING)
    yield placed
    if not placed.is_ok:
        return
    yield await desk.do("check limit", broker.check, far, OrderState.RESTING)

    async def amend(wanted: VenueOrder) -> Answer:
        answer = await broker.amend(far, wanted)
        if isinstance(answer, Confirmed):
            desk.forget(far)
        return answer

    yield await desk.do("amend limit", amend, farther, OrderState.RESTING)
    yield await desk.do("cancel limit", broker.cancel, farther, OrderState.CANCELLED)


async def _round_trip(desk: Desk, ticket: Ticket) -> AsyncGenerator[Step, None]:
    """The least at the market: bought, protected, and sold again."""
    broker = desk.broker
    yield await desk.do("open market", broker.open, ticket.buy(), OrderState.FILLED)
    if desk.held <= 0:
        return
    if desk.rules.rests_exits:
        exits = ticket.exits(desk.held)
        yield await desk.do("close exits", broker.close, exits, OrderState.RESTING)
        yield await desk.do("check exits", broker.check, exits, OrderState.RESTING)
        yield await desk.do("cancel exits", broker.cancel, exits, OrderState.CANCELLED)
    if not desk.in_doubt:
        yield await desk.do("close market", broker.close, ticket.sale(desk.held, 1), OrderState.FILLED)


async def _cleaned_up(desk: Desk, ticket: Ticket, sleep: Callable[[float], Awaitable[None]]) -> list[Step]:
    """Take back whatever may rest, and sell what is held; return what that took."""
    steps: list[Step] = []
    if desk.in_doubt:
        await sleep(desk.broker.arrival_window_s)
    steps += [await desk.take_back(order) for order in desk.in_doubt]
    if not desk.is_dry and desk.held > max(desk.rules.quantity_step, desk.rules.min_quantity, _NOTHING):
        sale = ticket.sale(desk.held, 2)
        steps.append(await desk.do("clean up", desk.broker.close, sale, OrderState.FILLED))
    return steps

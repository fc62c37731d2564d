"""What a live run finds before it begins: the balances of the account, and the state it takes up again."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from backtestkit_cli.domain.venue import Balance
from backtestkit_cli.errors import VenueError
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.runs.sources import now_ms
from backtestkit_cli.runs.trading.held import HeldSession, bots_in
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.venue import broker_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What was found; `balances` are None where the venue did not tell, and `problems` say why.

    `store` is what messages call the place of the state.
    """

    store: str
    balances: Mapping[str, Balance] | None
    held: tuple[HeldSession, ...]
    problems: tuple[str, ...]


async def preview(plan: TradingPlan, environ: Mapping[str, str] | None = None) -> Preview:
    """Look at saved state, and ask the venue for what the account of the keys in *environ* has; change nothing.

    Raises:
        StoreError: the state cannot be read.
    """
    run = plan.run
    names = {(spec.name, symbol) for spec in run.strategies for symbol in run.symbols}
    environ = os.environ if environ is None else environ
    places = Places(plan.store, environ)
    try:
        bots = await bots_in(places, modes={run.mode}, exchange=run.exchange)
        where = places.store(is_onlooker=True).name
    finally:
        await places.close()
    held = [one for bot in bots for one in bot.sessions if not one.is_quiet]
    ours = tuple(one for one in held if (one.strategy, one.symbol) in names)
    others = [f"{one.symbol}, {one.strategy}" for one in held if (one.strategy, one.symbol) not in names]
    problems = [f"saved state of {name} is not taken up: this run does not have it" for name in others]
    balances = None
    if plan.venue is not None:
        broker = broker_at(run.exchange, plan.venue, environ, now_ms)
        try:
            balances = await broker.balances()
        except VenueError as error:
            problems.append(str(error))
        finally:
            await broker.disconnect()
    return Preview(store=where, balances=balances, held=ours, problems=tuple(problems))

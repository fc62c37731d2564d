"""`btk broker test`: every call of a broker once."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Annotated

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.asking import asked, require_somebody
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.runs.broker_trial.desk import Step
    from backtestkit_cli.runs.trading.trial import Trial

_FAILED = 5


def try_broker(
    symbol: Annotated[str, typer.Argument(metavar="SYMBOL", help="The symbol that is traded, such as BTC/USDT.")],
    *,
    exchange: options.Exchange = None,
    send: Annotated[bool, typer.Option("--send", help="Really send the orders, of the least size there is.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --send, send without asking.")] = False,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Try each call of a venue's broker once: rules, balances, limit, amendment, market, exits, and back.

    Without --send only rules and price are asked for, which needs no keys, and no order is sent. With it the least
    that the venue takes is bought and sold, which costs fees and spread; whatever happens, also Ctrl-C, what rests is
    taken back and what was bought is sold, but for what is too little. Exit codes: 0 every step is as it should be, 2
    wrong input or no keys, 3 no price, 5 a step failed, or the venue was not reached.
    """
    import asyncio

    from backtestkit_cli.runs.trading.trial import assemble_trial

    if yes and not send:
        raise ConfigError("--yes is for --send: without it no order is sent")
    loaded = options.load(config, sets, {"exchange": exchange, "symbols": symbol, "data": data})
    if len(loaded.config.symbols) > 1:
        raise ConfigError(f"btk broker test: expected one symbol, found {len(loaded.config.symbols)}")
    trial = assemble_trial(loaded, loaded.config.symbols[0], is_dry=not send)
    if send and not yes and not _agreed(trial):
        console.say("nothing was sent")
        return
    steps = asyncio.run(_taken(trial, quiet=json))
    code = 0 if all(step.is_ok for step in steps) else _FAILED
    if json:
        told = [step._asdict() for step in steps]
        console.out(console.json_text({"exchange": trial.exchange, "symbol": trial.symbol, "steps": told}))
    elif not send:
        console.note("no order was sent: --send sends them")
    if code:
        failed = ", ".join(step.name for step in steps if not step.is_ok)
        console.error(f"{trial.exchange}: not as it should be: {failed}")
    raise typer.Exit(code)


def _agreed(trial: "Trial") -> bool:
    require_somebody("btk broker test --send", else_say="--yes sends without asking")
    console.say(f"real orders on {trial.exchange}: the least of {trial.symbol} is bought and sold")
    return asked("type send to begin:") == "send"


async def _taken(trial: "Trial", *, quiet: bool) -> "list[Step]":
    from backtestkit_cli.runs.trading.trial import trial_steps

    taken: list[Step] = []
    async with aclosing(trial_steps(trial)) as steps:
        async for step in steps:
            taken.append(step)
            if not quiet:
                console.out(step_line(step))
    return taken


def step_line(step: "Step") -> str:
    """Return *step* on one line: whether it is as it should be, its name, what was asked, and what came back."""
    verdict = "ok  " if step.is_ok else "FAIL"
    return f"{verdict} {console.one_line(f'{step.name}: {step.request}: {step.answer}')}"

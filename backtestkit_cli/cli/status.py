"""`btk status`: what bots hold, running or stopped, from another shell and without touching them."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.errors import UnknownNameError

if TYPE_CHECKING:
    from backtestkit_cli.runs.trading.held import HeldBot

_HEADINGS = (
    Heading("Symbol"),
    Heading("Strategy", rank=4),
    Heading("Holds"),
    Heading("Stop", is_number=True, rank=2),
    Heading("Target", is_number=True, rank=3),
    Heading("Since", rank=5),
    Heading("Trades", is_number=True, rank=6),
)


def status(
    *,
    mode: Annotated[
        str | None, typer.Option("--mode", metavar="MODE", help="Of this mode only: paper or live.")
    ] = None,
    exchange: Annotated[
        str | None, typer.Option("--exchange", metavar="NAME", help="Of this exchange only; all by default.")
    ] = None,
    config: options.Config = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Show what bots hold, running or stopped, from their saved state, and touch nothing.

    A bot is a mode on an exchange. Its state is as old as its newest tick, which is told. Without prices nothing is
    said of what is won or lost: the view of the bot itself has that. Exit codes: 0 done, 2 wrong input, 3 the saved
    state cannot be read.
    """
    import asyncio

    from backtestkit_cli.cli.status_document import document
    from backtestkit_cli.runs.sources import now_ms
    from backtestkit_cli.runs.trading.held import TRADING_MODES, all_bots

    if mode is not None and mode not in TRADING_MODES:
        raise UnknownNameError("mode", mode, TRADING_MODES, where="--mode")
    loaded = options.load(config, sets, {})
    stores, bots = asyncio.run(all_bots(loaded.config.store, os.environ, mode=mode, exchange=exchange))
    now = now_ms()
    if json:
        console.out(console.json_text({"stores": stores, "now": now, "bots": [document(bot, now) for bot in bots]}))
        return
    if not bots:
        console.out(f"{' and '.join(stores)}: no bot has saved anything here")
    for bot in bots:
        _show(bot, now)


def _show(bot: "HeldBot", now_ms: int) -> None:
    from backtestkit_cli.cli.status_lines import headline, notes, session_row

    console.out(headline(bot, now_ms))
    shown = [session for session in bot.sessions if not session.is_quiet]
    if shown:
        console.show_table(_HEADINGS, [[session_row(session) for session in shown]])
    quiet = len(bot.sessions) - len(shown)
    if quiet:
        console.out(f"{quiet:,} flat")
    for line in notes(bot, now_ms):
        console.note(line)
    console.out("")

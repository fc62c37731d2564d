"""What bots hold, in words."""

import platform
from collections.abc import Iterator

from backtestkit_cli.cli.trading_view import age_text, state_text
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.engine.memory import OpenOrder, SessionMemory, Stage
from backtestkit_cli.persistence.holders import Holder, Presence
from backtestkit_cli.reports.tables import price_text
from backtestkit_cli.runs.trading.held import HeldBot, HeldSession

STALE_MS = 3 * 60_000
"""A tick is a minute, and may be some seconds late: what is older than this is not the present."""


def headline(bot: HeldBot, now_ms: int) -> str:
    """Return which bot this is, whether it runs, and how old what is shown of it is."""
    told = "; ".join(map(_presence, bot.holders)) or "stopped"
    age = (
        "no tick yet"
        if bot.tick_ms is None
        else f"state of {utc_text(bot.tick_ms)}, {age_text(now_ms - bot.tick_ms)} ago"
    )
    run = [] if bot.run is None else [bot.run.run_id]
    return ", ".join([f"{bot.mode} on {bot.exchange}: {told}", age, *run])


def _presence(holder: Holder) -> str:
    who, since = f"pid {holder.pid}", utc_text(holder.since_ms)
    match holder.presence:
        case Presence.RUNNING:
            where = "" if holder.node == platform.node() else f" on {holder.node}"
            return f"running{where} ({who}, since {since})"
        case Presence.ELSEWHERE:
            return f"started on {holder.node} ({who}, at {since}), which cannot be looked at from here"
        case Presence.GONE:
            return f"stopped: it was killed ({who}, started {since})"


def session_row(session: HeldSession) -> list[str]:
    """Return the cells of *session*: symbol, strategy, what it holds, stop, target, since when, and closed trades."""
    memory = session.memory or SessionMemory()
    state = memory.state
    levels, since = ["", ""], ""
    if isinstance(state, Position):
        levels, since = [price_text(state.stop_loss), price_text(state.take_profit)], utc_text(state.opened_at_ms)
    elif state is not None:
        signal = state.signal
        levels, since = [price_text(signal.stop_loss), price_text(signal.take_profit)], utc_text(state.scheduled_at_ms)
    held = "cannot be read" if session.memory is None else state_text(state)
    return [session.symbol, session.strategy, held, *levels, since, f"{session.trades:,}"]


def notes(bot: HeldBot, now_ms: int) -> Iterator[str]:
    """Yield what has to be looked at, and what is not as it should be."""
    is_running = any(one.presence is Presence.RUNNING for one in bot.holders)
    if is_running and bot.tick_ms is not None and now_ms - bot.tick_ms > STALE_MS:
        yield f"it runs, but its newest tick is {age_text(now_ms - bot.tick_ms)} old: what is shown is not the present"
    if bot.stop is not None:
        until = "for good" if bot.stop.until_ms is None else f"until {utc_text(bot.stop.until_ms)}"
        yield f"stopped by the portfolio {until}: {bot.stop.rule}: {bot.stop.reason}"
    for session in bot.sessions:
        for line in _session_notes(session, now_ms):
            yield f"{session.symbol}, {session.strategy}: {line}"
    if bot.alerts:
        yield f"{counted(bot.alerts, 'alert')} not delivered yet"
    yield from bot.problems


def _session_notes(session: HeldSession, now_ms: int) -> Iterator[str]:
    memory = session.memory
    if memory is None:
        yield session.problem
        return
    if memory.blocked:
        yield f"blocked, nothing new is opened: {memory.blocked}"
    if memory.closing is not None:
        yield f"is being closed since {utc_text(memory.closing.at_ms)}: {memory.closing.reason.value}"
    for order in memory.orders:
        label = "order" if order.stage is Stage.RESTING else "order not settled"
        yield f"{label}: {order_text(order, now_ms)}"
    if memory.dust:
        yield f"dust of {price_text(memory.dust)}, too little to be sold"


def order_text(open_order: OpenOrder, now_ms: int) -> str:
    """Return what is asked for, how far that has got, and how old it is."""
    order = open_order.order
    limits = {"limit": order.price_limit, "stop": order.price_stop}
    prices = "".join(f" {name} {price_text(price)}" for name, price in limits.items() if price is not None)
    stage = "rests at the venue" if open_order.stage is Stage.RESTING else "was sent, and nothing is known of it"
    side = "buy" if order.is_buy else "sell"
    age = age_text(now_ms - open_order.sent_ms)
    return (
        f"{order.leg.name.lower()} {order.client_id}, {side} {price_text(order.quantity)}{prices}; {stage}, {age} old"
    )

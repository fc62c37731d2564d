"""What a row says of the facts that a venue, the way to it and the process make."""

from functools import singledispatch
from typing import Any

from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.plain_values import clean_text, finite
from backtestkit_cli.events.venue_facts import (
    ClockJumped,
    ConnectionLost,
    ConnectionRestored,
    EntriesAllowed,
    EntriesBlocked,
    OrderFilled,
    OrderRejected,
    OrderUnsettled,
    PositionAdjusted,
    PositionRestored,
    SessionRestarted,
)


@singledispatch
def venue_row(event: Event) -> dict[str, Any]:
    """Return what *event* has to say beside its kind, instant, strategy and symbol."""
    raise TypeError(f"no row is defined for {type(event).__name__}")


@venue_row.register
def _(event: OrderFilled) -> dict[str, Any]:
    fill = event.fill
    return {
        "client_id": event.client_id,
        "leg": event.leg.name.lower(),
        "is_buy": event.is_buy,
        "quantity": finite(fill.quantity),
        "price": finite(fill.price),
        "price_expected": finite(event.price_expected),
        "fee_quote": None if fill.fee_quote is None else finite(fill.fee_quote),
        "fee_base": finite(fill.fee_base),
    }


@venue_row.register
def _(event: OrderRejected) -> dict[str, Any]:
    return {"client_id": event.client_id, "leg": event.leg.name.lower(), "reason": clean_text(event.reason)}


@venue_row.register
def _(event: OrderUnsettled) -> dict[str, Any]:
    return {
        "client_id": event.client_id,
        "leg": event.leg.name.lower(),
        "reason": clean_text(event.reason),
        "attempts": event.attempts,
        "is_given_up": event.is_given_up,
    }


@venue_row.register
def _(event: PositionRestored) -> dict[str, Any]:
    position = event.position
    return {
        "signal_id": position.id,
        "side": position.side.value,
        "price_effective": finite(position.price_effective),
        "cost_left": finite(position.cost_left),
        "take_profit": finite(position.take_profit),
        "stop_loss": finite(position.stop_loss),
        "opened_at": position.opened_at_ms,
    }


@venue_row.register
def _(event: PositionAdjusted) -> dict[str, Any]:
    return {
        "quantity_before": finite(event.quantity_before),
        "quantity_after": finite(event.quantity_after),
        "explanation": clean_text(event.explanation),
    }


@venue_row.register
def _(event: EntriesBlocked) -> dict[str, Any]:
    return {"explanation": clean_text(event.explanation)}


@venue_row.register
def _(_: EntriesAllowed) -> dict[str, Any]:
    return {}


@venue_row.register
def _(event: ConnectionLost) -> dict[str, Any]:
    return {"reason": clean_text(event.reason)}


@venue_row.register(ConnectionRestored)
@venue_row.register(ClockJumped)
def _(event: ConnectionRestored | ClockJumped) -> dict[str, Any]:
    return {"seconds": finite(event.seconds)}


@venue_row.register
def _(event: SessionRestarted) -> dict[str, Any]:
    return {"error": clean_text(event.error)}

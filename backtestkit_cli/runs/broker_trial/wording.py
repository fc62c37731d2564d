"""What is asked and answered, in words."""

from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    Fill,
    Gone,
    OrderKind,
    Rejected,
    Transient,
    VenueOrder,
    VenueRules,
)


def rules_text(rules: VenueRules) -> str:
    """Return what *rules* demand."""
    least = f"at least {rules.min_quantity:.12g} {rules.base} and {rules.min_cost:.12g} {rules.quote}"
    exits = "exits rest at the venue" if rules.rests_exits else "exits are watched by the engine"
    return f"{least}, in steps of {rules.quantity_step:.12g}; {exits}"


def order_text(order: VenueOrder, rules: VenueRules) -> str:
    """Return what *order* asks for, in words."""
    what = f"{'buy' if order.is_buy else 'sell'} {order.quantity:.12g} {rules.base}"
    where = {
        OrderKind.MARKET: "at the market",
        OrderKind.LIMIT: f"at {_number(order.price_limit)}",
        OrderKind.EXITS: f"at the stop {_number(order.price_stop)} or the target {_number(order.price_limit)}",
    }
    return f"{what} {where[order.kind]} as {order.client_id}"


def answer_text(answer: Answer, rules: VenueRules) -> str:
    """Return what *answer* says, in words."""
    match answer:
        case Confirmed():
            text = f"{answer.state}, venue id {answer.venue_id}"
            return f"{text}, {_fill_text(answer.fill, rules)}" if answer.fill else text
        case Rejected():
            return f"rejected ({answer.kind}): {answer.reason}"
        case Gone():
            return f"gone: {answer.reason}"
        case Transient():
            return f"no answer, {'may have arrived' if answer.may_have_arrived else 'not sent'}: {answer.reason}"


def _fill_text(fill: Fill, rules: VenueRules) -> str:
    fees = [] if fill.fee_quote is None else [f"{fill.fee_quote:.8g} {rules.quote}"]
    fees += [f"{fill.fee_base:.8g} {rules.base}"] if fill.fee_base else []
    return f"{fill.quantity:.12g} at {fill.price:.10g}, fees {' and '.join(fees) or 'as the settings state'}"


def _number(price: float | None) -> str:
    return "none" if price is None else f"{price:.10g}"

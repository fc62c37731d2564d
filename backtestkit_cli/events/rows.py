"""Events as plain rows, ready for JSON: the same keys in the same order for the same kind of event."""

from collections.abc import Iterable, Iterator
from functools import singledispatch
from typing import Any, TypeAlias

from backtestkit_cli.domain.order import is_order
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.events.facts import (
    CommandRefused,
    ErrorOccurred,
    Event,
    JobRan,
    LossLevelReached,
    PortfolioStopped,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    SignalCancelled,
    SignalInvalid,
    SignalRefused,
    SignalScheduled,
    StopMoved,
    TargetMoved,
)
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.plain_values import Plain, clean_text, finite, plain
from backtestkit_cli.events.venue_rows import venue_row

EventRow: TypeAlias = dict[str, Any]
"""Plain values: text, numbers, booleans, None, a list of texts, or a mapping of such."""


def event_rows(events: Iterable[Event]) -> Iterator[EventRow]:
    """Yield a row an event, in the given order."""
    return map(event_row, events)


def event_row(event: Event) -> EventRow:
    """Return `event` (its kind), `at` (Unix ms), `strategy` and `symbol`, then what its kind has to say.

    Prices are before slippage, `_cost` and `_quote` are quote money. A number that is not finite is null.
    The traceback of an error stays out: it names places on this machine only.
    """
    head: EventRow = {
        "event": event_kind(type(event)),
        "at": event.at_ms,
        "strategy": clean_text(event.strategy),
        "symbol": clean_text(event.symbol),
    }
    return head | _facts(event)


@singledispatch
def _facts(event: Event) -> EventRow:
    return venue_row(event)


@_facts.register
def _(event: SignalScheduled) -> EventRow:
    return {
        "signal_id": event.signal_id,
        "side": event.side.value,
        "price_open": finite(event.price_open),
        **_wish(event.signal),
    }


@_facts.register
def _(event: SignalInvalid) -> EventRow:
    signal = event.signal
    wish: Plain | dict[str, Plain] = plain(signal)
    if isinstance(signal, Signal):
        wish = {"position": plain(signal.position), "price_open": plain(signal.price_open), **_wish(signal)}
    return {
        "price": finite(event.price),
        "problems": [clean_text(problem) for problem in event.problems],
        "signal": wish,
    }


def _wish(signal: Signal) -> dict[str, Plain]:
    return {
        "take_profit": plain(signal.take_profit),
        "stop_loss": plain(signal.stop_loss),
        "minutes": plain(signal.minutes),
        "cost": plain(signal.cost),
        "note": clean_text(signal.note),
        **_order(signal),
    }


def _order(signal: Signal) -> dict[str, Plain]:
    """Return the entry order and its flags where *signal* has them: the rows of all others have no such keys."""
    entry = signal.entry
    row: dict[str, Plain] = {}
    if is_order(entry):
        row = {"order": clean_text(entry.kind)}
        row |= {f"order_{name}": plain(price) for name, price in entry.levels().items()}
    elif entry is not None:
        row = {"order": plain(entry)}
    flags = {"post_only": signal.post_only, "reduce_only": signal.reduce_only}
    return row | {name: plain(flag) for name, flag in flags.items() if flag is not False}


@_facts.register
def _(event: SignalCancelled) -> EventRow:
    return {"signal_id": event.signal_id, "reason": event.reason.value}


@_facts.register
def _(event: PositionOpened) -> EventRow:
    position = event.position
    return {
        "signal_id": position.id,
        "side": position.side.value,
        "price": finite(event.price),
        "cost": finite(position.entries[0].cost),
        "take_profit": finite(position.take_profit),
        "stop_loss": finite(position.stop_loss),
        "minutes": plain(position.minutes),
        "scheduled_at": position.scheduled_at_ms,
        "note": clean_text(position.note),
        **dict.fromkeys(event.flags, True),
    }


@_facts.register
def _(event: PositionAveraged) -> EventRow:
    position = event.position
    return {
        "signal_id": position.id,
        "side": position.side.value,
        "price": finite(event.price),
        "cost": finite(event.cost),
        "price_effective": finite(position.price_effective),
        "cost_left": finite(position.cost_left),
        "entries": len(position.entries),
    }


@_facts.register
def _(event: PositionReduced) -> EventRow:
    position = event.position
    return {
        "signal_id": position.id,
        "side": position.side.value,
        "price": finite(event.price),
        "percent": finite(event.percent),
        "price_effective": finite(position.price_effective),
        "cost_left": finite(position.cost_left),
        "realised_quote": finite(position.realised.net),
        "partials": len(position.partials),
    }


@_facts.register
def _(event: SignalRefused) -> EventRow:
    return {
        "signal_id": event.signal_id,
        "stage": event.stage.value,
        "profile": clean_text(event.profile),
        "rule": clean_text(event.rule),
        "reason": clean_text(event.reason),
        "side": plain(event.signal.position),
        "price": finite(event.price),
        "cost": plain(event.signal.cost),
    }


@_facts.register
def _(event: StopMoved) -> EventRow:
    return _moved(event) | {"stop_loss": finite(event.stop_loss)}


@_facts.register
def _(event: TargetMoved) -> EventRow:
    return _moved(event) | {"take_profit": finite(event.take_profit)}


def _moved(event: StopMoved | TargetMoved) -> EventRow:
    return {
        "signal_id": event.position.id,
        "side": event.position.side.value,
        "price": finite(event.price),
        "by": event.by.value,
    }


@_facts.register(ProfitLevelReached)
@_facts.register(LossLevelReached)
def _(event: ProfitLevelReached | LossLevelReached) -> EventRow:
    return {
        "signal_id": event.position.id,
        "side": event.position.side.value,
        "price": finite(event.price),
        "level": event.level,
        "percent": finite(event.percent),
        "price_effective": finite(event.position.price_effective),
    }


@_facts.register
def _(event: PortfolioStopped) -> EventRow:
    return {
        "rule": event.rule,
        "action": event.action.value,
        "equity": finite(event.equity),
        "limit": finite(event.limit),
        "until": event.until_ms,
    }


@_facts.register
def _(event: CommandRefused) -> EventRow:
    return {
        "command": event.command,
        "price": finite(event.price),
        "argument": plain(event.argument),
        "problem": clean_text(event.problem),
    }


@_facts.register
def _(event: PositionClosed) -> EventRow:
    trade = event.trade
    return {
        "signal_id": trade.id,
        "side": trade.side.value,
        "reason": trade.reason.value,
        "price": finite(trade.price_close),
        "price_open": finite(trade.price_open),
        "price_effective": finite(trade.price_effective),
        "invested": finite(trade.invested),
        "pnl_pct": finite(trade.pnl_pct),
        "pnl_cost": finite(trade.pnl_cost),
        "gross_quote": finite(trade.gain.gross),
        "slippage_quote": finite(trade.gain.slippage),
        "fee_quote": finite(trade.gain.fee),
        "scheduled_at": trade.scheduled_at_ms,
        "opened_at": trade.opened_at_ms,
        "note": clean_text(trade.note),
    }


@_facts.register
def _(event: ErrorOccurred) -> EventRow:
    return {"source": clean_text(event.source), "error": clean_text(event.error)}


@_facts.register
def _(event: JobRan) -> EventRow:
    return {"job": clean_text(event.job)}

"""Events as one line that a person understands without a context around it."""

import math

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.events.facts import Event, PositionAveraged, PositionClosed, PositionOpened, PositionReduced
from backtestkit_cli.events.lines import line_of

_DIGITS = 8


def sentence(event: Event, mode: str, exchange: str) -> str:
    """Return what happened, to what, and in brackets where: strategy, mode and exchange."""
    where = ", ".join(filter(None, (event.strategy, mode, exchange)))
    return f"{' '.join(f'{event.symbol} {_told(event)}'.split())} ({where})"


def dropped_text(count: int) -> str:
    """Return the notice of *count* messages that nobody will read."""
    return f"({counted(count, 'message')} before this {'was' if count == 1 else 'were'} dropped)"


def price_text(price: float) -> str:
    """Return *price* with eight digits that count and without idle zeros: `64,250.10`, `62,000`, `0.00001234`."""
    if not math.isfinite(price):
        return "N/A"
    if price == round(price):
        return f"{price:,.0f}"
    whole_digits = math.floor(math.log10(abs(price))) + 1
    text = f"{price:,.{max(2, _DIGITS - whole_digits)}f}".rstrip("0")
    decimals = len(text.partition(".")[2])
    return text + "0" * (2 - decimals)


def _told(event: Event) -> str:
    match event:
        case PositionOpened(price=price, position=position):
            return (
                f"{position.side.value} opened at {price_text(price)} for {position.invested:,.2f},"
                f" stop {price_text(position.stop_loss)}, target {price_text(position.take_profit)}"
            )
        case PositionAveraged(price=price, cost=cost, position=position):
            effective = price_text(position.price_effective)
            return f"{position.side.value} averaged at {price_text(price)} for {cost:,.2f}, now at {effective}"
        case PositionReduced(price=price, percent=percent, position=position):
            left = f"{position.cost_left:,.2f} left"
            return f"{position.side.value} reduced by {percent:g} % at {price_text(price)}, {left}"
        case PositionClosed(trade=trade):
            minutes = (trade.closed_at_ms - trade.opened_at_ms) // MINUTE_MS
            result = f"{trade.pnl_pct:+.2f} % ({trade.pnl_cost:+,.2f}) after {_duration(minutes)}"
            reason = trade.reason.value.replace("_", " ")
            return f"{trade.side.value} closed at {price_text(trade.price_close)}, {result}: {reason}"
        case _:
            return line_of(event)


def _duration(minutes: int) -> str:
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"

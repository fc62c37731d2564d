"""The candles that a run keeps for its pictures: few enough for one page, whatever its length and its symbols."""

from typing import Final

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import COLUMNS, Candles
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.runs.plan import RunPlan

CHART_CANDLES: Final = 100_000
"""So many candles a run keeps at most, all symbols together; 9 symbols over 27 days are 70,000 of 5 minutes."""

_INTERVALS: Final = ("1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "1d")


def chart_interval(plan: RunPlan) -> str:
    """Return the shortest interval in which all symbols of *plan* keep at most `CHART_CANDLES`; a day, if none is."""
    return fitting_interval((plan.start_ms, plan.end_ms), len(plan.symbols))


def fitting_interval(span: Span, symbols: int) -> str:
    """Return the shortest interval in which so many *symbols* have at most `CHART_CANDLES` in *span*, or a day."""
    start_ms, end_ms = span
    minutes_ms = (end_ms - start_ms) * symbols
    fitting = (interval for interval in _INTERVALS if minutes_ms // interval_ms(interval) <= CHART_CANDLES)
    return next(fitting, _INTERVALS[-1])


def chart_candles(minutes: Candles, plan: RunPlan) -> Candles:
    """Return the candles of the frame of *plan* from *minutes* of one symbol, in its chart interval, as a copy."""
    return candles_of(minutes, (plan.start_ms, plan.end_ms), plan.chart_interval or chart_interval(plan))


def candles_of(minutes: Candles, span: Span, interval: str) -> Candles:
    """Return the candles of *interval* that lie whole in *span*, from *minutes* of one symbol, as a copy."""
    inside = minutes.between(*span)
    length_ms = interval_ms(interval)
    if length_ms == MINUTE_MS:
        return Candles.frozen(*(getattr(inside, name).copy() for name in COLUMNS))
    return aggregated(inside, length_ms, MINUTE_MS)

"""What differs between two runs of the same days, figure by figure, and whether chance alone might do that.

Trades are counted on the day (UTC) on which they closed; a day ends with its midnight. The interval of a difference
comes from resampled days, as `resampling` says. A drawdown has none: it depends on the order of the days, which
a sample does not keep.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import numpy as np

from backtestkit_cli.analytics.resampling import FEWEST_DAYS, RESAMPLES, Interval, Resampling, sample_deviation
from backtestkit_cli.analytics.trade_columns import Times, TradeColumns
from backtestkit_cli.analytics.trade_figures import figures_of
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import DAY_MS

Values: TypeAlias = Mapping[str, float | None]
Samples: TypeAlias = Mapping[str, Floats]

TRADE_FIGURES: Final = (
    "trades",
    "win_rate_pct",
    "avg_pnl_pct",
    "total_pnl_pct",
    "sharpe_ratio",
    "profit_factor",
    "expectancy_pct",
    "max_drawdown_pct",
    "net_quote",
    "costs_quote",
)
"""The figures that are compared, named as in `TradeFigures`."""

ORDER_MATTERS: Final = "the order of days matters"
UNDEFINED: Final = "undefined in a run"
UNDEFINED_IN_SAMPLES: Final = "undefined in too many samples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """One figure of both runs; `delta` = `b` - `a`, None where one of them is undefined.

    `interval` is where `delta` lies with 95 % confidence; where there is none, `why` says the reason.
    """

    name: str
    a: float | None
    b: float | None
    delta: float | None
    interval: Interval | None = None
    why: str = ""

    @property
    def is_significant(self) -> bool:
        """Say whether the interval excludes 0."""
        return self.interval is not None and self.interval.excludes_zero


def compare_trades(
    a: TradeColumns, b: TradeColumns, *, start_ms: int, end_ms: int, seed: int, samples: int = RESAMPLES
) -> tuple[Delta, ...]:
    """Return `TRADE_FIGURES` of both, their differences and the intervals of these.

    Args:
        a: Trades that closed from *start_ms* to *end_ms*, by closing time.
        b: Those of the other run.
        start_ms: When the days begin that both runs saw.
        end_ms: When they end.
        seed: What the resampling begins with.
        samples: How many are drawn.
    """
    first = start_ms // DAY_MS
    days = max(0, (end_ms - 1) // DAY_MS - first + 1)
    on_day_a, on_day_b = (_days_of(trades, first, days) for trades in (a, b))
    why = _too_few(days, len(np.union1d(on_day_a, on_day_b)))
    found = deltas(trade_values(a), trade_values(b), why)
    if why:
        return found
    drawn = Resampling.of(days, seed, samples)
    return with_intervals(found, drawn, _sampled(a, on_day_a, drawn), _sampled(b, on_day_b, drawn))


def deltas(a: Values, b: Values, why: str) -> tuple[Delta, ...]:
    """Return the difference of each figure of *a* and *b*, which have the same; *why* says why without intervals."""
    return tuple(_delta(name, value, b[name], why) for name, value in a.items())


def with_intervals(found: Iterable[Delta], drawn: Resampling, in_a: Samples, in_b: Samples) -> tuple[Delta, ...]:
    """Return *found* with intervals, from what each figure is *in_a* and *in_b* for each of the *drawn* samples.

    A figure that is not among them depends on the order of the days.
    """
    return tuple(_with_interval(one, drawn, in_a, in_b) for one in found)


def _delta(name: str, a: float | None, b: float | None, why: str) -> Delta:
    if a is None or b is None or not math.isfinite(b - a):
        return Delta(name=name, a=a, b=b, delta=None, why=UNDEFINED)
    return Delta(name=name, a=a, b=b, delta=b - a, why=why)


def _with_interval(found: Delta, drawn: Resampling, in_a: Samples, in_b: Samples) -> Delta:
    if found.delta is None:
        return found
    if found.name not in in_a:
        return replace(found, why=ORDER_MATTERS)
    with np.errstate(invalid="ignore"):
        interval = drawn.interval(in_b[found.name] - in_a[found.name])
    return replace(found, interval=interval, why=UNDEFINED_IN_SAMPLES if interval is None else "")


def trade_values(trades: TradeColumns) -> dict[str, float | None]:
    """Return `TRADE_FIGURES` of *trades*; without trades money is 0 and every other figure undefined."""
    figures = figures_of(trades)
    values: dict[str, float | None] = {name: getattr(figures, name) for name in TRADE_FIGURES}
    if not len(trades):
        values |= dict.fromkeys(("net_quote", "costs_quote"), 0.0)
    return values


def _too_few(days: int, traded: int) -> str:
    if days < FEWEST_DAYS:
        return f"{days} days are too few, {FEWEST_DAYS} are needed"
    if traded < FEWEST_DAYS:
        return f"trades on {traded} days only, {FEWEST_DAYS} are needed"
    return ""


def _days_of(trades: TradeColumns, first: int, days: int) -> Times:
    days_before: Times = np.clip((trades.closed_at_ms - 1) // DAY_MS - first, 0, max(0, days - 1))
    return days_before


def _sampled(trades: TradeColumns, on_day: Times, drawn: Resampling) -> Samples:
    """Return the figures of *trades* in each sample, from sums by day; NaN where one is undefined."""
    pnl = trades.pnl_pct
    with np.errstate(all="ignore"):
        from_mean = pnl - pnl.mean() if len(pnl) else pnl
        columns = (
            np.ones(len(pnl)),
            pnl > 0,
            np.maximum(pnl, 0.0),
            np.minimum(pnl, 0.0),
            from_mean,
            from_mean**2,
            trades.net_quote,
            trades.slippage_quote + trades.fee_quote,
        )
        days = drawn.weights.shape[1]
        by_day = np.stack([np.bincount(on_day, column, minlength=days) for column in columns], axis=1)
        count, wins, won, lost, off, squares, net, costs = drawn.sums(by_day.astype(np.float64)).T
        total = won + lost
        average = total / count
        return {
            "trades": count,
            "win_rate_pct": 100 * wins / count,
            "avg_pnl_pct": average,
            "total_pnl_pct": total,
            "sharpe_ratio": average / sample_deviation(count, off, squares),
            "profit_factor": won / -lost,
            "expectancy_pct": average,
            "net_quote": net,
            "costs_quote": costs,
        }

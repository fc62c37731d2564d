"""The report of how long a run took: its work by kind, counted and timed."""

from dataclasses import dataclass

from backtestkit_cli.analytics.outcome import Timing
from backtestkit_cli.analytics.timings import ENTRIES, FIRST_TIMED, GET_SIGNAL, HANDLER, JOB, LOAD, RUN, STRIDE
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import Summary, document, summary_table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import NOT_AVAILABLE

_TITLES = ("Metric", "Count", "Total", "Avg", "Min", "Max", "Deviation", "P95", "P99")
_MEANINGS = {
    RUN: "the run from its plan to its outcome, for all strategies, without its reports",
    LOAD: "the candles of a symbol; symbols load side by side, so their total may exceed that of the run",
    ENTRIES: "the table of entries of a batch strategy for a symbol",
    GET_SIGNAL: "a call of `get_signal`, with the indicators that it is the first to read",
    HANDLER: "a call of a callback or listener, with its filter, for what happened to this strategy or to none",
    JOB: "a call of a job",
}
_SAMPLED = (
    f"All calls are counted. Of each session the first {FIRST_TIMED} are timed and then one in {STRIDE}, which stands"
    " for those between: a longer one may have been among them, and a total marked ≈ is an estimate that may exceed the"
    " run. Times are of the wall clock, with what is waited for"
    " and with whatever else the machine did; they differ from run to run. Deviation is that of a sample (n-1),"
    " percentiles are nearest ranks."
)
_ESTIMATED = (
    f"≈ is estimated from samples, the first {FIRST_TIMED} calls of a session and then one in {STRIDE}: it may exceed"
    " the run"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Performance:
    """How long the work of a run took, in the order of the metrics."""

    timings: tuple[Timing, ...]


def get_data(record: RunRecord, strategy: str | None = None) -> Performance:
    """Return the times of *strategy* and of what belongs to no strategy, or all times."""
    shown = {one.strategy for one in record.timings} if strategy is None else {"", strategy}
    return Performance(timings=tuple(one for one in record.timings if one.strategy in shown))


def get_report(record: RunRecord, strategy: str) -> str | None:
    """Return the report of *strategy*, None where nothing was timed.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Performance")
    data = get_data(record, strategy)
    if not data.timings:
        return None
    metrics = {timing.metric: None for timing in data.timings}
    meanings = "\n".join(f"* {metric}: {_MEANINGS[metric]}" for metric in metrics)
    return document([blocks, ["## Times", summary_table(summary(data)), meanings, _SAMPLED]])


def summary(data: Performance) -> Summary:
    """Return the times of each metric."""
    rows = [_cells(timing) for timing in data.timings]
    note = _ESTIMATED if any(timing.is_estimated for timing in data.timings) else ""
    return Summary(_TITLES, rows, spare=("Min", "Deviation", "Total"), note=note)


def _cells(timing: Timing) -> tuple[str, ...]:
    times_ms = (
        timing.avg_ms,
        timing.min_ms,
        timing.max_ms,
        timing.deviation_ms,
        timing.p95_ms,
        timing.p99_ms,
    )
    total = f"{'≈ ' if timing.is_estimated else ''}{_time_text(timing.total_ms)}"
    return timing.metric, f"{timing.count:,}", total, *map(_time_text, times_ms)


def _time_text(took_ms: float | None) -> str:
    """Return *took_ms* in the unit that it reads best in: `12.34 µs`, `1.50 ms`, `61.20 s`."""
    if took_ms is None:
        return NOT_AVAILABLE
    if took_ms < 1:
        return f"{took_ms * 1000:.2f} µs"
    return f"{took_ms:.2f} ms" if took_ms < 1000 else f"{took_ms / 1000:,.2f} s"

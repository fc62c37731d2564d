"""The report of partial levels: how many positions reached each, and the latest of them."""

from backtestkit_cli.analytics.partials import LEVEL_KINDS, PartialRow, PartialStatistics, partial_statistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import Summary, document, escaped, latest, summary_table, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import price_text

_TITLES = ("Time (UTC)", "Action", "Symbol", "Signal", "Position", "Level", "Price", "Mode")


def get_data(record: RunRecord, strategy: str | None = None) -> PartialStatistics:
    """Return the numbers that the report shows, of *strategy* or of all."""
    return partial_statistics(record.event_rows(*LEVEL_KINDS, strategy=strategy), record.facts.mode)


def get_report(record: RunRecord, strategy: str) -> str | None:
    """Return the report of *strategy*, None where no position reached a level.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Partial levels")
    data = get_data(record, strategy)
    if not data.rows:
        return None
    shown, text = latest(data.rows, record.run_id)
    events = table(_TITLES, [_cells(row) for row in shown], right={5, 6})
    return document([blocks, ["## Levels", _total(data), summary_table(summary(data))], ["## Events", text, events]])


def _total(data: PartialStatistics) -> str:
    return (
        f"{data.total_events:,} events: {data.profit_events:,} in profit, {data.loss_events:,} in loss."
        " A position reaches each level at most once on either side."
    )


def summary(data: PartialStatistics) -> Summary:
    """Return how many positions reached each level."""
    levels = sorted(data.profit_levels.keys() | data.loss_levels.keys())
    rows = [
        (f"{level} %", f"{data.profit_levels.get(level, 0):,}", f"{data.loss_levels.get(level, 0):,}")
        for level in levels
    ]
    total = ("Total", f"{data.profit_events:,}", f"{data.loss_events:,}")
    return Summary(("Level", "In profit", "In loss"), rows, total)


def _cells(row: PartialRow) -> tuple[str, ...]:
    return (
        utc_text(row.timestamp),
        row.action.value,
        escaped(row.symbol),
        f"`{row.signal_id}`",
        row.position.value,
        f"{row.level} %",
        price_text(row.price),
        escaped(row.mode),
    )

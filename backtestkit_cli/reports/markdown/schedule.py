"""The report of signals that waited for their price: how many opened, how many did not, and the latest of them."""

from backtestkit_cli.analytics.schedule import SCHEDULE_KINDS, ScheduleRow, ScheduleStatistics, schedule_statistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import Summary, document, escaped, latest, summary_table, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import Unit, number_text, price_text

_TITLES = (
    *("Time (UTC)", "Action", "Symbol", "Signal", "Position", "Note"),
    *("Price", "Take profit", "Stop loss", "Waited (min)", "Reason"),
)
_LEGEND = (
    "A signal waits from the tick at which it is scheduled until its entry order is filled or it is cancelled; signals"
    " that opened at once are not among them."
)


def get_data(record: RunRecord, strategy: str | None = None) -> ScheduleStatistics:
    """Return the numbers that the report shows, of *strategy* or of all."""
    return schedule_statistics(record.event_rows(*SCHEDULE_KINDS, strategy=strategy))


def get_report(record: RunRecord, strategy: str) -> str | None:
    """Return the report of *strategy*, None where no signal waited.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Schedule")
    data = get_data(record, strategy)
    if not data.rows:
        return None
    shown, text = latest(data.rows, record.run_id)
    events = table(_TITLES, [_cells(row) for row in shown], right={6, 7, 8, 9})
    return document([blocks, ["## Results", summary_table(summary(data)), _LEGEND], ["## Events", text, events]])


def summary(data: ScheduleStatistics) -> Summary:
    """Return how many signals waited, and what became of them."""
    rows = [
        ("Scheduled", f"{data.scheduled:,}"),
        ("Opened", f"{data.opened:,}"),
        ("Cancelled", f"{data.cancelled:,}"),
        *((f"Cancelled: {reason}", f"{count:,}") for reason, count in data.by_reason.items()),
        ("Cancellation rate", number_text(data.cancellation_rate_pct, Unit.SHARE)),
        ("Activation rate", number_text(data.activation_rate_pct, Unit.SHARE)),
        ("Average wait of the cancelled, minutes", number_text(data.avg_wait_cancelled_minutes, Unit.RATIO)),
        ("Average wait of the opened, minutes", number_text(data.avg_wait_opened_minutes, Unit.RATIO)),
    ]
    return Summary(("Figure", "Value"), rows)


def _cells(row: ScheduleRow) -> tuple[str, ...]:
    return (
        utc_text(row.timestamp),
        row.action.value,
        escaped(row.symbol),
        f"`{row.signal_id}`",
        escaped(row.position),
        escaped(row.note),
        price_text(row.price_open),
        price_text(row.take_profit),
        price_text(row.stop_loss),
        "" if row.minutes is None else f"{row.minutes:g}",
        row.reason or "",
    )

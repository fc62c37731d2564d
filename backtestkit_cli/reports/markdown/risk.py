"""The report of refused signals: how many each rule refused, and the latest of them."""

from collections.abc import Mapping
from typing import Any

from backtestkit_cli.analytics.refusals import INVALID, REFUSED, RefusalStatistics, refusal_statistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import Summary, document, escaped, latest, summary_table, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import price_text

_TITLES = ("Time (UTC)", "Symbol", "Side", "Price", "Stage", "Profile", "Rule", "Reason")
_STAGES = (
    "A signal is judged as it appears, and one that waited again as it would open; it counts for the first rule that"
    " refused it. The profiles `portfolio` and `sizing` are the account and the sizing."
)


def get_data(record: RunRecord, strategy: str | None = None) -> RefusalStatistics:
    """Return the numbers that the report shows, of *strategy* or of all."""
    return refusal_statistics(record.event_rows(REFUSED, INVALID, strategy=strategy))


def get_report(record: RunRecord, strategy: str) -> str | None:
    """Return the report of *strategy*, None where no signal was refused.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(record, strategy, "Risk")
    data = get_data(record, strategy)
    if not data.refused:
        return None
    shown, text = latest(data.refused, record.run_id)
    events = table(_TITLES, [_cells(row) for row in shown], right={3})
    return document([blocks, ["## Rules", summary_table(summary(data)), _STAGES], ["## Refused signals", text, events]])


def summary(data: RefusalStatistics) -> Summary:
    """Return how many signals each rule refused."""
    rows = [(row.profile, row.rule, f"{row.appears:,}", f"{row.opens:,}", f"{row.total:,}") for row in data.by_rule]
    sums = (sum(row.appears for row in data.by_rule), sum(row.opens for row in data.by_rule), len(data.refused))
    total = ("Total", "", *(f"{number:,}" for number in sums))
    return Summary(("Profile", "Rule", "As it appeared", "As it would open", "Total"), rows, total, texts=2)


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        utc_text(row["at"]),
        escaped(row["symbol"]),
        escaped(row["side"]),
        price_text(row["price"]),
        row["stage"],
        escaped(row["profile"]),
        escaped(row["rule"]),
        escaped(row["reason"]),
    )

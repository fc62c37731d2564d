"""The report of refused signals: how many each rule refused, and the latest of them."""

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.refusals import RefusalStatistics, refusal_statistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.events.facts import SignalRefused
from backtestkit_cli.reports.markdown.head import head
from backtestkit_cli.reports.markdown.text import document, escaped, latest, table
from backtestkit_cli.reports.tables import price_text

_TITLES = ("Time (UTC)", "Symbol", "Side", "Price", "Stage", "Profile", "Rule", "Reason")
_STAGES = (
    "A signal is judged as it appears, and one that waited again as it would open; it counts for the first rule that"
    " refused it. The profiles `portfolio` and `sizing` are the account and the sizing."
)


def get_data(outcome: RunOutcome, strategy: str) -> RefusalStatistics:
    """Return the numbers that the report shows."""
    return refusal_statistics(outcome, strategy)


def get_report(outcome: RunOutcome, strategy: str) -> str | None:
    """Return the report of *strategy*, None where no signal was refused.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    blocks = head(outcome, strategy, "Risk")
    data = get_data(outcome, strategy)
    if not data.refused:
        return None
    shown, text = latest(data.refused, outcome.facts.run_id)
    events = table(_TITLES, [_cells(event) for event in shown], right={3})
    return document([blocks, ["## Rules", _counts(data), _STAGES], ["## Refused signals", text, events]])


def _counts(data: RefusalStatistics) -> str:
    rows = [
        (escaped(row.profile), escaped(row.rule), f"{row.appears:,}", f"{row.opens:,}", f"{row.total:,}")
        for row in data.by_rule
    ]
    sums = (sum(row.appears for row in data.by_rule), sum(row.opens for row in data.by_rule), len(data.refused))
    total = ["**Total**", "", *(f"**{number:,}**" for number in sums)]
    return table(("Profile", "Rule", "As it appeared", "As it would open", "Total"), [*rows, total], right={2, 3, 4})


def _cells(event: SignalRefused) -> tuple[str, ...]:
    return (
        utc_text(event.at_ms),
        escaped(event.symbol),
        escaped(event.signal.position),
        price_text(event.price),
        event.stage.value,
        escaped(event.profile),
        escaped(event.rule),
        escaped(event.reason),
    )

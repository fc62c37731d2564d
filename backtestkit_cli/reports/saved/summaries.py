"""What the account, the risk rules and the partial levels of a run come to, as plain values ready for JSON."""

from dataclasses import asdict
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.partials import PartialStatistics
from backtestkit_cli.analytics.refusals import RefusalStatistics
from backtestkit_cli.events.facts import PortfolioStopped
from backtestkit_cli.events.plain_values import finite
from backtestkit_cli.events.rows import event_row


def account_summary(outcome: RunOutcome) -> dict[str, Any] | None:
    """Return how the account ended, None without a portfolio; money is quote money, `stops` are rows of events.

    `stopped` is the last of them. It says whether the run was ended: its `until` is null then.
    """
    account = outcome.account
    if account is None:
        return None
    numbers = {name: value for name, value in asdict(account).items() if name != "stopped"}
    return {
        **{name: finite(value) for name, value in numbers.items()},
        "return_pct": finite(account.return_pct),
        "stopped": None if account.stopped is None else event_row(account.stopped),
        "stops": [event_row(event) for event in outcome.events if isinstance(event, PortfolioStopped)],
    }


def refusals_summary(statistics: RefusalStatistics) -> dict[str, Any]:
    """Return the refused signals by profile and rule, and the invalid ones by problem, most frequent first.

    `appears` and `opens` are the stages at which a signal was refused, `total` is both.
    """
    return {
        "total": len(statistics.refused),
        "rules": [row._asdict() | {"total": row.total} for row in statistics.by_rule],
        "invalid_signals": statistics.invalid_signals,
        "problems": [row._asdict() for row in statistics.by_problem],
    }


def partials_summary(statistics: PartialStatistics) -> dict[str, Any]:
    """Return how often partial levels were reached; the maps are from a level in percent to a count."""
    return {
        "total_events": statistics.total_events,
        "profit_events": statistics.profit_events,
        "loss_events": statistics.loss_events,
        "profit_levels": {str(level): count for level, count in statistics.profit_levels.items()},
        "loss_levels": {str(level): count for level, count in statistics.loss_levels.items()},
    }

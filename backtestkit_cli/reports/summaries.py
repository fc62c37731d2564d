"""What the account, the risk rules and the partial levels of a run come to, as plain values ready for JSON."""

from dataclasses import asdict
from typing import Any

from backtestkit_cli.analytics.account import portfolio_stops
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.partials import partial_statistics
from backtestkit_cli.analytics.refusals import refusal_statistics
from backtestkit_cli.reports.event_rows import clean_text, event_row, finite


def account_summary(outcome: RunOutcome) -> dict[str, Any] | None:
    """Return how the account ended, None without a portfolio; money is quote money, `stops` are rows of events.

    `stopped` is the last of them. It says whether the run was ended: its `until` is null then.
    """
    account = outcome.account
    if account is None:
        return None
    numbers = {name: value for name, value in asdict(account).items() if name != "stopped"}
    stops = [event_row(stop) for stop in portfolio_stops(outcome)]
    return {
        **{name: finite(value) for name, value in numbers.items()},
        "return_pct": finite(account.return_pct),
        "stopped": None if account.stopped is None else event_row(account.stopped),
        "stops": stops,
    }


def refusals_summary(outcome: RunOutcome, strategy: str | None = None) -> dict[str, Any]:
    """Return the refused signals by profile and rule, and the invalid ones by problem, most frequent first.

    `appears` and `opens` are the stages at which a signal was refused, `total` is both.
    """
    statistics = refusal_statistics(outcome, strategy)
    return {
        "total": len(statistics.refused),
        "rules": [
            {
                "profile": clean_text(row.profile),
                "rule": clean_text(row.rule),
                "appears": row.appears,
                "opens": row.opens,
                "total": row.total,
            }
            for row in statistics.by_rule
        ],
        "invalid_signals": statistics.invalid_signals,
        "problems": [{"problem": clean_text(row.problem), "signals": row.signals} for row in statistics.by_problem],
    }


def partials_summary(outcome: RunOutcome, strategy: str | None = None) -> dict[str, Any]:
    """Return how often partial levels were reached; the maps are from a level in percent to a count."""
    statistics = partial_statistics(outcome, strategy)
    return {
        "total_events": statistics.total_events,
        "profit_events": statistics.profit_events,
        "loss_events": statistics.loss_events,
        "profit_levels": {str(level): count for level, count in statistics.profit_levels.items()},
        "loss_levels": {str(level): count for level, count in statistics.loss_levels.items()},
    }

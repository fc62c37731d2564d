"""What the account and the risk rules of a run came to, as lines of a terminal."""

from collections.abc import Iterator

from backtestkit_cli.analytics.account import portfolio_stops
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.refusals import refusal_statistics
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.events.facts import PortfolioStopped
from backtestkit_cli.reports.tables import Unit, number_text

_DONE = {
    StopAction.CLOSE_ALL: "positions were closed and entries blocked",
    StopAction.BLOCK_ENTRIES: "entries were blocked",
}


def coordination_lines(outcome: RunOutcome) -> Iterator[str]:
    """Yield how the account ended and how many signals each rule refused; nothing where there is neither."""
    account = outcome.account
    if account is not None:
        start, end, reserve = (
            number_text(money, Unit.MONEY) for money in (account.balance, account.equity, account.reserve)
        )
        won = number_text(account.return_pct, Unit.PERCENT)
        fall = number_text(account.max_drawdown_pct, Unit.SHARE)
        yield f"account: {start} to {end} ({won}), max drawdown {fall}, reserve {reserve}"
    rules = refusal_statistics(outcome).by_rule
    if rules:
        yield f"refused: {', '.join(f'{rule.total:,} by {rule.profile}.{rule.rule}' for rule in rules)}"


def final_stop(outcome: RunOutcome) -> list[str]:
    """Return the line that says why the portfolio ended the run, nothing where it did not."""
    account = outcome.account
    if account is None or account.stopped is None or not account.is_stopped:
        return []
    return [f"the portfolio stopped the run: {_stop_text(account.stopped)} for good"]


def passing_stops(outcome: RunOutcome) -> Iterator[str]:
    """Yield a line on the stops that ended at a midnight, if there were any."""
    stops = [stop for stop in portfolio_stops(outcome) if stop.until_ms is not None]
    if stops:
        count = "1 stop" if len(stops) == 1 else f"{len(stops):,} stops"
        until = utc_text(stops[0].until_ms or 0)
        yield f"{count} of the portfolio for a day; the first: {_stop_text(stops[0])} until {until}"


def _stop_text(stop: PortfolioStopped) -> str:
    equity, limit = (number_text(money, Unit.MONEY) for money in (stop.equity, stop.limit))
    return f"{stop.rule} at {utc_text(stop.at_ms)}, equity {equity}, limit {limit}; {_DONE[stop.action]}"

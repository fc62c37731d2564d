"""What the account and the risk rules of a run came to, as lines of a terminal."""

from collections.abc import Iterator, Mapping
from typing import Any

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.reports.markdown import risk
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import Unit, number_text

_DONE = {
    StopAction.CLOSE_ALL: "positions were closed and entries blocked",
    StopAction.BLOCK_ENTRIES: "entries were blocked",
}


def coordination_lines(record: RunRecord) -> Iterator[str]:
    """Yield how the account ended and how many signals each rule refused; nothing where there is neither."""
    account = record.account
    if account is not None:
        start, end, reserve = (
            number_text(money, Unit.MONEY) for money in (account["balance"], account["equity"], account["reserve"])
        )
        won = number_text(account["return_pct"], Unit.PERCENT)
        fall = number_text(account["max_drawdown_pct"], Unit.SHARE)
        yield f"account: {start} to {end} ({won}), max drawdown {fall} by the minute, reserve {reserve}"
    rules = risk.get_data(record).by_rule
    if rules:
        yield f"refused: {', '.join(f'{rule.total:,} by {rule.profile}.{rule.rule}' for rule in rules)}"


def final_stop(record: RunRecord) -> list[str]:
    """Return the line that says why the portfolio ended the run, nothing where it did not."""
    account = record.account
    if account is None or account["stopped"] is None or account["stopped"]["until"] is not None:
        return []
    return [f"the portfolio stopped the run: {_stop_text(account['stopped'])} for good"]


def passing_stops(record: RunRecord) -> Iterator[str]:
    """Yield a line on the stops that ended at a midnight, if there were any."""
    stops = [row for row in record.event_rows("portfolio_stopped") if row["until"] is not None]
    if stops:
        first = f"{_stop_text(stops[0])} until {utc_text(stops[0]['until'])}"
        yield f"{counted(len(stops), 'stop')} of the portfolio for a day; the first: {first}"


def _stop_text(stop: Mapping[str, Any]) -> str:
    equity, limit = (number_text(money, Unit.MONEY) for money in (stop["equity"], stop["limit"]))
    return (
        f"{stop['rule']} at {utc_text(stop['at'])}, equity {equity}, limit {limit}; {_DONE[StopAction(stop['action'])]}"
    )

"""All statistics of a run, or of one strategy in it: of its trades, its account and its activity, and by groups."""

from dataclasses import dataclass
from typing import Final

from backtestkit_cli.analytics.account_figures import AccountFigures, account_figures
from backtestkit_cli.analytics.activity import ActivityFigures, HeldMoney, activity_of
from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.drawdowns import Drawdown, worst_drawdowns
from backtestkit_cli.analytics.grouping import FiguresByGroup, by_hour, by_month, by_reason, by_side, by_weekday
from backtestkit_cli.analytics.monthly import MonthReturn, month_returns
from backtestkit_cli.analytics.trade_figures import TradeFigures, expected_yearly_trades, figures_of
from backtestkit_cli.reports.account import daily_curve
from backtestkit_cli.reports.saved.record import RunRecord

SHOWN_DRAWDOWNS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatistics:
    """The statistics of a run; each part says what its figures are.

    `balance_quote` is what the account began with in quote money: the balance of the portfolio, or without one the
    least that could have paid for every entry. Months are of the close of a trade, hours and weekdays of its opening,
    all in UTC.
    """

    trades: TradeFigures
    expected_yearly_trades: float | None
    balance_quote: float | None
    account: AccountFigures
    activity: ActivityFigures
    months: tuple[MonthReturn, ...]
    worst_drawdowns: tuple[Drawdown, ...]
    by_month: FiguresByGroup
    by_reason: FiguresByGroup
    by_side: FiguresByGroup
    by_hour: FiguresByGroup
    by_weekday: FiguresByGroup


def statistics_of(record: RunRecord, strategy: str | None = None) -> RunStatistics:
    """Return the statistics of *strategy* in *record*, or of all together."""
    facts, trades, curve = record.facts, record.trades_of(strategy), daily_curve(record, strategy)
    return RunStatistics(
        trades=figures_of(trades),
        expected_yearly_trades=expected_yearly_trades(len(trades), facts.end_ms - facts.start_ms),
        balance_quote=finite(curve.balance_quote),
        account=account_figures(curve),
        activity=activity_in(record, curve, strategy),
        months=tuple(month_returns(curve)),
        worst_drawdowns=tuple(worst_drawdowns(curve, SHOWN_DRAWDOWNS)),
        by_month=by_month(trades),
        by_reason=by_reason(trades),
        by_side=by_side(trades),
        by_hour=by_hour(trades),
        by_weekday=by_weekday(trades),
    )


def activity_in(record: RunRecord, curve: DailyCurve, strategy: str | None = None) -> ActivityFigures:
    """Return how much time and money *strategy* had at work in *record*, or all together, of the account *curve*."""
    return activity_of(
        record.trades_of(strategy),
        HeldMoney.joined(held for session, held in record.held_money.items() if strategy in (None, session[0])),
        start_ms=record.facts.start_ms,
        end_ms=record.facts.end_ms,
        sessions=len(record.sessions_of(strategy)),
        capital_quote=finite(curve.balance_quote),
    )

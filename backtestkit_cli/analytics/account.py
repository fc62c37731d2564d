"""The curve of the one account of a run: its cash, and what its open positions are worth."""

from bisect import bisect_right
from collections import defaultdict
from typing import NamedTuple

from backtestkit_cli.analytics.equity import held_at_marks
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.account import cash_effect, valuation
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Position
from backtestkit_cli.events.facts import (
    PortfolioStopped,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
)


class AccountRow(NamedTuple):
    """The account at one mark, in quote money: `equity_quote` = `cash_quote` + `positions_quote`.

    `positions_quote` is what all open positions would bring if they were sold at the prices of the mark.
    """

    timestamp: int
    cash_quote: float
    positions_quote: float
    equity_quote: float


def account_curve(outcome: RunOutcome) -> list[AccountRow]:
    """Return the account at each midnight UTC and at the end of the frame, nothing without a portfolio.

    A position that a failing strategy left open stays in the account at its price, though it is no trade.
    """
    if outcome.account is None:
        return []
    cash: defaultdict[int, float] = defaultdict(float, {outcome.facts.end_ms: 0.0})
    worth: defaultdict[int, float] = defaultdict(float)
    left_open = _left_open(outcome)
    for session in outcome.sessions:
        costs = Costs.of(outcome.facts.settings[session.strategy])
        ledgers = left_open.get((session.strategy, session.symbol), [])
        for at_ms, price, closed_net, traded in held_at_marks(session, costs):
            position = _ledger_at(ledgers, at_ms) if traded is None else traded
            cash[at_ms] += closed_net
            if position is not None:
                cash[at_ms] += cash_effect(position, costs)
                worth[at_ms] += valuation(position, costs).at(price)
    rows = [(at_ms, outcome.account.balance + moved, worth[at_ms]) for at_ms, moved in sorted(cash.items())]
    return [AccountRow(at_ms, money, positions, money + positions) for at_ms, money, positions in rows]


def portfolio_stops(outcome: RunOutcome) -> tuple[PortfolioStopped, ...]:
    """Return every stop of the account, oldest first."""
    return tuple(event for event in outcome.events if isinstance(event, PortfolioStopped))


def _left_open(outcome: RunOutcome) -> dict[tuple[str, str], list[tuple[int, Position]]]:
    """Return the ledgers, with their times, of positions that sessions which failed never closed."""
    failed = {(session.strategy, session.symbol) for session in outcome.sessions if session.error is not None}
    ledgers: dict[tuple[str, str], list[tuple[int, Position]]] = {key: [] for key in failed}
    for event in outcome.events if failed else ():
        key = event.strategy, event.symbol
        if key not in failed:
            continue
        if isinstance(event, PositionClosed):
            ledgers[key].clear()
        elif isinstance(event, PositionOpened | PositionAveraged | PositionReduced):
            ledgers[key].append((event.at_ms, event.position))
    return ledgers


def _ledger_at(ledgers: list[tuple[int, Position]], at_ms: int) -> Position | None:
    known = bisect_right(ledgers, at_ms, key=lambda entry: entry[0])
    return ledgers[known - 1][1] if known else None

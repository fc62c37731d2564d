"""The curve of the one account of a run: its cash, and what its open positions are worth."""

from collections import defaultdict
from typing import NamedTuple

from backtestkit_cli.analytics.equity import held_at_marks
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.account import cash_effect, valuation
from backtestkit_cli.domain.money import Costs


class AccountRow(NamedTuple):
    """The account at one mark, in quote money: `equity_quote` = `cash_quote` + `positions_quote`.

    `positions_quote` is what all open positions would bring if they were sold at the prices of the mark.
    """

    timestamp: int
    cash_quote: float
    positions_quote: float
    equity_quote: float


def account_curve(outcome: RunOutcome) -> list[AccountRow]:
    """Return the account at each midnight UTC and at the end of the frame, nothing without a portfolio."""
    if outcome.account is None:
        return []
    cash: defaultdict[int, float] = defaultdict(float, {outcome.facts.end_ms: 0.0})
    worth: defaultdict[int, float] = defaultdict(float)
    for session in outcome.sessions:
        costs = Costs.of(outcome.facts.settings[session.strategy])
        for at_ms, price, closed_net, position in held_at_marks(session, costs):
            cash[at_ms] += closed_net
            if position is not None:
                cash[at_ms] += cash_effect(position, costs)
                worth[at_ms] += valuation(position, costs).at(price)
    rows = [(at_ms, outcome.account.balance + moved, worth[at_ms]) for at_ms, moved in sorted(cash.items())]
    return [AccountRow(at_ms, money, positions, money + positions) for at_ms, money, positions in rows]

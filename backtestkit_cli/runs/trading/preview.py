"""What a live run finds before it begins: the balances of the account, and the state it takes up again."""

from collections.abc import Mapping
from dataclasses import dataclass

from backtestkit_cli.domain.venue import Balance
from backtestkit_cli.runs.trading.plan import TradingPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What was found; `balances` are None where the venue did not tell, and `problems` say why."""

    balances: Mapping[str, Balance] | None
    held: tuple[str, ...]
    problems: tuple[str, ...]


def preview(plan: TradingPlan) -> Preview:
    """Look, and change nothing."""
    return Preview(balances=None, held=(), problems=())

"""The equity of a whole run at its marks, and how far it was below its peak."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.reports.record import RunRecord

_ACCOUNT: Final = (
    "The one account of the run at each midnight UTC and at the end, with open positions at what they would bring."
    " Drawdown is the fall from the highest equity so far; the dashed line is where the account began."
)
_SUMMED: Final = (
    "The net result of all sessions at each midnight UTC and at the end, with open positions at what they would bring,"
    " on top of the money of one entry for each session: the run had no account of its own. Drawdown is the fall from"
    " the highest equity so far; the dashed line is where it began."
)


def equity_data(record: RunRecord) -> dict[str, Any]:
    """Return `at` (Unix ms), `equity` (quote money) and `drawdown_pct` at the start and each mark, and the `basis`."""
    start_quote, times_ms, curve = _curve(record)
    at = np.concatenate(([record.facts.start_ms], times_ms))
    equity = np.concatenate(([start_quote], curve))
    peak = np.maximum.accumulate(equity)
    with np.errstate(all="ignore"):
        drawdown = np.where(peak > 0, (1 - equity / peak) * 100, np.nan)
    return {
        "at": at.tolist(),
        "start": start_quote,
        "equity": equity.tolist(),
        "drawdown_pct": drawdown.tolist(),
        "basis": _SUMMED if record.account_curve is None else _ACCOUNT,
    }


def _curve(record: RunRecord) -> tuple[float, npt.NDArray[np.int64], Floats]:
    if record.account_curve is not None and record.account is not None:
        table = record.account_curve
        return record.account["balance"], table["timestamp"].to_numpy(), table["equity_quote"].to_numpy()
    settings = record.facts.settings
    start_quote = float(sum(settings[session.strategy].position_cost for session in record.sessions))
    times = np.unique(record.equity["timestamp"].to_numpy())
    equity = np.full(len(times), start_quote)
    for session in record.equity.partition_by("strategy", "symbol", maintain_order=True):
        # After its last mark a session that failed keeps what it had.
        won = np.concatenate(([0.0], session["equity_quote"].to_numpy()))
        equity += won[np.searchsorted(session["timestamp"].to_numpy(), times, side="right")]
    return start_quote, times, equity

"""The equity of a whole run at its marks, and how far it was below its peak."""

import math
from typing import Any, Final

from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.drawdowns import drawdown_series

_ACCOUNT: Final = "The one account of the run"
_SUMMED: Final = (
    "All sessions as one account that begins with the least that could have paid for every entry, for the run had no"
    " portfolio,"
)
_BASIS: Final = (
    "{account} at each midnight UTC and at the end, with open positions at what they would bring. Drawdown is the fall"
    " from the highest equity so far; the dashed line is where the account began."
)


def equity_data(curve: DailyCurve, *, has_portfolio: bool) -> dict[str, Any]:
    """Return `at` (Unix ms), `equity` (quote money), `drawdown_pct`, the `start` they begin with, and the `basis`.

    They are empty where no double holds what the account began with.
    """
    is_known = math.isfinite(curve.balance_quote)
    return {
        "at": curve.moments_ms.tolist() if is_known else [],
        "start": curve.balance_quote if is_known else 0.0,
        "equity": curve.values.tolist() if is_known else [],
        "drawdown_pct": drawdown_series(curve).fall_pct.tolist() if is_known else [],
        "basis": _BASIS.format(account=_ACCOUNT if has_portfolio else _SUMMED),
    }

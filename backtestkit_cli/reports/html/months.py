"""What each symbol won in each month."""

from collections import Counter, defaultdict
from math import fsum
from typing import Any, Final

import numpy as np

from backtestkit_cli.reports.record import RunRecord

ALL: Final = "All symbols"


def months_data(record: RunRecord) -> dict[str, Any]:
    """Return `months` (`2025-05`, UTC, of the whole frame) and `rows` by symbol, the last of them for all together.

    A row has the sum of `pnl_pct` and the number of `trades` that closed in each month.
    """
    trades = record.columns
    closed = trades.closed_at_ms.astype("datetime64[ms]").astype("datetime64[M]")
    if not len(closed):
        return {"months": [], "rows": []}
    months = [str(month) for month in np.arange(closed.min(), closed.max() + 1)]
    parts: defaultdict[str, defaultdict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for symbol, month, pnl_pct in zip(trades.symbol, closed.astype(str), trades.pnl_pct.tolist(), strict=True):
        parts[symbol][month].append(pnl_pct)
        parts[ALL][month].append(pnl_pct)
    names = [*sorted(name for name in parts if name is not ALL), ALL]
    counts = {name: Counter({month: len(values) for month, values in parts[name].items()}) for name in names}
    return {
        "months": months,
        "rows": [
            {
                "name": name,
                "pnl_pct": [fsum(parts[name].get(month, ())) for month in months],
                "trades": [counts[name][month] for month in months],
            }
            for name in names
        ],
    }

"""Closed trades as columns: what every statistic about trades is computed from."""

from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from backtestkit_cli.domain.candle import Floats

Texts: TypeAlias = npt.NDArray[np.object_]
Times: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]

closing_order = attrgetter("closed_at_ms", "symbol", "strategy", "opened_at_ms")
"""The order of trades everywhere: by closing time; those of one tick by symbol, then strategy, then opening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeColumns:
    """One row a trade, by closing time; trades of one tick by symbol, then strategy, then opening.

    Times are Unix ms, `_pct` percent of the money put into a trade, `_quote` quote money with
    `net = gross - slippage - fee`. `symbol`, `strategy`, `side` and `reason` hold text. What is unknown or not
    finite is NaN. `mae_pct` and `mfe_pct` are as in `excursions`, `is_ambiguous` says that the candle of the exit
    reached both stop and target.
    """

    symbol: Texts
    strategy: Texts
    side: Texts
    reason: Texts
    opened_at_ms: Times
    closed_at_ms: Times
    invested_quote: Floats
    pnl_pct: Floats
    gross_quote: Floats
    slippage_quote: Floats
    fee_quote: Floats
    net_quote: Floats
    mae_pct: Floats
    mfe_pct: Floats
    is_ambiguous: Flags

    def __len__(self) -> int:
        return len(self.symbol)

    def where(self, rows: Flags | npt.NDArray[np.intp] | slice) -> Self:
        """Return the trades of *rows*, a mask, positions or a slice, in that order; a slice copies nothing."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return replace(self, **parts)

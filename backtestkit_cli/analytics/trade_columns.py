"""Closed trades as columns: what every statistic about trades is computed from."""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from operator import attrgetter
from typing import Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt

from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.position import Trade

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

    def where(self, rows: Flags | npt.NDArray[np.intp]) -> Self:
        """Return the trades of *rows*, a mask or positions, in that order."""
        parts: dict[str, Any] = {field.name: getattr(self, field.name)[rows] for field in fields(self)}
        return replace(self, **parts)


def columns_of(trades: Iterable[Trade]) -> TradeColumns:
    """Return *trades*, given in any order, as columns; where their prices went between is unknown."""
    ordered = in_closing_order(trades)
    gains = [trade.gain for trade in ordered]
    unknown = np.full(len(ordered), np.nan)
    return TradeColumns(
        symbol=_texts(trade.symbol for trade in ordered),
        strategy=_texts(trade.strategy for trade in ordered),
        side=_texts(trade.side.value for trade in ordered),
        reason=_texts(trade.reason.value for trade in ordered),
        opened_at_ms=np.array([trade.opened_at_ms for trade in ordered], np.int64),
        closed_at_ms=np.array([trade.closed_at_ms for trade in ordered], np.int64),
        invested_quote=_finite(trade.invested for trade in ordered),
        pnl_pct=_finite(trade.pnl_pct for trade in ordered),
        gross_quote=_finite(gain.gross for gain in gains),
        slippage_quote=_finite(gain.slippage for gain in gains),
        fee_quote=_finite(gain.fee for gain in gains),
        net_quote=_finite(gain.net for gain in gains),
        mae_pct=unknown,
        mfe_pct=unknown,
        is_ambiguous=np.zeros(len(ordered), np.bool_),
    )


def in_closing_order(trades: Iterable[Trade]) -> list[Trade]:
    """Return *trades* by closing time; those of one tick by symbol, then strategy, then opening."""
    return sorted(trades, key=closing_order)


def _texts(values: Iterable[str]) -> Texts:
    column = np.array(list(values), dtype=np.object_)
    return column.reshape(-1)


def _finite(values: Iterable[float]) -> Floats:
    column = np.array(list(values), dtype=np.float64)
    column[~np.isfinite(column)] = np.nan
    return column

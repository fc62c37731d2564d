"""Trades in memory as the statistics take them, which a run hands over by way of its saved tables."""

from collections.abc import Iterable

import numpy as np

from backtestkit_cli.analytics.capital import Fills
from backtestkit_cli.analytics.trade_columns import Texts, TradeColumns, closing_order
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.position import Partial, Trade


def fills_of(trade: Trade) -> Fills:
    """Return what *trade* bought and sold."""
    closing = Partial(trade.closed_at_ms, trade.price_close, 100.0, 0.0, len(trade.entries))
    return Fills(trade.side, trade.entries, (*trade.partials, closing))


def columns_of(trades: Iterable[Trade]) -> TradeColumns:
    """Return *trades*, given in any order, as columns; where their prices went between is unknown."""
    ordered = sorted(trades, key=closing_order)
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


def _texts(values: Iterable[str]) -> Texts:
    column = np.array(list(values), dtype=np.object_)
    return column.reshape(-1)


def _finite(values: Iterable[float]) -> Floats:
    column = np.array(list(values), dtype=np.float64)
    column[~np.isfinite(column)] = np.nan
    return column

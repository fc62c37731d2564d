"""The tables of a run: its trades, its equity, its account and the candles of its pictures."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Final

import orjson

from backtestkit_cli.analytics.account import account_curve
from backtestkit_cli.analytics.capital import Fills, Sale, fills_from
from backtestkit_cli.analytics.equity import equity_of
from backtestkit_cli.analytics.outcome import RunOutcome, TradePath
from backtestkit_cli.analytics.trade_columns import closing_order
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Entry, Partial, Trade
from backtestkit_cli.events.plain_values import clean_text

if TYPE_CHECKING:
    import polars as pl

TRADES: Final = {
    **dict.fromkeys(("id", "strategy", "symbol", "side", "reason"), str),
    **dict.fromkeys(("scheduled_at", "opened_at", "closed_at", "minutes"), int),
    **dict.fromkeys(("price_open", "price_effective", "price_close", "take_profit", "stop_loss"), float),
    **dict.fromkeys(("invested", "pnl_pct", "pnl_cost", "gross_quote", "slippage_quote", "fee_quote"), float),
    **dict.fromkeys(("mae_pct", "mfe_pct"), float),
    "is_ambiguous": bool,
    **dict.fromkeys(("entries", "partials"), int),
    **dict.fromkeys(("fills", "note"), str),
}
EQUITY: Final = {
    "timestamp": int,
    **dict.fromkeys(("strategy", "symbol"), str),
    **dict.fromkeys(("realised_quote", "unrealised_quote", "equity_quote"), float),
}
ACCOUNT: Final = {
    "timestamp": int,
    **dict.fromkeys(("cash_quote", "positions_quote", "equity_quote"), float),
}
CANDLES: Final = {
    "symbol": str,
    "timestamp": int,
    **dict.fromkeys(("open", "high", "low", "close"), float),
}


def trades_frame(outcome: RunOutcome) -> "pl.DataFrame":
    """Return one row a trade, by closing time.

    Times are Unix ms, `minutes` is how long the trade was held, money is quote money. `mae_pct`, `mfe_pct` and
    `is_ambiguous` are null where the candles between are not known. `entries` and
    `partials` are counts. `fills` is JSON: `buys` of `at, price, cost`, and `sells` of `at, price, percent`
    (of what was left) and `cost` (what that part had cost), the closing one included. Prices are before slippage.
    """
    rows = sorted(_with_paths(outcome), key=lambda row: closing_order(row[0]))
    return frame([_trade_cells(trade, path) for trade, path in rows], TRADES)


def equity_frame(outcome: RunOutcome) -> "pl.DataFrame":
    """Return one row a mark of a session: each midnight UTC and the end of the frame, session by session."""
    return frame(equity_of(outcome), EQUITY)


def account_frame(outcome: RunOutcome) -> "pl.DataFrame | None":
    """Return one row a mark of the account, None without a portfolio."""
    return None if outcome.account is None else frame(account_curve(outcome), ACCOUNT)


def candles_frame(charts: Mapping[str, Candles]) -> "pl.DataFrame":
    """Return the candles of pictures, by symbol in *charts*, symbol by symbol, oldest first."""
    import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who writes Parquet needs it

    parts = [
        pl.DataFrame({"symbol": symbol, **{name: getattr(candles, name) for name in tuple(CANDLES)[1:]}}, CANDLES)
        for symbol, candles in sorted(charts.items())
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=CANDLES)


def frame(rows: Sequence[tuple[object, ...]], kinds: Mapping[str, type]) -> "pl.DataFrame":
    """Return *rows* as columns of *kinds*; a number that is not finite is null."""
    import polars as pl  # noqa: PLC0415 - see above

    columns = dict(zip(kinds, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(kinds, ())
    numbers = pl.selectors.float()
    return pl.DataFrame(columns, schema=kinds).with_columns(pl.when(numbers.is_finite()).then(numbers))


def read_fills(side: str, text: str) -> Fills:
    """Return what a trade of that *side* bought and sold, *text* being its cell in the column `fills`."""
    saved = orjson.loads(text)
    entries = [Entry(one["at"], one["price"], one["cost"]) for one in saved["buys"]]
    sales = [Sale(one["at"], one["price"], one["percent"], one["cost"]) for one in saved["sells"]]
    return fills_from(side, entries, sales)


def _with_paths(outcome: RunOutcome) -> Iterator[tuple[Trade, TradePath | None]]:
    for session in outcome.sessions:
        yield from zip(session.trades, session.paths or repeat(None), strict=False)


def _trade_cells(trade: Trade, path: TradePath | None) -> tuple[object, ...]:
    gross, slippage, fee = trade.gain
    return (
        trade.id,
        clean_text(trade.strategy),
        clean_text(trade.symbol),
        trade.side.value,
        trade.reason.value,
        trade.scheduled_at_ms,
        trade.opened_at_ms,
        trade.closed_at_ms,
        (trade.closed_at_ms - trade.opened_at_ms) // MINUTE_MS,
        trade.price_open,
        trade.price_effective,
        trade.price_close,
        trade.take_profit,
        trade.stop_loss,
        trade.invested,
        trade.pnl_pct,
        trade.pnl_cost,
        gross,
        slippage,
        fee,
        *(path or (None, None, None)),
        len(trade.entries),
        len(trade.partials),
        _fills(trade),
        clean_text(trade.note),
    )


def _fills(trade: Trade) -> str:
    rest = trade.invested - sum(partial.cost for partial in trade.partials)
    sells = (*trade.partials, Partial(trade.closed_at_ms, trade.price_close, 100.0, rest, len(trade.entries)))
    fills = {
        "buys": [{"at": at, "price": price, "cost": cost} for at, price, cost in trade.entries],
        "sells": [{"at": at, "price": price, "percent": part, "cost": cost} for at, price, part, cost, _ in sells],
    }
    return orjson.dumps(fills).decode()

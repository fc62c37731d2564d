"""The trades of a run as the page holds them: columns, with each text once, and lists only where a trade needs one."""

from collections import defaultdict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from backtestkit_cli.reports.saved.record import RunRecord

if TYPE_CHECKING:
    import polars as pl

Plain: TypeAlias = dict[str, Any]
Moves: TypeAlias = dict[tuple[object, ...], list[tuple[object, object]]]

_DIGITS: Final = 10
_TEXTS: Final = ("symbol", "strategy", "side", "reason", "note")
# What the page calls them, and the columns of `frames.TRADES`.
_COLUMNS: Final = {
    "opened": "opened_at",
    "closed": "closed_at",
    "minutes": "minutes",
    "entry": "price_open",
    "effective": "price_effective",
    "exit": "price_close",
    "take_profit": "take_profit",
    "stop_loss": "stop_loss",
    "invested": "invested",
    "pnl_pct": "pnl_pct",
    "net": "pnl_cost",
    "gross": "gross_quote",
    "fee": "fee_quote",
    "slippage": "slippage_quote",
    "mae_pct": "mae_pct",
    "mfe_pct": "mfe_pct",
    "is_ambiguous": "is_ambiguous",
}
_STOP_MOVED, _TARGET_MOVED = "stop_moved", "target_moved"


def trades_data(record: RunRecord) -> Plain:
    """Return all trades by closing time: `count`, `texts`, `columns` and `lists`.

    A text column is its `names` and, for each of its `rows`, which of them. Times are Unix ms, prices and money have
    ten significant digits. The lists are by row. `fills`, of a trade that bought or sold more than once, are `buys` of
    (time, price, cost) and `sells` of (time, price, percent of what was left, what it had cost). `stops` and
    `targets`, of a level that moved, are all (time, price) that its events tell, the first from the opening on; where a
    stop that trails went from there they do not say.
    """
    trades = record.trades
    return {
        "count": trades.height,
        "texts": {name: _coded(trades[name]) for name in _TEXTS},
        "columns": {name: _rounded(trades[source]).to_list() for name, source in _COLUMNS.items()},
        "lists": {
            "fills": _fills(trades),
            "stops": _levels(record, _STOP_MOVED, "stop_loss"),
            "targets": _levels(record, _TARGET_MOVED, "take_profit"),
        },
    }


def _coded(column: "pl.Series") -> Plain:
    names = column.fill_null("").unique(maintain_order=True).to_list()
    numbers = {name: number for number, name in enumerate(names)}
    return {"names": names, "rows": [numbers[text or ""] for text in column.to_list()]}


def _rounded(column: "pl.Series") -> "pl.Series":
    return column.round_sig_figs(_DIGITS) if column.dtype.is_float() else column


def _fills(trades: "pl.DataFrame") -> Plain:
    counts = zip(trades["entries"].to_list(), trades["partials"].to_list(), trades["fills"].to_list(), strict=True)
    return {
        str(row): _fill_lists(orjson.loads(fills))
        for row, (entries, partials, fills) in enumerate(counts)
        if entries > 1 or partials
    }


def _fill_lists(fills: Mapping[str, list[dict[str, float]]]) -> Plain:
    return {kind: [list(fill.values()) for fill in fills[kind]] for kind in ("buys", "sells")}


def _levels(record: RunRecord, moved: str, level: str) -> Plain:
    """Return where the *level* of each trade stood, from the events of the kind *moved*."""
    if not any(session.counts.get(moved) for session in record.sessions):
        return {}
    moves: Moves = defaultdict(list)
    for row in record.event_rows(moved):
        moves[_key(row, "signal_id")].append((row["at"], row[level]))
    opened = ((_key(row, "signal_id"), (row["at"], row[level])) for row in record.event_rows("position_opened"))
    first = {key: placed for key, placed in opened if key in moves}
    keys = map(partial(_key, name="id"), record.trades.select("strategy", "symbol", "id").iter_rows(named=True))
    return {str(row): [first[key], *moves[key]] for row, key in enumerate(keys) if key in first}


def _key(row: Mapping[str, Any], name: str) -> tuple[object, ...]:
    return row["strategy"], row["symbol"], row[name]

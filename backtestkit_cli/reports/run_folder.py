"""The folder a run leaves behind, `<out>/runs/<run_id>/`: everything needed to rebuild its reports."""

import errno
import hashlib
import io
import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from backtestkit_cli.analytics.account import account_curve
from backtestkit_cli.analytics.equity import equity_of
from backtestkit_cli.analytics.outcome import Failure, RunFacts, RunOutcome
from backtestkit_cli.analytics.trade_columns import in_closing_order
from backtestkit_cli.atomic import replacing, write_bytes
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Partial, Trade
from backtestkit_cli.errors import OutputError
from backtestkit_cli.reports.event_rows import clean_text, event_rows
from backtestkit_cli.reports.summaries import account_summary

if TYPE_CHECKING:
    import polars as pl

_JSON: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE

_TRADE_COLUMNS: Final = {
    **dict.fromkeys(("id", "strategy", "symbol", "side", "reason"), str),
    **dict.fromkeys(("scheduled_at", "opened_at", "closed_at", "minutes"), int),
    **dict.fromkeys(("price_open", "price_effective", "price_close", "take_profit", "stop_loss"), float),
    **dict.fromkeys(("invested", "pnl_pct", "pnl_cost", "gross_quote", "slippage_quote", "fee_quote"), float),
    **dict.fromkeys(("entries", "partials"), int),
    **dict.fromkeys(("fills", "note"), str),
}
_EQUITY_COLUMNS: Final = {
    "timestamp": int,
    **dict.fromkeys(("strategy", "symbol"), str),
    **dict.fromkeys(("realised_quote", "unrealised_quote", "equity_quote"), float),
}
_ACCOUNT_COLUMNS: Final = {
    "timestamp": int,
    **dict.fromkeys(("cash_quote", "positions_quote", "equity_quote"), float),
}


def run_folder(out: Path, run_id: str) -> Path:
    """Return where the run *run_id* lives below *out*."""
    return out / "runs" / run_id


def write_run(outcome: RunOutcome, out: Path, manifest_extra: Mapping[str, Any]) -> Path:
    """Write trades.parquet, equity.parquet, events.jsonl and manifest.json of *outcome*; return their folder.

    With a portfolio there is account.parquet as well: its cash and equity at each midnight UTC and at the end.

    Each file is replaced whole, the manifest last: where it is, the others are complete. The same outcome
    gives the same bytes.

    Args:
        outcome: A finished run.
        out: The folder of all results, created where needed.
        manifest_extra: What only the caller knows (command, times …), added to the manifest; it wins over
            an entry of the same name, such as `exit_code` or `seed`.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    folder = run_folder(out, outcome.facts.run_id)
    _write_parquet(folder / "trades.parquet", trades_frame(outcome))
    _write_parquet(folder / "equity.parquet", _frame(equity_of(outcome), _EQUITY_COLUMNS))
    if outcome.account is not None:
        _write_parquet(folder / "account.parquet", _frame(account_curve(outcome), _ACCOUNT_COLUMNS))
    _write_events(folder / "events.jsonl", outcome)
    content = manifest(outcome) | dict(manifest_extra)
    with output_errors(folder / "manifest.json") as path:
        write_bytes(path, orjson.dumps(content, option=_JSON, default=str))
    return folder


def is_worse_than_saved(outcome: RunOutcome, out: Path) -> bool:
    """Say whether *outcome* failed for want of candles where a run of the same id, saved in *out*, finished."""
    if not any(session.failure in {Failure.DATA, Failure.VENUE} for session in outcome.sessions):
        return False
    try:
        saved = orjson.loads((run_folder(out, outcome.facts.run_id) / "manifest.json").read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(saved, dict) and saved.get("exit_code") == 0


@contextmanager
def output_errors(path: Path) -> Iterator[Path]:
    """Yield *path* and turn what the system says while it is written into one line.

    Raises:
        OutputError: the disk is full, the folder is not writable, a file is in the way …
    """
    try:
        yield path
    except OSError as error:
        raise OutputError(f"cannot write {path}: {_reason(error, path)}") from error


def _reason(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        for parent in path.parents:
            if parent.exists() and not parent.is_dir():
                return f"expected a folder, {parent} is a file"
    return os.strerror(error.errno) if error.errno else str(error)


def manifest(outcome: RunOutcome) -> dict[str, Any]:
    """Return what the run was computed from and how it ended, without anything that changes on a rerun."""
    facts = outcome.facts
    decided = {
        "mode": facts.mode,
        "exchange": facts.exchange,
        "source": facts.source,
        "frame": {"name": facts.frame, "start": facts.start_ms, "end": facts.end_ms},
        "symbols": facts.symbols,
        "settings": {name: asdict(settings) for name, settings in facts.settings.items()},
        **({"jobs": facts.jobs} if facts.jobs else {}),
        **facts.coordination,
    }
    return {
        **decided,
        **({"events": outcome.counts} if outcome.counts else {}),
        **({"account": account_summary(outcome)} if outcome.account else {}),
        "run_id": facts.run_id,
        "config_hash": hashlib.sha256(orjson.dumps(decided, option=_JSON, default=str)).hexdigest(),
        "is_synthetic": facts.is_synthetic,
        "seed": facts.source.get("seed"),
        "strategies": {
            name: {"source_sha256": digest, "note": clean_text(facts.notes.get(name))}
            for name, digest in facts.strategies.items()
        },
        "candles": {
            **{one.symbol: asdict(one.candles) for one in outcome.sessions if one.candles is not None},
            **{symbol: asdict(facts) for symbol, facts in outcome.candles_beside.items()},
        },
        "sessions": [
            {
                "strategy": session.strategy,
                "symbol": session.symbol,
                "trades": len(session.trades),
                "events": session.counts,
                "failure": session.failure,
                "error": None if session.error is None else clean_text(session.error),
            }
            for session in outcome.sessions
        ],
        "exit_code": outcome.exit_code,
        "versions": _versions(facts),
    }


def _versions(facts: RunFacts) -> dict[str, str]:
    installed = {name: version(name) for name in ("numpy", "polars")}
    return {"btk": facts.version, "python": platform.python_version(), **installed}


def trades_frame(outcome: RunOutcome) -> "pl.DataFrame":
    """Return one row a trade, by closing time.

    Times are Unix ms, `minutes` is how long the trade was held, money is quote money. `entries` and
    `partials` are counts. `fills` is JSON: `buys` of `at, price, cost`, and `sells` of `at, price, percent`
    (of what was left) and `cost` (what that part had cost), the closing one included. Prices are before slippage.
    """
    trades = in_closing_order(trade for session in outcome.sessions for trade in session.trades)
    return _frame([_trade_cells(trade) for trade in trades], _TRADE_COLUMNS)


def _trade_cells(trade: Trade) -> tuple[object, ...]:
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


def _frame(rows: Sequence[tuple[object, ...]], kinds: Mapping[str, type]) -> "pl.DataFrame":
    """Return *rows* as columns of *kinds*; a number that is not finite is null."""
    import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who writes Parquet needs it

    columns = dict(zip(kinds, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(kinds, ())
    numbers = pl.selectors.float()
    return pl.DataFrame(columns, schema=kinds).with_columns(pl.when(numbers.is_finite()).then(numbers))


def _write_parquet(path: Path, frame: "pl.DataFrame") -> None:
    # Through memory: a full disk is then an OSError of ours and not a panic of polars.
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd")
    with output_errors(path):
        write_bytes(path, content.getvalue())


def _write_events(path: Path, outcome: RunOutcome) -> None:
    with output_errors(path), replacing(path) as draft, draft.open("wb") as file:
        file.writelines(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE) for row in event_rows(outcome.events))

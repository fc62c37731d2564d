"""All that the page of a run shows, as one document of plain values; the page only draws it."""

from typing import Any, Final

from backtestkit_cli.reports.account import daily_curve
from backtestkit_cli.reports.html.cautions import cautions
from backtestkit_cli.reports.html.equity import equity_data
from backtestkit_cli.reports.html.figures import figures_data, symbols_data
from backtestkit_cli.reports.html.months import months_data
from backtestkit_cli.reports.html.packing import Packed, packed_candles
from backtestkit_cli.reports.html.trades import trades_data
from backtestkit_cli.reports.markdown.head import assumption_rows
from backtestkit_cli.reports.markdown.text import frame_text, unmarked
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_part import RunPart

_PRICES: Final = ("open", "high", "low", "close")


def document(record: RunRecord, part: RunPart | None = None) -> dict[str, Any]:
    """Return the content of the page, ready for JSON but for NaN, which is to become null.

    Keys: `run`, `warnings`, `figures`, `equity`, `months`, `symbols`, `trades`, `candles` (by symbol, packed) and
    `assumptions` (by strategy). A value that the browser writes comes with its `unit`. With *part* trades and candles
    are those of that part, and `part` says from when to when it is (ms).
    """
    curve = daily_curve(record)
    shown = record if part is None else part.record
    return {
        "run": _run(record),
        "warnings": [
            caution._asdict() | {"columns": [column._asdict() for column in caution.columns]}
            for caution in cautions(record, part)
        ],
        "figures": figures_data(record, curve),
        "equity": equity_data(curve, has_portfolio=record.account_curve is not None),
        "months": months_data(record),
        "symbols": symbols_data(record),
        "trades": trades_data(shown),
        "candles": _candles(shown),
        **({} if part is None else {"part": {"start": part.start_ms, "end": part.end_ms}}),
        "assumptions": [
            {
                "strategy": strategy,
                "rows": [(title, unmarked(value)) for title, value in assumption_rows(record, strategy)],
            }
            for strategy in record.facts.settings
        ],
    }


def _run(record: RunRecord) -> dict[str, Any]:
    facts = record.facts
    span = frame_text(facts.start_ms, facts.end_ms)
    return {
        "id": facts.run_id,
        "mode": facts.mode,
        "version": facts.version,
        "exchange": facts.exchange,
        "is_synthetic": facts.is_synthetic,
        "frame": f"{facts.frame}: {span}" if facts.frame else span,
        "strategies": sorted(facts.strategies),
        "symbols": list(dict.fromkeys(session.symbol for session in record.sessions)),
    }


def _candles(record: RunRecord) -> dict[str, Packed]:
    return {
        part["symbol"][0]: packed_candles(part["timestamp"].to_numpy(), part.select(_PRICES).to_numpy())
        for part in record.candles.partition_by("symbol", maintain_order=True)
    }

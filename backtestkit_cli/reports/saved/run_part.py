"""A part of a saved run in time, with candles as fine as few minutes allow: what its page shows closely."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.reports.saved.frames import candles_frame
from backtestkit_cli.reports.saved.record import RunRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPart:
    """What is shown of `[start_ms, end_ms)` (Unix ms): the trades and candles of `record`, these of `interval`.

    `record.shown_symbols` are the symbols that were asked for, None for all.
    """

    start_ms: int
    end_ms: int
    interval: str
    record: RunRecord


def part_of(record: RunRecord, span: Span, interval: str, charts: Mapping[str, Candles]) -> RunPart:
    """Return the part of *record* in *span*: the trades that were open in it, and *charts*, candles by symbol."""
    import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who has tables needs it

    start_ms, end_ms = span
    was_open = (pl.col("opened_at") < end_ms) & (pl.col("closed_at") >= start_ms)
    shown = replace(record, trades=record.trades.filter(was_open), candles=candles_frame(charts))
    return RunPart(start_ms=start_ms, end_ms=end_ms, interval=interval, record=shown)

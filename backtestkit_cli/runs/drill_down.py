"""A part of a saved run as fine as minutes: its candles, read again and proved to be those that the run read."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final

from backtestkit_cli.analytics.outcome import CandleFacts
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.config.choices import exchange_name, exchange_of
from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.schema import FrameConfig
from backtestkit_cli.config.snapshot import is_snapshot
from backtestkit_cli.domain.candle import Candles, fingerprint
from backtestkit_cli.domain.interval import MINUTE_MS, utc_text
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.errors import ConfigError, DataError
from backtestkit_cli.ports import CandleSource
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_part import RunPart, part_of
from backtestkit_cli.runs.assembly import entry_of, source_of
from backtestkit_cli.runs.chart_candles import candles_of, fitting_interval
from backtestkit_cli.runs.history import HistoryPlan, read_history
from backtestkit_cli.runs.repro import config_then
from backtestkit_cli.runs.sources import DataAccess, access_of, venue_called

_SHOWN_DIGITS: Final = 8


def frame_within(saved: RunRecord, start: str | None, end: str | None) -> FrameConfig:
    """Return the window between the dates *start* and *end*; None is where the frame of *saved* starts, or ends.

    Raises:
        ConfigError: one is no date, or the window is empty or not within the frame.
    """
    facts = saved.facts
    dates = utc_text(facts.start_ms) if start is None else start, utc_text(facts.end_ms) if end is None else end
    flags = dict(zip(("from", "to"), dates, strict=True))
    loaded = load_config(None, flags=flags, sets=(), environ={}, dotenv=None, required=(), default=None)
    frame = loaded.config.frame
    assert isinstance(frame, FrameConfig)  # noqa: S101 - two dates make no name
    if frame.start_ms < facts.start_ms or frame.end_ms > facts.end_ms:
        there, found = _span_text(facts.start_ms, facts.end_ms), _span_text(frame.start_ms, frame.end_ms)
        raise ConfigError(f"run {saved.run_id}: --from, --to: expected a part of its frame, {there}, found {found}")
    return frame


def drill_down(
    saved: RunRecord,
    frame: FrameConfig,
    symbols: Collection[str] | None = None,
    *,
    access_for: Callable[[LoadedConfig], DataAccess] = access_of,
) -> RunPart:
    """Return what *symbols*, None for all, were in *frame*, in minutes or as fine as a page can hold.

    Candles come from where the run had them; no strategy runs. A symbol whose candles the run could not read has none.

    Raises:
        ConfigError: the manifest does not say where candles came from, or the run has no such symbol.
        DataError: candles are missing, bad, or not those of then.
        VenueError: a venue refused, or was not reached.
    """
    shown = saved if symbols is None else saved.only(symbols)
    source = _source_then(saved, access_for)
    read = {one.symbol: one.candles for one in shown.sessions if one.candles is not None}
    span = frame.start_ms, frame.end_ms
    interval = fitting_interval(span, len(read))
    charts = asyncio.run(_charts(shown, source, read, lambda minutes: candles_of(minutes, span, interval)))
    return part_of(shown, span, interval, charts)


def _source_then(saved: RunRecord, access_for: Callable[[LoadedConfig], DataAccess]) -> CandleSource:
    """Return where the run had its candles from; its strategy file is loaded only where that may say it."""
    if not is_snapshot(saved.manifest):
        raise ConfigError(f"run {saved.run_id}: no finer candles: its manifest does not hold a whole config")
    loaded, _ = config_then(saved)
    name = exchange_name(loaded.config)
    is_described = exchange_of(loaded.config, name) is not None or venue_called(name) == saved.facts.source
    if not is_described and loaded.config.entry is None:
        raise ConfigError(f"run {saved.run_id}: no finer candles: the program that started it has its exchange")
    _, source, _ = source_of(loaded, Registry() if is_described else entry_of(loaded).registry, access_for(loaded))
    return source


async def _charts(
    saved: RunRecord, source: CandleSource, read: dict[str, CandleFacts], chart: Callable[[Candles], Candles]
) -> dict[str, Candles]:
    """Return the *chart* of each symbol, one after another: the minutes of all of them might not fit into memory."""
    end_ms, gaps = saved.facts.end_ms, next(iter(saved.facts.settings.values())).gaps
    try:
        return {
            symbol: chart(await _minutes_then(saved.run_id, source, symbol, _history(then, end_ms, gaps), then))
            for symbol, then in read.items()
        }
    finally:
        await source.close()


def _history(then: CandleFacts, end_ms: int, gaps: GapPolicy) -> HistoryPlan:
    """Return the plan that reads the minutes of *then*: all of them as its frame, so that no warm-up is looked for."""
    start_ms = end_ms - then.minutes * MINUTE_MS
    return HistoryPlan(start_ms, start_ms, end_ms, gaps)


async def _minutes_then(
    run_id: str, source: CandleSource, symbol: str, plan: HistoryPlan, then: CandleFacts
) -> Candles:
    _, prepared = await read_history(source, symbol, plan)
    now = fingerprint(prepared.candles)
    if now != then.fingerprint:
        raise DataError(
            f"{symbol}: expected the candles that run {run_id} read, fingerprint {then.fingerprint[:_SHOWN_DIGITS]}…,"
            f" found others, {now[:_SHOWN_DIGITS]}…: they have changed since"
        )
    return prepared.candles


def _span_text(start_ms: int, end_ms: int) -> str:
    return f"{utc_text(start_ms)} to {utc_text(end_ms)}"

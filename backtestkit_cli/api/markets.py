"""Registering where candles come from, and which of them a run may use."""

from datetime import datetime
from typing import Any

from backtestkit_cli.api.arguments import instant
from backtestkit_cli.api.exchange_class import cache_option, check_exchange_class
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import ExchangeSpec, FrameSpec
from backtestkit_cli.errors import ConfigError


def add_exchange(name: str, *, kind: str | None = None, source: object = None, note: str = "", **options: Any) -> None:  # noqa: ANN401 - options of any kind
    """Register a candle source: one of a *kind* such as `demo`, `csv` or `sql` with its options, or *source*.

    That is a class made without arguments, or an instance, with `get_candles(symbol, interval, since, limit)` (sync
    or async), `format_price(symbol, price)` and `format_quantity(symbol, quantity)`; `cache=True` keeps its candles.

    Raises:
        ConfigError: the name is taken, neither or both of *kind* and *source* are given, or an option is unknown.
        StrategyError: *source* lacks a method, or one takes other arguments.
    """
    where = caller()
    if (kind is None) == (source is None):
        raise ConfigError(f"{where}: exchange {name!r} needs either kind or source, and not both")
    if source is not None:
        check_exchange_class(source, f"{where}: exchange {name!r}")
        options = {"source": source, "cache": cache_option(options, where)}
    spec = ExchangeSpec(name=name, kind=kind or "class", options=options, note=note, where=where)
    add("exchange", spec, registry().exchanges)


def add_frame(name: str, *, start: datetime | str, end: datetime | str, note: str = "") -> None:
    """Register a history window `[start, end)`; datetimes or ISO 8601 text, UTC where nothing else is said."""
    where = caller()
    start_ms, end_ms = (instant(moment, where) for moment in (start, end))
    if start_ms >= end_ms:
        raise ConfigError(f"{where}: frame {name!r} must start before it ends, was {start} to {end}")
    add("frame", FrameSpec(name=name, start_ms=start_ms, end_ms=end_ms, note=note, where=where), registry().frames)

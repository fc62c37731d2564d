"""What a run is to do, after every name has been resolved and before the first candle."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from backtestkit_cli.api.specs import ServiceSpec, StrategySpec
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import DataError, VenueError
from backtestkit_cli.events.bus import Listener
from backtestkit_cli.ports import CandleSource

Unavailable: TypeAlias = DataError | VenueError
"""Why the candles of a symbol could not be had."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """One run: strategies × symbols on one source and one frame.

    `settings` are those in force for each strategy by name, `source_hashes` the SHA-256 of the file each
    came from. `max_concurrent` bounds the sessions that are active at once, None for all. `problems` are symbols
    that are known to have no candles: their sessions fail without asking again.
    """

    mode: str
    strategies: tuple[StrategySpec, ...]
    symbols: tuple[str, ...]
    exchange: str
    source: CandleSource
    source_facts: Mapping[str, Any]
    frame: str
    start_ms: int
    end_ms: int
    settings: Mapping[str, Settings]
    source_hashes: Mapping[str, str]
    listeners: tuple[Listener, ...] = ()
    services: Mapping[type, ServiceSpec] = field(default_factory=dict)
    max_concurrent: int | None = None
    problems: Mapping[str, Unavailable] = field(default_factory=dict)

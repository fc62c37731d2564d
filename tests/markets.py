"""Builders of small markets and runs for tests: candles by hand, plans of one strategy."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import COLUMNS, Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import MissingCandlesError
from backtestkit_cli.runs.jobs import jobs_of
from backtestkit_cli.runs.plan import RunPlan

START_MS = 1_735_689_600_000  # 2025-01-01 00:00 UTC


def candles_of(closes: Sequence[float], *, start_ms: int = START_MS, spread: float = 0.0) -> Candles:
    """Return minutes that open at the close before them and reach *spread* (a rate) beyond open and close."""
    close = np.array(closes, float)
    opened = np.concatenate(([close[0]], close[:-1]))
    return Candles.frozen(
        start_ms + np.arange(len(close)) * MINUTE_MS,
        opened,
        np.maximum(opened, close) * (1 + spread),
        np.minimum(opened, close) * (1 - spread),
        close,
        np.ones(len(close)),
    )


def after_a_quiet_hour(candles: Candles) -> Candles:
    """Return *candles* after an hour of the price with which they begin: a run reads what comes before its start."""
    first = candles[0]
    quiet = candles_of([first.open] * 60, start_ms=first.timestamp - 60 * MINUTE_MS)
    return Candles.joined([quiet, candles])


def random_candles(seed: int, minutes: int, *, volatility: float = 0.004, price: float = 100.0) -> Candles:
    """Return a random walk with wicks, gaps and quiet minutes, the same for the same arguments."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, volatility, minutes) * (rng.random(minutes) < 0.8)
    close = price * np.exp(np.cumsum(steps))
    gaps = np.exp(rng.normal(0, volatility, minutes) * (rng.random(minutes) < 0.1))
    opened = np.concatenate(([price], close[:-1])) * gaps
    wick = np.abs(rng.normal(0, volatility, (2, minutes)))
    return Candles.frozen(
        START_MS + np.arange(minutes) * MINUTE_MS,
        opened,
        np.maximum(opened, close) * (1 + wick[0]),
        np.minimum(opened, close) * (1 - wick[1]),
        close,
        np.round(rng.random(minutes) * 5) * (rng.random(minutes) < 0.9),
    )


def with_holes(candles: Candles, seed: int, share: float, *, keep: int = 5) -> Candles:
    """Return *candles* but for about *share* of them, in holes of all lengths; the first *keep* and the last stay."""
    rng = np.random.default_rng(seed)
    lost = np.zeros(len(candles), bool)
    while lost.mean() < share:
        begin = rng.integers(len(candles))
        lost[begin : begin + int(rng.geometric(0.2))] = True
    lost[:keep] = lost[-1:] = False
    return Candles.frozen(*(getattr(candles, name)[~lost] for name in COLUMNS))


class Held(LocalSource):
    """A source of candles held in memory, by symbol."""

    name = "held"
    is_synthetic = True

    def __init__(self, candles: Mapping[str, Candles]) -> None:
        """Serve *candles*."""
        self._candles = dict(candles)

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the minutes within the span."""
        assert interval == "1m"
        if symbol not in self._candles:
            raise MissingCandlesError(f"{symbol}: no candles in {self.name}")
        candles = self._candles[symbol]
        first, last = np.searchsorted(candles.timestamp, [start_ms, end_ms]).tolist()
        return candles.slice(first, last)


def registered(register: Callable[[], None]) -> Registry:
    """Return what *register* registers."""
    with registering_in(Registry()) as registry:
        register()
    return registry


def plan_for(
    registry: Registry,
    candles: Mapping[str, Candles],
    *,
    warm_up: int = 5,
    settings: Settings | None = None,
    symbols: Sequence[str] | None = None,
    **changes: Any,
) -> RunPlan:
    """Return a run of all of *registry* over all minutes of *candles* but the first *warm_up*."""
    first = next(iter(candles.values()))
    return RunPlan(
        mode="backtest",
        strategies=tuple(replace(spec, warm_up={"1m": warm_up}) for spec in registry.strategies.values()),
        symbols=tuple(symbols or candles),
        exchange="held",
        source=Held(candles),
        source_facts={"kind": "held"},
        frame="all",
        start_ms=int(first.timestamp[0]) + warm_up * MINUTE_MS,
        end_ms=int(first.timestamp[-1]) + MINUTE_MS,
        settings={name: settings or Settings() for name in registry.strategies},
        source_hashes=dict.fromkeys(registry.strategies, "none"),
        listeners=tuple(registry.listeners),
        jobs=jobs_of(registry, symbols or candles),
        services=dict(registry.services),
        **changes,
    )


def flat(minutes: int = 60) -> Candles:
    """Return FLAT: every minute open, high, low and close are 100."""
    return at_levels([100.0] * minutes)


def ramp(minutes: int = 60) -> Candles:
    """Return RAMP: each close is 0.1 above the last, each open is the close before."""
    return candles_of([100 + 0.1 * minute for minute in range(minutes)])


def stair(minutes: int = 120) -> Candles:
    """Return STAIR: flat at 100, from minute 30 at 103, from 60 at 100 again, from 90 at 97."""
    return at_levels([(100.0, 103.0, 100.0, 97.0)[min(minute // 30, 3)] for minute in range(minutes)])


def wick(minutes: int = 60) -> Candles:
    """Return WICK: FLAT, but minute 20 dips to 94.9."""
    return with_candle(flat(minutes), 20, low=94.9)


def both(minutes: int = 60) -> Candles:
    """Return BOTH: FLAT, but minute 20 reaches up to 106 and down to 94."""
    return with_candle(flat(minutes), 20, high=106.0, low=94.0)


def gap(minutes: int = 60) -> Candles:
    """Return GAP: flat at 100 for 20 minutes, then flat at 80."""
    return at_levels([100.0] * 20 + [80.0] * (minutes - 20))


def at_levels(prices: Sequence[float]) -> Candles:
    """Return minutes whose open, high, low and close are all the price of their minute."""
    price = np.array(prices, float)
    times = START_MS + np.arange(len(price)) * MINUTE_MS
    return Candles.frozen(times, price, price, price, price, np.ones(len(price)))


def with_candle(candles: Candles, row: int, **numbers: float) -> Candles:
    """Return *candles* with some numbers (`open`, `high`, `low`, `close`, `volume`) of one of them changed."""
    columns = {name: getattr(candles, name).copy() for name in COLUMNS}
    for name, number in numbers.items():
        columns[name][row] = number
    return Candles.frozen(*columns.values())

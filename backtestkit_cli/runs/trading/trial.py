"""The trial of the broker that a config describes: its parts, and its steps."""

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass

from backtestkit_cli.api.registry import Registry
from backtestkit_cli.config.exchanges import CcxtExchange
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.errors import ConfigError, MissingCandlesError
from backtestkit_cli.ports import Broker, CandleSource
from backtestkit_cli.runs.assembly import exchange_in, source_of
from backtestkit_cli.runs.broker_trial.desk import Step
from backtestkit_cli.runs.broker_trial.steps import broker_steps
from backtestkit_cli.runs.sources import access_of, now_ms
from backtestkit_cli.runs.trading.venue import broker_at, missing_keys, venue_facts

_PRICE_MINUTES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What is tried, on one symbol; a dry one sends no order and needs no keys."""

    exchange: str
    symbol: str
    broker: Broker
    source: CandleSource
    is_dry: bool


def assemble_trial(
    loaded: LoadedConfig, symbol: str, *, is_dry: bool, environ: Mapping[str, str] | None = None
) -> Trial:
    """Return the trial of the exchange that *loaded* names; nothing is asked of it yet.

    Raises:
        ConfigError: it takes no orders, or its keys are not in *environ*.
    """
    environ = os.environ if environ is None else environ
    access = access_of(loaded)
    name, exchange = exchange_in(loaded, Registry(), access)
    if not isinstance(exchange, CcxtExchange):
        where = loaded.origins.get("exchange", "exchange")
        raise ConfigError(f"{where}: exchange {name!r}: takes no orders; expected a venue of ccxt, such as binance")
    missing = [] if is_dry else missing_keys(name, environ)
    if missing:
        raise ConfigError([f"--send needs {line}" for line in missing])
    _, source, _ = source_of(loaded, Registry(), access)
    return Trial(
        exchange=name,
        symbol=symbol,
        broker=broker_at(name, venue_facts(exchange), environ, now_ms),
        source=source,
        is_dry=is_dry,
    )


async def trial_steps(trial: Trial) -> AsyncGenerator[Step, None]:
    """Yield each step once it is done; whatever happens, nothing is left at the venue that can be taken back.

    Raises:
        DataError: there is no price to go by.
        VenueError: the venue was not reached for one.
    """
    try:
        price = await _last_price(trial.source, trial.symbol)
        steps = broker_steps(trial.broker, trial.symbol, price, now_ms=now_ms(), is_dry=trial.is_dry)
        async with aclosing(steps):
            async for step in steps:
                yield step
    finally:
        await trial.source.close()
        await trial.broker.disconnect()


async def _last_price(source: CandleSource, symbol: str) -> float:
    end_ms = now_ms() // MINUTE_MS * MINUTE_MS
    candles = await source.fetch(symbol, "1m", end_ms - _PRICE_MINUTES * MINUTE_MS, end_ms)
    if not len(candles.close):
        raise MissingCandlesError(f"{symbol}: expected a candle of the last hour for its price, found none")
    return float(candles.close[-1])

"""The cache by the names people use: which series they mean, and damaged ones fetched anew."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from backtestkit_cli.api.registry import Registry
from backtestkit_cli.config.choices import exchange_name, exchange_of
from backtestkit_cli.config.exchanges import CacheExchange, CcxtExchange
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey
from backtestkit_cli.data.cache.source import CachedSource, PlainRules
from backtestkit_cli.data.cache.upkeep import FileCheck, verify
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.runs.assembly import source_of
from backtestkit_cli.runs.sources import access_of


def series_key(loaded: LoadedConfig, exchange: str | None, symbol: str, interval: str) -> SeriesKey:
    """Return the series of *symbol*, in any of its spellings, at *exchange* (default: that of the config).

    Raises:
        ConfigError: the exchange keeps no cache.
        UnknownNameError: *interval* is none.
    """
    from backtestkit_cli.exchange.ids import exchange_ids
    from backtestkit_cli.exchange.symbols import cache_name

    interval_ms(interval)
    name = exchange or exchange_name(loaded.config)
    described = exchange_of(loaded.config, name)
    if not isinstance(described, CcxtExchange | CacheExchange | None):
        raise ConfigError(f"exchange {name!r} is of kind {described.kind}, which keeps no cache: give --exchange NAME")
    if isinstance(described, CcxtExchange):
        return SeriesKey(name, cache_name(symbol, described.market), interval)
    is_venue = described is None and name in exchange_ids()
    return SeriesKey(name, cache_name(symbol, "spot") if is_venue else PlainRules().cache_name(symbol), interval)


async def verified(loaded: LoadedConfig, wanted: Callable[[SeriesKey], bool], *, refetch: bool) -> list[FileCheck]:
    """Return what checking the files of all *wanted* series found.

    With *refetch* damaged files are moved aside, and their candles asked of the exchange the folder is named
    after, as far as the config or ccxt knows it.
    """
    folder = CacheFolder(Path(loaded.config.data))
    sources: dict[str, CachedSource] = {}

    async def fetch(key: SeriesKey, span: Span) -> None:
        if key.exchange not in sources:
            sources[key.exchange] = _cached_source(loaded, key.exchange)
        await sources[key.exchange].warm(key.symbol, key.interval, *span)

    try:
        return await verify(folder, wanted=wanted, moves=refetch, refetch=fetch if refetch else None)
    finally:
        for source in sources.values():
            await source.close()


def _cached_source(loaded: LoadedConfig, name: str) -> CachedSource:
    config = loaded.config
    if exchange_name(config) != name:
        loaded = replace(loaded, config=config.model_copy(update={"exchange": name}))
    _, source, facts = source_of(loaded, Registry(), access_of(loaded))
    if not isinstance(source, CachedSource):
        raise ConfigError(f"exchange {name!r} is of kind {facts['kind']}: expected one whose candles are fetched")
    return source

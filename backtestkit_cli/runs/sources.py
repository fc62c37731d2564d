"""Which candle source is real: the adapter for each kind of exchange, behind the cache where its candles are remote."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from backtestkit_cli.config.exchanges import (
    CacheExchange,
    CcxtExchange,
    CsvExchange,
    DemoExchange,
    ExchangeConfig,
    ParquetExchange,
    SqlExchange,
)
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.secrets import without_secrets
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.ports import CandleSource, RemoteSource

if TYPE_CHECKING:  # it brings polars, which a run on the demo market imports later
    from backtestkit_cli.data.cache.filling import FetchProgress
    from backtestkit_cli.exchange.retrying import Retry
    from backtestkit_cli.exchange.source import CcxtSource

OWN_CLASS = "class"
"""The kind of an exchange that is a class of the author's."""

_CIRCUMSTANCES = ("attempts", "first_wait_seconds", "max_wait_seconds", "timeout_seconds")


@dataclass(frozen=True, slots=True, kw_only=True)
class DataAccess:
    """How candles may be reached: the folder of the cache, and whether it is written to and the network is used.

    `on_progress` is told how far fetching has come, `on_damage` of each file of the cache found damaged, and
    `on_wait` of each wait for a venue; the latter two in one line.
    """

    folder: Path
    writes: bool = True
    offline: bool = False
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    on_progress: "Callable[[FetchProgress], None] | None" = None
    on_damage: Callable[[str], None] | None = None
    on_wait: Callable[[str], None] | None = None


def access_of(loaded: LoadedConfig) -> DataAccess:
    """Return the access that *loaded* allows, which tells nobody what goes on."""
    config = loaded.config
    return DataAccess(folder=Path(config.data), writes=config.cache, offline=config.offline)


def venue_called(name: str) -> dict[str, object] | None:
    """Return what the name of an exchange describes where it is one of ccxt, else None."""
    from backtestkit_cli.exchange.ids import exchange_ids

    return {"kind": "ccxt", "id": name} if name in exchange_ids() else None


def now_ms() -> int:
    """Return real time in Unix milliseconds."""
    return time.time_ns() // 1_000_000


def build_source(name: str, exchange: ExchangeConfig, access: DataAccess) -> CandleSource:
    """Return the source called *name* that *exchange* describes; nothing is opened or imported that is not needed.

    Raises:
        ConfigError: the exchange cannot be meant so, or needs the network that *access* forbids.
    """
    match exchange:
        case DemoExchange():
            from backtestkit_cli.data.demo import DemoMarket

            return DemoMarket(seed=exchange.seed)
        case ParquetExchange() | CsvExchange():
            from backtestkit_cli.data.files.names import CSV_SUFFIXES, PARQUET_SUFFIXES
            from backtestkit_cli.data.files.source import CandleFiles

            return CandleFiles(
                Path(exchange.path).expanduser(),
                name,
                suffixes=CSV_SUFFIXES if isinstance(exchange, CsvExchange) else PARQUET_SUFFIXES,
                symbol=exchange.symbol,
                interval=exchange.interval,
            )
        case SqlExchange():
            return _sql_table(name, exchange, access)
        case CacheExchange():
            return _cached(exchange.name, None, access)
        case CcxtExchange():
            return _ccxt(name, exchange, access)


def build_own_source(name: str, theirs: object, access: DataAccess, *, cached: bool, where: str) -> CandleSource:
    """Return the author's own class of candles as the source called *name*, behind the cache if it is *cached*."""
    from backtestkit_cli.data.user_class import UserSource

    own = UserSource(name, theirs, now_ms=now_ms, where=where)
    if not cached:
        return own
    return _cached(name, None if access.offline else own, access, rules=own, owner=facts_of_own(theirs))


def facts_of_own(theirs: object) -> dict[str, str]:
    """Return what sets the author's own class apart from others."""
    kind = theirs if isinstance(theirs, type) else type(theirs)
    return {"kind": OWN_CLASS, "class": kind.__qualname__}


def facts_of_source(exchange: ExchangeConfig) -> dict[str, Any]:
    """Return what of *exchange* decides which candles there are: equal runs on two machines have equal facts."""
    facts = exchange.model_dump(exclude={"name", *_CIRCUMSTANCES}, exclude_defaults=True)
    match exchange:
        case DemoExchange(seed=seed):
            facts["seed"] = seed
        case ParquetExchange(path=path) | CsvExchange(path=path):
            facts["path"] = _base_name(path)
        case SqlExchange(url=url):
            facts["url"] = _base_name(url) if url.startswith("sqlite") else without_secrets(url)
        case CcxtExchange(url=str(url)):
            facts["url"] = _host_of(url)
        case _:
            pass
    return {"kind": exchange.kind, **facts}


def _host_of(url: str) -> str:
    """Return host and port of *url*, without the name and password that may stand before them."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _base_name(path: str) -> str:
    return path.replace("\\", "/").rstrip("/").rpartition("/")[2]


def _sql_table(name: str, exchange: SqlExchange, access: DataAccess) -> CandleSource:
    from backtestkit_cli.data.sql.source import SqlTable

    if access.offline and not exchange.url.startswith("sqlite"):
        raise ConfigError(f"exchange {name!r} is a database across the network, which --offline forbids")
    return SqlTable(
        exchange.url,
        exchange.table,
        name,
        columns=exchange.columns,
        symbol=exchange.symbol,
        interval=exchange.interval,
        precision_table=exchange.precision_table,
    )


def venue_of(name: str, exchange: CcxtExchange, access: DataAccess, *, retry: "Retry | None" = None) -> "CcxtSource":
    """Return the venue called *name* itself, without a cache; *retry* goes before what *exchange* says of patience."""
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.exchange.retrying import Retry
    from backtestkit_cli.exchange.source import CcxtSource

    stated = Retry(
        attempts=exchange.attempts,
        first_wait_seconds=exchange.first_wait_seconds,
        max_wait_seconds=exchange.max_wait_seconds,
        timeout_seconds=exchange.timeout_seconds,
    )
    return CcxtSource(
        name=name,
        exchange_id=exchange.id,
        market=exchange.market,
        url=exchange.url,
        retry=retry or stated,
        environ=access.environ,
        now_ms=now_ms,
        markets_file=CacheFolder(access.folder).exchange(name) / "markets.json",
        writes=access.writes,
        on_wait=access.on_wait,
    )


def _ccxt(name: str, exchange: CcxtExchange, access: DataAccess) -> CandleSource:
    venue = venue_of(name, exchange, access)
    owner = {"id": exchange.id, "market": exchange.market}
    if exchange.url is not None:
        owner["host"] = _host_of(exchange.url)
    return _cached(name, None if access.offline else venue, access, rules=venue, owner=owner)


def _cached(
    name: str,
    remote: RemoteSource | None,
    access: DataAccess,
    *,
    rules: RemoteSource | None = None,
    owner: Mapping[str, str] | None = None,
) -> CandleSource:
    """Return what reads *remote* through the cache; candles of *owner* and of others never share a folder."""
    from backtestkit_cli.data.cache.claims import claim
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.data.cache.source import CachedSource

    folder = CacheFolder(access.folder)
    if owner is not None:
        claim(folder.exchange(name), owner, writes=access.writes and not access.offline)
    return CachedSource(
        remote,
        folder,
        name,
        now_ms=now_ms,
        writes=access.writes,
        rules=rules,
        on_progress=access.on_progress,
        on_damage=access.on_damage,
    )

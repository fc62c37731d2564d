"""All checks of `btk doctor`, side by side, none of them for ever."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from backtestkit_cli.api.registry import Registry
from backtestkit_cli.config.exchanges import CcxtExchange
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.domain.stores import StoreKind
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import BacktestKitError, ConfigError
from backtestkit_cli.runs.assembly import entry_of, exchange_in
from backtestkit_cli.runs.doctor import machine
from backtestkit_cli.runs.doctor.alerts import alerts
from backtestkit_cli.runs.doctor.findings import Finding, failures, fine
from backtestkit_cli.runs.doctor.state import state
from backtestkit_cli.runs.doctor.venue import KeyHolder, broker_of, keys, reached
from backtestkit_cli.runs.doctor.waiting import bounded, in_thread
from backtestkit_cli.runs.sources import access_of
from backtestkit_cli.runs.trading.held import TRADING_MODES

_FILE = StoreKind.FILE
_OTHER, _CONFIG, _STORE, _VENUE = 1, 2, 3, 5

MakeBroker = Callable[[str, CcxtExchange, Mapping[str, str]], KeyHolder]
"""Returns what asks an exchange, by name and description, about the keys in the environment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """What is examined: the config that *load* returns, and what it does not say itself.

    `broker` makes who asks a venue what keys may do. `reaches_alerts` says that the places that are told of what
    happens are connected to. A check takes at most `seconds`, one of a venue three times as long: its list of
    markets may be large.
    """

    load: Callable[[], LoadedConfig]
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    broker: MakeBroker = broker_of
    reaches_alerts: bool = False
    seconds: float = 10.0


async def examine(premises: Premises) -> list[Finding]:
    """Return what all checks found, in the order in which they had better be mended."""
    first = machine.packages()
    try:
        loaded = premises.load()
    except ConfigError as error:
        return [*first, *failures("config", error, "mend it; btk check config shows what it says")]
    beside = f", {counted(len(loaded.given), 'value')} from flags and environment" if loaded.given else ""
    first.append(fine("config", f"{loaded.file or 'no file'}{beside}"))
    registry, entry = await _entry(loaded, premises.seconds)
    return [*first, *entry, *await _side_by_side(premises, loaded, registry)]


async def _entry(loaded: LoadedConfig, seconds: float) -> tuple[Registry, list[Finding]]:
    """Return what the strategy file registers, nothing where it does not load, and what is to say of it."""
    found: list[Registry] = []

    async def look() -> list[Finding]:
        try:
            found.append((await in_thread(lambda: entry_of(loaded))).registry)
        except BacktestKitError as error:
            return failures("entry", error, "mend the strategy file")
        return [fine("entry", f"{loaded.config.entry}: {', '.join(sorted(found[0].strategies))}")]

    if loaded.config.entry is None:
        return Registry(), []
    told = await bounded("entry", look(), seconds, _CONFIG)
    return found[0] if found else Registry(), told


async def _side_by_side(premises: Premises, loaded: LoadedConfig, registry: Registry) -> list[Finding]:
    data, out = Path(loaded.config.data), Path(loaded.config.out)
    stores = [options for options, _ in loaded.config.store.shared(TRADING_MODES)]
    places = dict.fromkeys(Path(one.folder) for options in stores for one in options.places if one.kind is _FILE)
    checks: list[tuple[str, Awaitable[Sequence[Finding]], int]] = [
        ("data folder", in_thread(lambda: machine.folder("data folder", data, _OTHER)), _OTHER),
        ("out folder", in_thread(lambda: machine.folder("out folder", out, _OTHER)), _OTHER),
        *(("state folder", in_thread(partial(machine.folder, "state folder", one, _STORE)), _STORE) for one in places),
        ("cache", in_thread(lambda: machine.cache(data)), _OTHER),
        *(("store", in_thread(partial(state, options, premises.environ)), _STORE) for options in stores),
    ]
    found: list[Finding] = []
    try:
        checks += _of_venue(premises, loaded, registry)
    except ConfigError as error:
        found = failures("exchange", error, "name another exchange, or describe this one")
    told = alerts(loaded.config.alerts, premises.environ, reaches=premises.reaches_alerts)
    checks.append(("alerts", told, _OTHER))
    patience = {_VENUE: 3 * premises.seconds}
    looking = (bounded(check, looks, patience.get(code, premises.seconds), code) for check, looks, code in checks)
    return [*found, *(one for several in await asyncio.gather(*looking) for one in several)]


def _of_venue(
    premises: Premises, loaded: LoadedConfig, registry: Registry
) -> list[tuple[str, Awaitable[Sequence[Finding]], int]]:
    """Return the checks of the exchange of *loaded*; only a venue of ccxt is asked anything.

    Raises:
        ConfigError: there is no such exchange.
    """
    access = replace(access_of(loaded), environ=premises.environ, writes=False)
    name, exchange = exchange_in(loaded, registry, access)
    if not isinstance(exchange, CcxtExchange) or access.offline:
        why = "offline: not asked" if access.offline else "no venue across the network"
        return [("venue", _told(fine("venue", f"{name}: {why}")), _VENUE)]
    skew_seconds = loaded.config.trading.max_clock_skew_seconds
    asking = reached(name, exchange, access, loaded.config.symbols, skew_seconds)
    broker = partial(premises.broker, name, exchange, premises.environ)
    return [("venue", asking, _VENUE), ("keys", keys(name, premises.environ, broker), _VENUE)]


async def _told(finding: Finding) -> list[Finding]:
    return [finding]

"""From a config to a trading run whose every part is known: what cannot trade is refused before anything starts."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from backtestkit_cli.alerts.building import sinks_of
from backtestkit_cli.config.exchanges import CcxtExchange
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.origins import dotted
from backtestkit_cli.config.stores import FORGETFUL, forgetful
from backtestkit_cli.domain.alerts import AlertsOptions
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.domain.stores import SCHEMES, StoreOptions, url_of
from backtestkit_cli.domain.trading import ExitsAt, OnStop
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.exchange.retrying import Retry
from backtestkit_cli.runs.assembly import assemble, entry_of, venue_described
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.sources import DataAccess, access_of, now_ms, venue_of
from backtestkit_cli.runs.trading.plan import LIVE, TradingPlan
from backtestkit_cli.runs.trading.venue import missing_keys, venue_facts

VENUE = "ccxt"
_GOING_ON = (VENUE, "demo", "class")
_FROM_NOW = ("", 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """History in the place of the present; `speed` is minutes of it a minute of real time, None for no limit."""

    speed: float | None = None


def assemble_trading(
    loaded: LoadedConfig,
    *,
    mode: str,
    replay: Replay | None = None,
    access: DataAccess | None = None,
    told: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
) -> TradingPlan:
    """Return the plan of the run in *mode*, `paper` or `live`, that *loaded* describes.

    *told* is what the manifest keeps besides. Keys and secrets are looked for in *environ*, but not taken from it.

    Raises:
        ConfigError: a name is unknown, a variable is missing, or something cannot trade as it is described.
        StrategyError: the entry does not load or does not hold the strategy.
    """
    config = loaded.config
    environ = os.environ if environ is None else environ
    alerts = config.alerts if config.alerts.is_on and replay is None else None
    access, module = access or access_of(loaded), entry_of(loaded)
    run = assemble(loaded, mode=mode, access=access, module=module, span=None if replay else _FROM_NOW)
    venue = None
    if replay is None and run.source_facts["kind"] == VENUE:  # the newest minute is in no cache
        described = venue_described(loaded, module.registry, access)
        run = replace(run, source=venue_of(run.exchange, described, access, retry=_hasty(described)))
        venue = venue_facts(described)
    wrong = [*_unfit(run, loaded, is_replay=replay is not None), *_missing_variables(run, alerts, environ)]
    store = config.store.of(mode)
    wrong += [] if replay is not None else list(_unknown_places(store, environ))
    if wrong:
        raise ConfigError(wrong)
    return TradingPlan(
        run=run,
        options=config.trading,
        paper=config.paper,
        store=store,
        alerts=alerts,
        venue=venue,
        is_replay=replay is not None,
        speed=None if replay is None else replay.speed,
        out=config.out,
        told=told or {},
    )


def _hasty(described: CcxtExchange) -> Retry:
    """Return the patience of a run whose ticks cannot wait for as long as a download can."""
    return Retry(
        attempts=min(described.attempts, 3),
        first_wait_seconds=min(described.first_wait_seconds, 0.5),
        max_wait_seconds=min(described.max_wait_seconds, 2.0),
        timeout_seconds=min(described.timeout_seconds, 5.0),
    )


def cautions(plan: TradingPlan) -> Iterator[str]:
    """Yield what whoever starts *plan* had better know."""
    rests = plan.options.exits is ExitsAt.VENUE
    polled = sorted(n for n, settings in plan.run.settings.items() if settings.fill_model is FillModelName.VWAP)
    if plan.run.mode != LIVE:
        return
    if rests and polled:
        yield (
            f"{', '.join(polled)}: fill model vwap judges exits by the average price of a tick, but at the venue "
            "a touch is enough (trading.exits: venue): trades will end sooner than in the backtest; "
            "--set fill_model=candle shows what to expect"
        )
    if not rests:
        keeps = plan.options.on_stop is OnStop.KEEP
        end = ", nor once this has stopped, which keeps them" if keeps else ""
        yield f"trading.exits: engine: no stop rests at the venue, so none holds while this machine is off{end}"
    if len(plan.run.strategies) > 1:
        names = ", ".join(sorted(spec.name for spec in plan.run.strategies))
        yield f"{names}: all trade one account: each sees its own positions only"


def _unfit(run: RunPlan, loaded: LoadedConfig, *, is_replay: bool) -> Iterator[str]:
    """Yield what speaks against trading *run* on its exchange."""
    where, kind = loaded.origins.get("exchange", "exchange"), run.source_facts["kind"]
    if run.mode == LIVE and kind != VENUE:
        yield (
            f"{where}: exchange {run.exchange!r}: takes no orders; expected a venue of ccxt, such as binance, "
            f"found kind {kind}; btk paper trades on it without orders"
        )
    elif not is_replay and kind not in _GOING_ON:
        yield (
            f"{where}: exchange {run.exchange!r} is of kind {kind}, which has no new candles: "
            "expected a venue or demo; btk paper --replay trades on its history"
        )
    if run.mode == LIVE:
        for key in forgetful(loaded.config.store.of(LIVE)):
            at = dotted(("store", *key))
            yield f"{loaded.origins[at]}: {at}: {FORGETFUL}"
    if loaded.config.offline and not is_replay and kind == VENUE:
        yield f"{loaded.origins['offline']}: offline: btk {run.mode} on a venue needs the network"


def _unknown_places(store: StoreOptions, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each server of *store* of which nobody says where it is."""
    for place in store.places:
        try:
            if place.url or place.url_env or place.kind in SCHEMES:
                url_of(place, environ)
        except ConfigError as error:
            yield from error.problems


def _missing_variables(run: RunPlan, alerts: AlertsOptions | None, environ: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for everything that has to be in the environment and is not."""
    if run.mode == LIVE and run.source_facts["kind"] == VENUE:
        yield from (f"btk live needs {line}" for line in missing_keys(run.exchange, environ))
    if alerts is not None:
        try:
            sinks_of(alerts, environ, now_ms)
        except ConfigError as error:
            yield from error.problems

"""Registering strategies."""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from backtestkit_cli.api.arguments import check_count, check_function, check_interval, mapping_of, names_of, takes
from backtestkit_cli.api.callbacks import Callbacks, by_event
from backtestkit_cli.api.plugins import checked_plugins
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import Columns, GetSignal, StrategySpec, Validator
from backtestkit_cli.errors import ConfigError


def add_strategy(  # noqa: PLR0913 - one keyword a part, most are left out
    name: str,
    *,
    interval: str = "1m",
    get_signal: GetSignal | None = None,
    entries: Columns | None = None,
    indicators: Columns | Mapping[str, Columns] | None = None,
    warm_up: Mapping[str, int] | None = None,
    settings: Mapping[str, Any] | None = None,
    risk: str | Iterable[str] = (),
    sizing: str | None = None,
    validate: Validator | Iterable[Validator] = (),
    plugins: Iterable[object] = (),
    note: str = "",
    **callbacks: Unpack[Callbacks],
) -> None:
    """Register a strategy: either `get_signal`, asked once per slot of *interval*, or `entries`, whole columns.

    Args:
        name: How configs and reports call it.
        interval: `1m` … `1d`, the slot of `get_signal` or the candles of `entries`.
        get_signal: `(symbol, when, price)` → `Signal` or None, sync or async.
        entries: `candles` → columns `side` (1, -1, 0), `take_profit`, `stop_loss`, and optionally
            `price_open`, `minutes`, `cost`; row *i* may use rows up to *i*. A flat session takes the row of
            the newest closed candle, once a slot, just as it would ask `get_signal`.
        indicators: `candles` → named columns, read with `get_indicator`; of the strategy's interval,
            or a mapping from interval to function.
        warm_up: Closed candles needed before the frame starts, by interval: `{"1h": 50}`.
        settings: Defaults of this strategy for the run's settings; config and flags override them.
        risk: The risk profile its signals must pass, or several.
        sizing: The sizing of its entries that name no `cost`.
        validate: `(signal, price)` → why the signal must not be, or None; or several of these. They are asked
            about signals that keep the rules; a text or an exception makes the signal invalid.
        plugins: Objects with any of `init()`, `dispose()` and the callbacks below, or classes made without
            arguments, of which every run makes its own. Of one event the strategy's callback hears first,
            then its plug-ins in order, then those who `listen`, in the order they subscribed.
        note: One line for people.
        **callbacks: `on_schedule`, a signal of this strategy waits for its entry; `on_open`, a position opened;
            `on_active`, every minute that a position stays open, the place for commands; `on_close`, a position
            became a trade; `on_cancel`, a waiting signal ended without opening; `on_refused`, a rule, a sizing
            or the account kept a signal from opening; `on_average`, `on_reduce`, more was bought, a part was
            sold; `on_stop_moved`, `on_target_moved`, a level moved; `on_partial_profit`, `on_partial_loss`, a
            partial level was reached; `on_tick`, every minute of the frame; `on_idle`, every minute with
            nothing open and nothing waiting; `on_error`, code of the strategy failed; `on_end`, a symbol of
            the strategy is through.

    Raises:
        ConfigError: the name is taken, or the parts contradict each other.
    """
    where = caller()
    if (get_signal is None) == (entries is None):
        raise ConfigError(f"{where}: strategy {name!r} needs either get_signal or entries, and not both")
    if get_signal is not None:
        check_function(get_signal, 3, "get_signal, a function of symbol, when and price", where)
    if entries is not None:
        check_function(entries, 1, "entries, a function of candles", where)
    if sizing is not None and not isinstance(sizing, str):
        raise ConfigError(f"{where}: expected the name of a sizing, found {sizing!r}")
    kept = {interval: indicators} if callable(indicators) else indicators
    by_interval = mapping_of(kept, "indicators, functions by interval", where)
    counts = mapping_of(warm_up, "warm_up, counts of candles by interval", where)
    for text in (interval, *by_interval, *counts):
        check_interval(text, where)
    for text, count in counts.items():
        check_count(text, count, where)
    spec = StrategySpec(
        name=name,
        interval=interval,
        get_signal=get_signal,
        entries=entries,
        indicators=by_interval,
        warm_up=counts,
        settings=mapping_of(settings, "settings, values by name", where),
        callbacks=by_event(callbacks, add_strategy.__kwdefaults__ or {}, where),
        risk=names_of(risk, "a risk profile", where),
        sizing=sizing,
        validators=_checked_validators(validate, where),
        plugins=checked_plugins(plugins, where),
        note=note,
        where=where,
    )
    add("strategy", spec, registry().strategies)


def _checked_validators(validate: Any, where: str) -> tuple[Validator, ...]:  # noqa: ANN401 - whatever was given
    validators = tuple(validate) if isinstance(validate, Iterable) else (validate,)
    for validator in validators:
        if not callable(validator) or inspect.iscoroutinefunction(validator) or not takes(validator, 2):
            raise ConfigError(
                f"{where}: validate: expected a function (signal, price) that answers at once, found {validator!r}"
            )
    return validators

"""Stores as they are named on a command line: that of the config, another config, a URL or a folder."""

from collections.abc import Callable
from pathlib import Path

from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.stores import StoreConfig
from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, StoreOptions, url_problem
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.persistence.opening import place_at
from backtestkit_cli.runs.trading.held import TRADING_MODES

CONFIG = "config"
"""How the store of the config is called."""

_YAML = (".yaml", ".yml")


def store_named(
    text: str, mode: str | None, load: Callable[[Path | None], LoadedConfig], *, flag: str, may_be_new: bool
) -> StoreOptions:
    """Return the store that *text*, given as *flag*, names; *load* reads a config file, that of the command for None.

    Raises:
        ConfigError: it is a URL of no store, a folder that is not there unless it *may_be_new*, or each mode has
            another one and *mode* does not say which.
    """
    if "://" in text:
        return StoreOptions(place=_server(text, flag))
    if text == CONFIG:
        return _of_mode(load(None).config.store, mode)
    if text.endswith(_YAML):
        return _of_mode(load(Path(text)).config.store, mode)
    if not text.strip():
        raise ConfigError(f"{flag}: expected {CONFIG}, a URL, a folder or a YAML file, found nothing")
    if not may_be_new and not Path(text).is_dir():
        raise ConfigError(f"{flag}: expected {CONFIG}, a URL, a folder or a YAML file, found no folder {text!r}")
    return StoreOptions(place=PlaceOptions(folder=text))


def checked_mode(mode: str | None) -> str | None:
    """Return *mode*.

    Raises:
        UnknownNameError: nothing is kept in such a mode.
    """
    if mode is not None and mode not in TRADING_MODES:
        raise UnknownNameError("mode", mode, TRADING_MODES, where="--mode")
    return mode


def _server(url: str, flag: str) -> PlaceOptions:
    try:
        place = place_at(url)
    except ConfigError as error:
        raise ConfigError(f"{flag}: {error}") from error
    if problem := url_problem(place.kind, url):
        raise ConfigError(f"{flag}: {problem}")
    return place


def _of_mode(store: StoreConfig, mode: str | None) -> StoreOptions:
    found = store.shared(TRADING_MODES if mode is None else [mode])
    if len(found) > 1:
        modes = " or ".join(TRADING_MODES)
        raise ConfigError(f"--mode: expected {modes}, as each has a store of its own in this config, found none")
    options = found[0][0]
    if options.place.kind is StoreKind.MEMORY:
        raise ConfigError("store.kind: expected a place that outlives a process, found memory: nothing is kept there")
    return options

"""What an object must have to be attached to a strategy as a plug-in."""

import inspect
from collections.abc import Iterable, Iterator
from typing import Any

from backtestkit_cli.api.arguments import takes
from backtestkit_cli.api.callbacks import EVENT_OF
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.events.bus import Handler

_LIFE = ("init", "dispose")


def checked_plugins(plugins: object, where: str) -> tuple[object, ...]:
    """Return *plugins*, each an object or a class made without arguments.

    Raises:
        ConfigError: one has none of the methods of a plug-in, one that there is not, or one of another shape.
    """
    if isinstance(plugins, str) or not isinstance(plugins, Iterable):
        raise ConfigError(f"{where}: plugins: expected a list of objects, found {name_of(plugins)}")
    found = tuple(plugins)
    for plugin in found:
        _check(plugin, f"{where}: plug-in {name_of(plugin)}")
    return found


def name_of(plugin: object) -> str:
    """Return how messages call *plugin*: the name of its class."""
    return plugin.__name__ if isinstance(plugin, type) else type(plugin).__name__


def handlers_of(plugin: object) -> Iterator[tuple[type, Handler[Any]]]:
    """Yield the handlers of *plugin*, an object, each with the kind of event it hears."""
    for name, kind in EVENT_OF.items():
        handler = getattr(plugin, name, None)
        if handler is not None:
            yield kind, handler


def _check(plugin: object, where: str) -> None:
    if isinstance(plugin, type) and not takes(plugin, 0):
        raise ConfigError(f"{where}: expected an object, or a class made without arguments: this one needs some")
    mine = [name for name in dir(plugin) if name.startswith("on_") and callable(getattr(plugin, name, None))]
    for name in mine:
        if name not in EVENT_OF:
            raise UnknownNameError("callback", name, EVENT_OF, where=where)
    methods = [name for name in (*_LIFE, *EVENT_OF) if getattr(plugin, name, None) is not None]
    if not methods:
        known = ", ".join((*_LIFE, *EVENT_OF))
        raise ConfigError(f"{where}: expected one of the methods {known}, found none")
    for name in methods:
        wanted = f"{name}({'' if name in _LIFE else 'event'})"
        method = getattr(plugin, name)
        is_unbound = isinstance(plugin, type) and inspect.isfunction(inspect.getattr_static(plugin, name))
        if not callable(method) or not takes(method, is_unbound + (name not in _LIFE)):
            raise ConfigError(f"{where}: expected a method {wanted}, found {_shape(method)}")


def _shape(method: object) -> str:
    return f"{inspect.signature(method)}" if callable(method) else repr(method)

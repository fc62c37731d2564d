"""What a class of the author's must have to serve as a candle source."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from backtestkit_cli.api.arguments import takes
from backtestkit_cli.errors import ConfigError, StrategyError, UnknownNameError

_NEEDED = {
    "get_candles": ("symbol", "interval", "since", "limit"),
    "format_price": ("symbol", "price"),
    "format_quantity": ("symbol", "quantity"),
}
_OPTIONAL = {"on_candles": ("symbol", "interval", "since", "limit", "candles"), "close": ()}
_ANSWER_AT_ONCE = ("format_price", "format_quantity")


def check_exchange_class(source: object, where: str) -> None:
    """Refuse *source*, a class or an instance, unless its methods take what they will be given.

    Raises:
        StrategyError: a method is missing, takes other arguments or is async where it cannot be; or the
            class cannot be made without arguments. The message starts with *where*.
    """
    name = source.__name__ if isinstance(source, type) else type(source).__name__
    if isinstance(source, type) and not takes(source, 0):
        raise StrategyError(f"{where}: expected a class made without arguments, found {name}{_shape(source)}")
    for method, parameters in {**_NEEDED, **_OPTIONAL}.items():
        wanted = f"{method}({', '.join(parameters)})"
        found = getattr(source, method, None)
        if found is None and method in _OPTIONAL:
            continue
        if not callable(found):
            raise StrategyError(f"{where}: expected a method {wanted}, {name} has none")
        is_unbound = isinstance(source, type) and inspect.isfunction(inspect.getattr_static(source, method))
        if not takes(found, len(parameters) + is_unbound):
            raise StrategyError(f"{where}: expected {wanted}, found {name}.{method}{_shape(found)}")
        if method in _ANSWER_AT_ONCE and inspect.iscoroutinefunction(found):
            raise StrategyError(f"{where}: expected {wanted} to answer at once, found an async {name}.{method}")


def cache_option(options: Mapping[str, object], where: str) -> bool:
    """Return whether the candles of a class are to be kept, the only one of its *options*.

    Raises:
        ConfigError: there is another option, or it is no boolean; the message starts with *where*.
    """
    unknown = options.keys() - {"cache"}
    if unknown:
        raise UnknownNameError("option of a class exchange", min(unknown), ("cache",), where=where)
    cache = options.get("cache", False)
    if not isinstance(cache, bool):
        raise ConfigError(f"{where}: expected cache to be True or False, found {cache!r}")
    return cache


def _shape(function: Callable[..., Any]) -> str:
    parameters = inspect.signature(function).parameters
    return f"({', '.join(map(str, parameters))})"

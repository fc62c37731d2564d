"""Registering jobs."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

from backtestkit_cli.api.arguments import check_interval
from backtestkit_cli.api.registry import add, caller, registry
from backtestkit_cli.api.specs import ALL_SYMBOLS, JobSpec
from backtestkit_cli.domain.boundaries import cron_boundaries
from backtestkit_cli.domain.job import JobCall
from backtestkit_cli.errors import ConfigError


def add_job(
    name: str,
    *,
    every: str | None = None,
    cron: str | None = None,
    symbols: Iterable[str] | str | None = None,
    handler: Callable[[JobCall], Any],
    note: str = "",
) -> None:
    """Register a job: *handler* is called once at each boundary of a run, before any session gets there.

    A call that fails, or takes longer than it may, is an `ErrorOccurred` event, and the next boundary calls again.

    Args:
        name: How events and errors call it.
        every: `1m` … `1d`: where the candles of that interval begin. Either this or *cron*.
        cron: Five fields, in UTC: `0 8 * * MON-FRI`.
        symbols: Call it once for each of these at every boundary, in sorted order, instead of once in all;
            `"all"` is every symbol of the run.
        handler: `call` (a `JobCall`) → anything, sync or async. It sees what a session sees at that time.
        note: One line for people.

    Raises:
        ConfigError: the name is taken, or a value is wrong.
    """
    where = caller()
    place = f"{where}: job {name!r}"
    if (every is None) == (cron is None):
        raise ConfigError(f"{place} needs either every or cron, and not both")
    for text in (every, cron):
        if text is not None and not isinstance(text, str):
            raise ConfigError(f"{place}: expected an interval or a cron expression as text, found {text!r}")
    if every is not None:
        check_interval(every, where)
    if cron is not None:
        _check_cron(cron, place)
    if not _takes_a_call(handler):
        raise ConfigError(f"{place}: expected a handler that takes one argument, found {handler!r}")
    spec = JobSpec(
        name=name,
        every=every,
        cron=cron,
        symbols=_symbols(symbols, place),
        handler=handler,
        note=note,
        where=where,
    )
    add("job", spec, registry().jobs)


def _check_cron(expression: str, place: str) -> None:
    try:
        cron_boundaries(expression, 0)
    except ConfigError as error:
        raise ConfigError(f"{place}: {error}") from None


def _symbols(symbols: Iterable[str] | str | None, place: str) -> tuple[str, ...] | None:
    if symbols is None:
        return None
    if symbols == "all":
        return ALL_SYMBOLS
    listed: list[object] = [] if isinstance(symbols, str) or not isinstance(symbols, Iterable) else list(symbols)
    names = {symbol for symbol in listed if isinstance(symbol, str) and symbol.strip()}
    if not listed or len(names) < len(set(map(repr, listed))):
        raise ConfigError(f"{place}: expected symbols to be a list of them or 'all', found {symbols!r}")
    return tuple(sorted(names))


def _takes_a_call(handler: object) -> bool:
    if not callable(handler):
        return False
    try:
        inspect.signature(handler).bind(None)
    except TypeError:
        return False
    except ValueError:  # built in, without a signature
        return True
    return True

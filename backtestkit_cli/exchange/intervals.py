"""Which of a venue's intervals serves the one that was asked for."""

from collections.abc import Iterable
from typing import NamedTuple

from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import MissingCandlesError, UnknownNameError


class Timeframe(NamedTuple):
    """An interval as the venue calls it, and its length."""

    name: str
    length_ms: int


def timeframes_of(names: Iterable[str]) -> tuple[Timeframe, ...]:
    """Return those of *names* that divide a day into whole minutes, the shortest first; seconds and weeks do not."""
    return tuple(sorted((t for name in names for t in _timeframe(name)), key=lambda timeframe: timeframe.length_ms))


def _timeframe(name: str) -> tuple[Timeframe, ...]:
    try:
        return (Timeframe(name, interval_ms(name)),)
    except UnknownNameError:
        return ()


def serving(interval: str, names: Iterable[str], venue: str) -> Timeframe:
    """Return the longest of a venue's timeframes *names* of which whole ones make one *interval*.

    Raises:
        MissingCandlesError: there is none; the message lists what *venue* has.
        UnknownNameError: *interval* is not one.
    """
    length_ms = interval_ms(interval)
    there = timeframes_of(names)
    if not there:
        raise MissingCandlesError(f"{venue}: no {interval} candles; the venue offers no history of candles")
    fitting = [timeframe for timeframe in there if length_ms % timeframe.length_ms == 0]
    if not fitting:
        has = ", ".join(timeframe.name for timeframe in there)
        raise MissingCandlesError(f"{venue}: no {interval} candles, and none to make them of; the venue has {has}")
    return fitting[-1]

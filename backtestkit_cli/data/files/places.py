"""Which file holds the candles of a symbol and interval: a single file, or one of a folder."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from backtestkit_cli.data.files.names import file_name, has_suffix, is_interval, spellings, stem
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import MissingCandlesError, suggestion


class Place(NamedTuple):
    """A file, and the interval that its name or the user says it has."""

    file: Path
    interval: str | None


class _Entry(NamedTuple):
    """What a folder has of one symbol: a file, or a folder of them."""

    symbols: tuple[str, ...]
    path: Path
    interval: str | None


class Places:
    """The files at one path, by symbol and interval; nothing is remembered.

    A single file holds the symbol it is named after, or the one that the user gives. A folder holds
    `<symbol>/<interval>`, `<symbol>-<interval>` (or `_`) and `<symbol>`, each with one of the suffixes.
    `BTC/USDT` and `BTC/USDT:USDT` find `BTCUSDT`.
    """

    def __init__(self, path: Path, suffixes: tuple[str, ...], symbol: str | None, interval: str | None) -> None:
        """Look at *path*, once asked; *symbol* is what a single file holds, *interval* what its name does not say."""
        self._path = path
        self._suffixes = suffixes
        self._symbol = symbol
        self._interval = interval

    def find(self, symbol: str, interval: str) -> Place:
        """Return the file with the candles of *interval*, else one that may have them, else one of finer candles.

        Raises:
            MissingCandlesError: there is none, and the message says what there is; or the folder cannot be read.
        """
        try:
            return self._found(symbol, interval)
        except OSError as error:
            raise MissingCandlesError(f"{self._path}: cannot be read: {error.strerror or error}") from error

    def _found(self, symbol: str, interval: str) -> Place:
        if self._path.is_file():
            return self._single(symbol)
        if not self._path.is_dir():
            raise MissingCandlesError(f"{self._path}: expected a file of candles or a folder of them, found none")
        entries = self._entries()
        if not entries:
            first = self._suffixes[0]
            raise MissingCandlesError(
                f"{self._path}: expected <symbol>{first} or <symbol>/<interval>{first}, found no such file"
            )
        of_symbol = _named(symbol, entries)
        if not of_symbol:
            known = {entry.symbols[0] for entry in entries}
            raise MissingCandlesError(f"{self._path}: no candles of {symbol!r}{suggestion(symbol, known)}")
        places = [place for entry in of_symbol for place in self._places(entry)]
        place = _nearest(places, interval_ms(interval))
        if place is None:
            lengths = sorted({place.interval for place in places if place.interval}, key=interval_ms)
            there = ", ".join(lengths) or f"no {' or '.join(self._suffixes)} file"
            where = of_symbol[0].path if of_symbol[0].path.is_dir() else self._path
            raise MissingCandlesError(f"{where}: no {interval} candles of {symbol}; there: {there}")
        return place

    def _single(self, symbol: str) -> Place:
        name = file_name(self._path.name)
        symbols = (self._symbol,) if self._symbol else name.symbols
        if not _named(symbol, [_Entry(symbols, self._path, None)]):
            raise MissingCandlesError(f"{self._path}: no candles of {symbol!r}; the file holds {symbols[0]!r}")
        return Place(self._path, self._interval or name.interval)

    def _entries(self) -> list[_Entry]:
        """Return what the folder has, in the order in which it is preferred."""
        entries = []
        for path in sorted(self._path.iterdir(), key=self._rank):
            if path.name.startswith("."):
                continue
            if path.is_dir():
                entries.append(_Entry((path.name,), path, None))
            elif has_suffix(path.name, self._suffixes):
                name = file_name(path.name)
                is_of_interval = name.interval is not None and name.is_whole
                symbols = name.symbols if is_of_interval else (stem(path.name),)
                entries.append(_Entry(symbols, path, name.interval if is_of_interval else self._interval))
        return entries

    def _places(self, entry: _Entry) -> list[Place]:
        """Return the files of *entry*, those of a folder by the interval that they are named after."""
        if not entry.path.is_dir():
            return [Place(entry.path, entry.interval)]
        files = [path for path in sorted(entry.path.iterdir(), key=self._rank) if has_suffix(path.name, self._suffixes)]
        return [Place(file, stem(file.name)) for file in files if is_interval(stem(file.name))]

    def _rank(self, path: Path) -> tuple[bool, int, str]:
        suffix = next((rank for rank, suffix in enumerate(self._suffixes) if has_suffix(path.name, (suffix,))), 0)
        return not path.is_dir(), suffix, path.name


def _named(symbol: str, entries: Sequence[_Entry]) -> list[_Entry]:
    """Return those of *entries* that are named exactly *symbol*, else those that are in a plainer spelling."""
    exact = [entry for entry in entries if symbol in entry.symbols]
    if exact:
        return exact
    for wanted in spellings(symbol)[1:]:
        found = [entry for entry in entries if any(wanted in spellings(name)[1:2] for name in entry.symbols)]
        if found:
            return found
    return []


def _nearest(places: Sequence[Place], length_ms: int) -> Place | None:
    """Return the place of *length_ms*, else one whose name does not say, else the longest finer one."""
    named = {interval_ms(place.interval): place for place in reversed(places) if place.interval}
    if length_ms in named:
        return named[length_ms]
    unnamed = next((place for place in places if not place.interval), None)
    finer = [part_ms for part_ms in named if length_ms % part_ms == 0]
    return unnamed or (named[max(finer)] if finer else None)

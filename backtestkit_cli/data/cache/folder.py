"""The cache as a whole: `<root>/<exchange>/<symbol>/<interval>/<YYYY-MM>.parquet`."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from backtestkit_cli.data.cache.series import SeriesFolder
from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import ConfigError, MissingCandlesError, UnknownNameError

_LONGEST = 120
_DEVICE = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)\d", re.IGNORECASE)  # no names for a file on Windows


@dataclass(frozen=True, slots=True)
class SeriesKey:
    """Which series: the names as the cache has them."""

    exchange: str
    symbol: str
    interval: str

    def __str__(self) -> str:
        return f"{self.exchange}: {self.symbol} {self.interval}"


class CacheFolder:
    """The data folder that processes and projects share; names in it are safe on every file system.

    One that does not tell capital letters keeps names that differ in nothing else in one place.
    """

    def __init__(self, root: Path) -> None:
        """Serve *root*, which need not exist."""
        self.root = root

    def series(self, exchange: str, symbol: str, interval: str) -> SeriesFolder:
        """Return the folder of one series, which need not exist.

        Raises:
            ConfigError: a name is empty, or *interval* is none.
        """
        interval_ms(interval)
        return SeriesFolder(self.exchange(exchange) / _file_safe("symbol", symbol) / interval, interval)

    def exchange(self, name: str) -> Path:
        """Return the folder of the exchange *name*, which need not exist.

        Raises:
            ConfigError: the name is empty.
        """
        return self.root / _file_safe("exchange", name)

    def exchanges(self) -> list[str]:
        """Return the names of the exchanges there that have a symbol, sorted."""
        return [name for name in _names_in(self.root) if self.symbols(name)]

    def symbols(self, exchange: str) -> list[str]:
        """Return the names of the symbols of *exchange* there, sorted; of very long ones, what is left of them."""
        return _names_in(self.exchange(exchange))

    def intervals(self, exchange: str, symbol: str) -> list[str]:
        """Return the intervals of *symbol* there, shortest first."""
        names = _names_in(self.exchange(exchange) / _file_safe("symbol", symbol))
        return sorted(filter(_is_interval, names), key=interval_ms)


def _file_safe(kind: str, name: str) -> str:
    """Return *name* as a folder that stays where it is put: percent-encoded, never empty, hidden or too long."""
    if not name:
        raise ConfigError(f"{kind}: expected a name, found an empty one")
    safe = quote(name, safe="", errors="surrogatepass")
    if safe.startswith("."):
        safe = "%2E" + safe[1:]
    if safe.endswith("."):  # Windows would leave it out
        safe = safe[:-1] + "%2E"
    if _DEVICE.fullmatch(safe.partition(".")[0]):
        safe = f"%{ord(safe[0]):02X}{safe[1:]}"
    if len(safe) > _LONGEST:
        digest = hashlib.blake2b(name.encode(errors="surrogatepass"), digest_size=8).hexdigest()
        safe = f"{safe[:_LONGEST]}~{digest}"
    return safe


def _names_in(folder: Path) -> list[str]:
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".") and entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise MissingCandlesError(f"{folder}: cannot be read: {error.strerror or error}") from error
    return sorted(unquote(entry.name) for entry in entries)


def _is_interval(name: str) -> bool:
    try:
        return interval_ms(name) > 0
    except UnknownNameError:
        return False

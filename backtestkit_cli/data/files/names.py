"""What the name of a candle file says: a symbol, and maybe an interval."""

import re
from typing import NamedTuple

from backtestkit_cli.domain.interval import interval_ms
from backtestkit_cli.errors import UnknownNameError

CSV_SUFFIXES = (".csv", ".csv.gz")
PARQUET_SUFFIXES = (".parquet",)
SUFFIXES = (*PARQUET_SUFFIXES, *CSV_SUFFIXES)

_WITH_INTERVAL = re.compile(r"(?P<symbol>.+?)[-_.](?P<interval>\d+[mhd])(?P<more>[-_.].*)?")
_SYMBOL = re.compile(r"\w+([-/:_.]\w+)*")


class FileName(NamedTuple):
    """The symbols that a file may be named after, the likeliest first, and its interval.

    `is_whole` says that nothing follows the interval, such as the month of a part.
    """

    symbols: tuple[str, ...]
    interval: str | None
    is_whole: bool


def file_name(name: str) -> FileName:
    """Return what *name* says: `BTCUSDT-1m-2025-01.csv`, `Binance_BTCUSDT_1h.csv`, `BTC_USDT-5m.csv.gz`, `BTCUSDT.csv`.

    Before an interval stands the symbol, maybe after an exchange; without one it ends at the first `-`, `_` or `.`.
    """
    text = stem(name)
    match = _WITH_INTERVAL.fullmatch(text)
    if match and is_interval(match["interval"]):
        after_exchange = re.split(r"[-_.]", match["symbol"])[-1]
        return FileName((match["symbol"], after_exchange), match["interval"], not match["more"])
    return FileName((re.split(r"[-_.]", text, maxsplit=1)[0], text), None, is_whole=True)


def stem(name: str) -> str:
    """Return *name* without its suffix."""
    suffix = next((suffix for suffix in sorted(SUFFIXES, key=len, reverse=True) if has_suffix(name, (suffix,))), "")
    return name[: len(name) - len(suffix)]


def has_suffix(name: str, suffixes: tuple[str, ...]) -> bool:
    """Say whether *name* ends with one of *suffixes*, in any case."""
    return name.lower().endswith(suffixes)


def is_interval(text: str) -> bool:
    """Say whether *text* is an interval."""
    try:
        interval_ms(text)
    except UnknownNameError:
        return False
    return True


def spellings(symbol: str) -> tuple[str, ...]:
    """Return *symbol* and the plainer spellings that mean it: `BTC/USDT:USDT` is `BTCUSDTUSDT`, and is `BTCUSDT`."""
    if not _SYMBOL.fullmatch(symbol):
        return (symbol,)
    return symbol, _plain(symbol), _plain(symbol.partition(":")[0])


def _plain(symbol: str) -> str:
    return re.sub(r"[\W_]+", "", symbol).upper()

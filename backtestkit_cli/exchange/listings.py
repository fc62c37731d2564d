"""What the program keeps of a venue's markets: names, kind and grid, in memory and in a file."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import orjson

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.domain.grid import FREE, Grid
from backtestkit_cli.errors import DataError, OutputError
from backtestkit_cli.exchange.grids import grid_from_texts, grid_of, grid_to_texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """One market: `symbol` is ccxt's name of it (`BTC/USDT:USDT`), `id` the venue's own.

    `kind` is `spot`, `swap`, `future` or `option`; `settle` is empty where nothing is settled.
    """

    symbol: str
    id: str
    base: str
    quote: str
    settle: str = ""
    kind: str = "spot"
    active: bool = True
    grid: Grid = FREE

    @property
    def pair(self) -> str:
        """Return base and quote as one word, `BTCUSDT`."""
        return self.base + self.quote

    @property
    def is_dated(self) -> bool:
        """Say whether the contract ends on a date, which is then a part of its symbol."""
        return "-" in self.symbol.partition(":")[2]


Listings: TypeAlias = Mapping[str, Listing]


def listings_of(markets: Iterable[Mapping[str, Any]], precision_mode: int) -> dict[str, Listing]:
    """Return the *markets* of ccxt by symbol."""
    return {
        market["symbol"]: Listing(
            symbol=market["symbol"],
            id=str(market.get("id") or ""),
            base=market.get("base") or "",
            quote=market.get("quote") or "",
            settle=market.get("settle") or "",
            kind=market.get("type") or "spot",
            active=market.get("active") is not False,
            grid=grid_of(market, precision_mode),
        )
        for market in markets
    }


def save(file: Path, listings: Listings) -> None:
    """Write *listings* to *file* unless it holds them already; equal listings give equal bytes.

    Raises:
        OutputError: *file* cannot be written.
    """
    rows = {
        symbol: {
            "id": one.id,
            "base": one.base,
            "quote": one.quote,
            "settle": one.settle,
            "type": one.kind,
            "active": one.active,
            "grid": grid_to_texts(one.grid),
        }
        for symbol, one in listings.items()
    }
    content = orjson.dumps(rows, option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        if not file.is_file() or file.read_bytes() != content:
            write_bytes(file, content)
    except OSError as error:
        raise OutputError(f"{file}: cannot be written: {error.strerror or error}") from error


def load(file: Path) -> dict[str, Listing]:
    """Return the listings that `save` wrote to *file*.

    Raises:
        DataError: *file* cannot be read or holds something else.
    """
    try:
        return {symbol: _listing(symbol, row) for symbol, row in orjson.loads(file.read_bytes()).items()}
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror or error}") from error
    except (ArithmeticError, AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{type(error).__name__}: {error}".replace("\n", " ")
        raise DataError(f"{file}: expected the markets of a venue, found {found}; delete it to fetch them") from error


def _listing(symbol: str, row: Mapping[str, Any]) -> Listing:
    names = {name: str(row[name]) for name in ("id", "base", "quote", "settle")}
    return Listing(symbol=symbol, kind=row["type"], active=row["active"], grid=grid_from_texts(row["grid"]), **names)

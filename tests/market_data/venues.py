"""Venues of made-up candles, the configs that lead `btk` to them, and what is left of a data folder afterwards."""

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.spans import Span, merged, total_ms
from tests.data.candle_files import a_market
from tests.venue.calls import EXCHANGE_INFO
from tests.venue.market import VenueMarket
from tests.venue.server import Venue
from tests.venue.tapes import held

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT")
FRAME_START = 1_738_281_600_000  # 2025-01-31 00:00
FRAME_END = FRAME_START + 2 * DAY_MS
FRAME = {"from": "2025-01-31", "to": "2025-02-02"}
"""Two days of two months."""
LISTED = FRAME_START - 2 * DAY_MS
LOOK_BACK = 5
"""Minutes before a frame that every run reads: those of the volume-weighted price."""
CANDLES = 2 * 24 * 60 + LOOK_BACK
"""What a run over the frame reads of one symbol."""
PAGE = 1_000
PAGES = -(-CANDLES // PAGE)
"""Requests that the frame of one symbol takes at least."""
DATA = Path(".btk/data")
NOWHERE = "http://127.0.0.1:9"
"""The port of a service that throws all away, and that nobody runs."""


def minute(text_ms: int, count: int) -> int:
    return text_ms + count * MINUTE_MS


def candles_of(symbol: str) -> Candles:
    """Return six days of candles, of which the frame is in the middle."""
    return a_market(6 * 24 * 60, start=LISTED, seed=sum(symbol.encode()))


def a_venue(candles: Mapping[str, Candles] | None = None, *, symbols: Iterable[str] = SYMBOLS, **more: Any) -> Venue:
    by_symbol = {symbol: candles_of(symbol) for symbol in symbols} if candles is None else candles
    return Venue(VenueMarket(held(by_symbol)), **more)


def a_config(folder: Path, url: str, name: str = "run.yaml", **keys: Any) -> str:
    """Write a config of a run over the frame at the venue of *url*; return its name."""
    exchange = {
        "kind": "ccxt",
        "name": "venue",
        "id": "binance",
        "url": url,
        "first_wait_seconds": "0.01",
        "max_wait_seconds": "5",
        "timeout_seconds": "20",
    }
    config = {"entry": "tiny.py", "exchange": exchange, "symbols": list(SYMBOLS), "frame": FRAME, **keys}
    (folder / name).write_text(json.dumps(config))  # JSON is YAML
    return name


def tree(root: Path) -> dict[str, bytes]:
    """Return all files of a data folder by name, drafts included, but for the locks and what names a venue's port."""
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file() and file.name not in {".lock", "exchange.json"}
    }


def candle_files(root: Path) -> dict[str, bytes]:
    return {name: content for name, content in tree(root).items() if name.endswith(".parquet")}


def asked(venue: Venue) -> dict[str, list[Span]]:
    """Return the spans of all requests for minutes, by symbol."""
    spans: dict[str, list[Span]] = {}
    for one in venue.candle_requests:
        start = int(one.params["startTime"])
        spans.setdefault(one.params["symbol"], []).append((start, minute(start, int(one.params["limit"]))))
    return spans


def no_minute_twice(venue: Venue) -> bool:
    return all(total_ms(merged(spans)) == total_ms(spans) for spans in asked(venue).values())


def market_requests(venue: Venue) -> int:
    return len(venue.requests_of(EXCHANGE_INFO))


def run_in(out: Path) -> dict[str, bytes]:
    """Return the files of the only run in the folder *out* by name, but for those that say when and how long it was."""
    (run,) = (out / "runs").iterdir()
    others = {"manifest.json", "performance.json"}
    return {file.name: file.read_bytes() for file in run.iterdir() if file.name not in others}


def manifest_in(out: Path) -> dict[str, Any]:
    (file,) = (out / "runs").glob("*/manifest.json")
    manifest: dict[str, Any] = json.loads(file.read_text())
    return manifest


@contextmanager
def no_network() -> Iterator[list[Any]]:
    """Let this process connect to nothing and look up no name; yield what it tried."""
    tried: list[Any] = []

    def refused(_: object, address: object, *more: object) -> None:
        tried.append(address)
        raise OSError("no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", refused)
        patch.setattr(socket.socket, "connect_ex", refused)
        patch.setattr(socket, "getaddrinfo", lambda *address, **_: refused(None, address))
        yield tried

"""`btk backtest` on a venue: what it fetches, and that the cache changes nothing but that."""

import json
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.cli.program import TINY, a_strategy, called, started
from tests.data.candle_files import without
from tests.market_data.venues import (
    CANDLES,
    DATA,
    FRAME_END,
    FRAME_START,
    LISTED,
    NOWHERE,
    PAGES,
    SYMBOLS,
    a_config,
    a_venue,
    asked,
    candle_files,
    candles_of,
    manifest_in,
    market_requests,
    minute,
    no_minute_twice,
    no_network,
    run_in,
    tree,
)
from tests.venue.server import Venue, running


@pytest.fixture(scope="module")
def online(tmp_path_factory: pytest.TempPathFactory, shared_venue: Venue) -> dict[str, bytes]:
    """Return the files of a run that had an empty cache and a venue."""
    folder = tmp_path_factory.mktemp("online")
    a_strategy(folder)
    config = folder / a_config(folder, shared_venue.url)
    ended = called("backtest", "-c", str(config), "--data", str(folder / "data"), "-o", str(folder / "out"), "-q")
    assert (ended.code, ended.err) == (0, "")
    return run_in(folder / "out")


def a_warm_cache(folder: Path, venue: Venue, **keys: Any) -> str:
    config = a_config(folder, venue.url, **keys)
    assert called("cache", "warm", "-c", config, "-q").code == 0
    return config


def test_an_empty_cache_is_warmed_first(folder: Path, online: dict[str, bytes], venue: Venue) -> None:
    config = a_config(folder, venue.url)
    assert called("backtest", "-c", config, "-q").code == 0
    assert {symbol: len(spans) for symbol, spans in asked(venue).items()} == dict.fromkeys(SYMBOLS, PAGES)
    assert market_requests(venue) == 1
    assert called("backtest", "-c", config, "-q", "-o", "again").code == 0
    assert len(venue.requests) == len(SYMBOLS) * PAGES + 1
    assert run_in(folder / "dump") == run_in(folder / "again") == online


def test_after_a_warm_up_a_run_needs_no_network_and_makes_the_same_trades(
    folder: Path, online: dict[str, bytes], warm: str
) -> None:
    with no_network() as tried:
        ended = called("backtest", "-c", warm, "--offline", "-q")
    assert (ended.code, ended.err, tried) == (0, "", [])
    assert run_in(folder / "dump") == online


def test_a_program_of_its_own_runs_offline_whatever_the_proxies_are(
    folder: Path, online: dict[str, bytes], warm: str, venue: Venue
) -> None:
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), NOWHERE)
    ended = started("backtest", "-c", warm, "--offline", "-q", folder=folder, anew=False, **proxies)
    assert (ended.code, ended.err) == (0, "")
    assert venue.requests == []
    assert run_in(folder / "dump") == online


def test_offline_without_a_warm_up_is_one_line(folder: Path) -> None:
    with no_network() as tried:
        ended = called("backtest", "-c", a_config(folder, NOWHERE), "-s", "BTCUSDT", "--offline", "-q")
    assert (ended.code, tried) == (3, [])
    (line,) = ended.err.splitlines()
    assert line.startswith(
        f"error: BTCUSDT: venue: BTCUSDT: {CANDLES:,} 1m candles are not in the cache, offline: 2025-01-30"
    )
    assert "`btk cache warm` without --offline fetches them" in line
    assert not DATA.exists()


def test_without_the_cache_nothing_is_written_and_all_is_read(
    folder: Path, online: dict[str, bytes], venue: Venue
) -> None:
    config = a_config(folder, venue.url)
    assert called("backtest", "-c", config, "--no-cache", "-q").code == 0
    assert not DATA.exists()
    assert run_in(folder / "dump") == online
    a_warm_cache(folder, venue, frame={"from": "2025-01-31T08:00", "to": "2025-02-01T16:00"})
    before, count = tree(DATA), len(venue.candle_requests)
    config = a_config(folder, venue.url)
    assert called("backtest", "-c", config, "--no-cache", "-q", "-o", "partly").code == 0
    assert tree(DATA) == before
    # eight hours are missing at either end
    assert len(venue.candle_requests) - count == len(SYMBOLS) * 2
    assert run_in(folder / "partly") == online


@pytest.mark.parametrize("gaps", ["fill", "skip"])
def test_a_warm_up_holds_all_a_run_reads_also_where_its_edges_are_gaps(folder: Path, gaps: str) -> None:
    hours = TINY.replace('interval="1h"', 'interval="1h", warm_up={"1h": 20}')
    a_strategy(folder, hours)
    first = (FRAME_START - LISTED) // MINUTE_MS - 20 * 60
    last = (FRAME_END - LISTED) // MINUTE_MS
    holes = [*range(first - 7, first + 9), first + 500, *range(last - 11, last + 30)]
    missing = 9 + 1 + 11
    if gaps == "skip":
        missing += 7  # a warm-up of as many candles as it has minutes begins before the gap
    candles = {symbol: without(candles_of(symbol), *holes) for symbol in SYMBOLS[:2]}
    keys = {"symbols": list(candles), "settings": {"gaps": gaps}}
    with running(a_venue(candles)) as venue:
        config = a_warm_cache(folder, venue, **keys)
        count = len(venue.requests)
        assert called("backtest", "-c", config, "-q").code == 0
        assert len(venue.requests) == count
        starts = [start for spans in asked(venue).values() for start, _ in spans]
        assert min(starts) < minute(FRAME_START, -20 * 60)
    ended = called("backtest", "-c", config, "--offline", "-q", "-o", "offline")
    assert (ended.code, ended.err) == (0, "")
    assert run_in(folder / "offline") == run_in(folder / "dump")
    facts = manifest_in(folder / "offline")["candles"]
    assert {one["missing"] for one in facts.values()} == {missing}


def test_a_damaged_file_is_moved_aside_and_fetched_anew(
    folder: Path, online: dict[str, bytes], warm: str, venue: Venue
) -> None:
    sound = candle_files(DATA)
    file = DATA / "venue" / "ETHUSDT" / "1m" / "2025-01.parquet"
    file.write_bytes(file.read_bytes()[:20_000])
    ended = called("backtest", "-c", warm)
    assert ended.code == 0
    assert len(venue.candle_requests) == 2  # a day and five minutes
    (note,) = [line for line in ended.err.splitlines() if line.startswith("note: ")]
    assert str(file) in note
    assert "moved aside to 2025-01.parquet.damaged" in note
    assert run_in(folder / "dump") == online
    assert candle_files(DATA) == sound
    assert len(file.with_name("2025-01.parquet.damaged").read_bytes()) == 20_000


def test_a_damaged_file_offline_is_one_line_that_names_it(warm: str) -> None:
    file = DATA / "venue" / "ETHUSDT" / "1m" / "2025-01.parquet"
    file.write_bytes(b"PAR1 and nothing more")
    ended = called("backtest", "-c", warm, "-s", "ETHUSDT", "--offline", "-q")
    assert ended.code == 3
    assert len(ended.errors) == 1
    assert f"{file}: damaged" in ended.errors[0]


def test_verify_finds_a_flipped_bit_and_mends_it(warm: str, venue: Venue) -> None:
    sound = candle_files(DATA)
    file = DATA / "venue" / "SOLUSDT" / "1m" / "2025-02.parquet"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    found = called("cache", "verify", "-c", warm)
    assert (found.code, len(found.errors)) == (3, 1)
    assert str(file) in found.errors[0]
    assert venue.requests == []
    mended = called("cache", "verify", "-c", warm, "--refetch")
    assert (mended.code, mended.errors) == (0, [])
    assert "fetched anew" in mended.err
    assert len(venue.candle_requests) == 2  # a day
    assert called("cache", "verify", "-c", warm).code == 0
    assert candle_files(DATA) == sound


def test_workers_ask_a_venue_as_one_process_does(folder: Path, online: dict[str, bytes], venue: Venue) -> None:
    ended = called("backtest", "-c", a_config(folder, venue.url), "--workers", "2", "-q")
    assert (ended.code, ended.err) == (0, "")
    assert {symbol: len(spans) for symbol, spans in asked(venue).items()} == dict.fromkeys(SYMBOLS, PAGES)
    assert market_requests(venue) == 1
    assert no_minute_twice(venue)
    assert run_in(folder / "dump") == online


def test_bounds_ask_a_venue_as_one_run_does(folder: Path, venue: Venue) -> None:
    ended = called("backtest", "-c", a_config(folder, venue.url), "--bounds", "-q", "--json")
    assert (ended.code, ended.err) == (0, "")
    assert {symbol: len(spans) for symbol, spans in asked(venue).items()} == dict.fromkeys(SYMBOLS, PAGES)
    assert market_requests(venue) == 1
    assert json.loads(ended.out)["bounds"]["runs"].keys() == {"vwap", "candle"}

"""`btk cache warm` against a venue that real ccxt talks to: how much it asks, and what that leaves on disk."""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.cli.program import called, popen
from tests.market_data.venues import (
    DATA,
    FRAME,
    LOOK_BACK,
    NOWHERE,
    PAGES,
    SYMBOLS,
    a_config,
    a_venue,
    asked,
    candle_files,
    market_requests,
    no_minute_twice,
    tree,
)
from tests.venue.faults import ERRORS, ODD_ROWS, Fault, Faults, stall
from tests.venue.server import Venue, running

ALL_KINDS: Sequence[Fault] = (*ERRORS, *ODD_ROWS, stall())
PATIENCE_S = 30.0
CANDLES = 3 * 24 * 60 + LOOK_BACK


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what is on disk after one warm-up in which nothing goes wrong."""
    folder = tmp_path_factory.mktemp("undisturbed")
    with running(a_venue()) as venue:
        assert called("cache", "warm", "-c", _plain_config(folder, venue.url), "--data", str(folder / "d")).code == 0
    return tree(folder / "d")


def _plain_config(folder: Path, url: str) -> str:
    return str(folder / a_config(folder, url, entry=None))


def test_as_few_requests_as_there_are_pages_and_none_the_second_time(folder: Path) -> None:
    with running(a_venue()) as venue:
        config = a_config(folder, venue.url)
        first = called("cache", "warm", "-c", config, "-q", "--json")
        assert (first.code, first.err) == (0, "")
        assert {symbol: len(spans) for symbol, spans in asked(venue).items()} == dict.fromkeys(SYMBOLS, PAGES)
        assert market_requests(venue) == 1
        assert len(venue.requests) == len(SYMBOLS) * PAGES + 1
        assert {received.status for received in venue.requests} == {200}
        again = called("cache", "warm", "-c", config, "-q", "--json")
        assert len(venue.requests) == len(SYMBOLS) * PAGES + 1
    rows = {row["symbol"]: row for row in json.loads(first.out)["series"]}
    assert {(row["present"], row["fetched"], row["missing"]) for row in rows.values()} == {(0, CANDLES, 0)}
    rows = {row["symbol"]: row for row in json.loads(again.out)["series"]}
    assert {(row["present"], row["fetched"], row["missing"]) for row in rows.values()} == {(CANDLES, 0, 0)}
    assert rows.keys() == set(SYMBOLS)


def test_what_is_there_needs_no_venue(folder: Path) -> None:
    with running(a_venue()) as venue:
        config = a_config(folder, venue.url)
        called("cache", "warm", "-c", config)
    assert called("cache", "warm", "-c", config, "--set", f"exchange.url={NOWHERE}").code == 0


def test_faults_of_every_kind_leave_the_same_bytes(folder: Path, undisturbed: dict[str, bytes]) -> None:
    """Every second answer fails until all kinds have had their turn."""
    kinds = iter(ALL_KINDS)
    faults = Faults(lambda number, _: next(kinds, None) if number % 2 else None)
    with running(a_venue(faults=faults)) as venue:
        ended = called("cache", "warm", "-c", a_config(folder, venue.url), "-q", "--set", "exchange.timeout_seconds=1")
        assert (ended.code, ended.err) == (0, "")
    assert faults.happened == {kind.name: 1 for kind in ALL_KINDS}
    assert tree(DATA) == undisturbed


def test_killed_at_random_moments_and_warmed_again_the_files_are_those_of_one_go(
    folder: Path, undisturbed: dict[str, bytes]
) -> None:
    moments = random.Random(3)
    with running(a_venue(latency_s=0.05)) as venue:
        config = a_config(folder, venue.url)
        for _ in range(4):
            _kill_after(moments.randint(1, PAGES + 2), venue, config, folder, moments.uniform(0.0, 0.1))
        kept = candle_files(DATA)
        count = len(venue.candle_requests)
        assert called("cache", "warm", "-c", config).code == 0
        assert len(venue.candle_requests) - count <= len(SYMBOLS) * PAGES
    assert kept.keys() <= undisturbed.keys()
    assert tree(DATA) == undisturbed  # so no draft is left either


def _kill_after(requests: int, venue: Venue, config: str, folder: Path, seconds: float) -> None:
    """Kill a warm-up once the venue has had so many *requests* for candles, and some *seconds* have passed."""
    until = time.monotonic() + PATIENCE_S
    before = len(venue.candle_requests)
    with popen("cache", "warm", "-c", config, folder=folder) as process:
        while process.poll() is None and len(venue.candle_requests) < before + requests and time.monotonic() < until:
            time.sleep(0.002)
        time.sleep(seconds)
        process.kill()
        process.communicate(timeout=PATIENCE_S)


def test_two_programs_that_warm_overlapping_spans_ask_nothing_twice(
    folder: Path, undisturbed: dict[str, bytes]
) -> None:
    parts = [("2025-01-30", "2025-02-01"), ("2025-01-31", "2025-02-02")]
    with running(a_venue(latency_s=0.02)) as venue:
        configs = [
            a_config(folder, venue.url, f"{start}.yaml", frame={"from": start, "to": end}) for start, end in parts
        ]
        processes = [popen("cache", "warm", "-c", config, "-q", folder=folder) for config in configs]
        for process in processes:
            _, err = process.communicate(timeout=PATIENCE_S)
            assert (process.returncode, err) == (0, "")
        assert no_minute_twice(venue)
        assert asked(venue).keys() == set(SYMBOLS)
    assert tree(DATA) == undisturbed


def test_every_frame_a_config_names_is_warmed_where_it_chooses_none(folder: Path) -> None:
    frames = {"first": {"from": "2025-01-30", "to": "2025-01-31"}, "second": {"from": "2025-02-01", "to": "2025-02-02"}}
    with running(a_venue()) as venue:
        config = a_config(folder, venue.url, frame=None, frames=frames, symbols=["BTCUSDT"])
        assert called("cache", "warm", "-c", config).code == 0
        count = len(venue.requests)
        for frame in frames:
            assert called("backtest", "-c", config, "--frame", frame, "--offline", "-q").code == 0
        assert len(venue.requests) == count


def test_minutes_that_are_there_make_longer_candles_without_a_request(folder: Path) -> None:
    with running(a_venue()) as venue:
        config = a_config(folder, venue.url, symbols=["BTCUSDT"], entry=None)
        span = ("--from", "2025-01-30", "--to", "2025-02-02")
        assert called("cache", "warm", "-c", config, *span).code == 0
        count = len(venue.requests)
        ended = called("cache", "warm", "-c", config, "-i", "15m", "--from", "2025-01-30T00:15", "--to", FRAME["to"])
        assert (ended.code, len(venue.requests)) == (0, count)


def test_an_interval_that_the_venue_lacks_is_made_of_a_shorter_one(folder: Path) -> None:
    with running(a_venue()) as venue:
        config = a_config(folder, venue.url, symbols=["BTCUSDT"])
        ended = called("cache", "warm", "-c", config, "-i", "10m", "--json")
        assert {one.params["interval"] for one in venue.candle_requests} == {"5m"}
    (row,) = json.loads(ended.out)["series"]
    assert (ended.code, row["interval"], row["fetched"], row["missing"]) == (0, "10m", 3 * 144 + 1, 0)

"""`btk cache warm` against a venue that real ccxt talks to: how much it asks, and what that leaves on disk."""

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path

from tests.cli.program import called, popen
from tests.market_data.venues import (
    CANDLES,
    DATA,
    FRAME,
    PAGES,
    SYMBOLS,
    a_config,
    a_venue,
    asked,
    candle_files,
    market_requests,
    no_minute_twice,
    no_network,
    tree,
)
from tests.venue.faults import ERRORS, ODD_ROWS, Fault, Faults, banned, stall, too_many_requests
from tests.venue.server import Venue, running

ALL_KINDS: Sequence[Fault] = (too_many_requests(None), banned(1), *ERRORS[2:], *ODD_ROWS, stall())
PATIENCE_S = 50.0


def test_as_few_requests_as_there_are_pages_and_none_the_second_time(
    folder: Path, venue: Venue, warm_data: Path
) -> None:
    config = a_config(folder, venue.url)
    first = called("cache", "warm", "-c", config, "-q", "--json")
    assert (first.code, first.err) == (0, "")
    assert {symbol: len(spans) for symbol, spans in asked(venue).items()} == dict.fromkeys(SYMBOLS, PAGES)
    assert market_requests(venue) == 1
    assert len(venue.requests) == len(SYMBOLS) * PAGES + 1
    assert {received.status for received in venue.requests} == {200}
    assert tree(DATA) == tree(warm_data)
    again = called("cache", "warm", "-c", config, "-q", "--json")
    assert len(venue.requests) == len(SYMBOLS) * PAGES + 1
    rows = {row["symbol"]: row for row in json.loads(first.out)["series"]}
    assert {(row["present"], row["fetched"], row["missing"]) for row in rows.values()} == {(0, CANDLES, 0)}
    rows = {row["symbol"]: row for row in json.loads(again.out)["series"]}
    assert {(row["present"], row["fetched"], row["missing"]) for row in rows.values()} == {(CANDLES, 0, 0)}
    assert rows.keys() == set(SYMBOLS)


def test_what_is_there_needs_no_venue(warm: str) -> None:
    with no_network() as tried:
        assert called("cache", "warm", "-c", warm).code == 0
    assert tried == []


def test_faults_of_every_kind_leave_the_same_bytes(folder: Path, warm_data: Path) -> None:
    """Two of three answers fail until all kinds have had their turn."""
    kinds = iter(ALL_KINDS)
    faults = Faults(lambda number, _: next(kinds, None) if number % 3 else None)
    retry = ("--set", "exchange.timeout_seconds=1", "--set", "exchange.attempts=20")
    with running(a_venue(faults=faults)) as venue:
        ended = called("cache", "warm", "-c", a_config(folder, venue.url), "-q", *retry)
        assert (ended.code, ended.err) == (0, "")
    assert faults.happened == {kind.name: 1 for kind in ALL_KINDS}
    assert tree(DATA) == tree(warm_data)


def test_killed_at_a_random_moment_and_warmed_again_the_files_are_those_of_one_go(
    folder: Path, warm_data: Path
) -> None:
    moments = random.Random(3)  # two kills more are in tests/data/cache
    with running(a_venue(latency_s=0.05)) as venue:
        config = a_config(folder, venue.url)
        _kill_after(moments.randint(PAGES, 2 * PAGES), venue, config, folder, moments.uniform(0.0, 0.1))
        kept = candle_files(DATA)
        count = _count_at_rest(venue)
        assert called("cache", "warm", "-c", config).code == 0
        assert len(venue.candle_requests) - count <= len(SYMBOLS) * PAGES
    undisturbed = tree(warm_data)
    assert kept.keys() <= undisturbed.keys()
    assert tree(DATA) == undisturbed  # so no draft is left either


def _count_at_rest(venue: Venue) -> int:
    """Return how many requests came, once those on their way when the program died have all arrived."""
    count = -1
    while count != len(venue.candle_requests):
        count = len(venue.candle_requests)
        time.sleep(0.3)
    return count


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


def test_two_programs_that_warm_overlapping_spans_ask_nothing_twice(folder: Path, warm_data: Path) -> None:
    parts = [("2025-01-31", "2025-02-01T12:00"), ("2025-01-31T12:00", "2025-02-02")]
    with running(a_venue(latency_s=0.02)) as venue:
        configs = [
            a_config(folder, venue.url, f"{number}.yaml", frame={"from": start, "to": end})
            for number, (start, end) in enumerate(parts)
        ]
        processes = [popen("cache", "warm", "-c", config, "-q", folder=folder) for config in configs]
        for process in processes:
            _, err = process.communicate(timeout=PATIENCE_S)
            assert (process.returncode, err) == (0, "")
        assert no_minute_twice(venue)
        assert asked(venue).keys() == set(SYMBOLS)
    assert tree(DATA) == tree(warm_data)


def test_every_frame_a_config_names_is_warmed_where_it_chooses_none(folder: Path, venue: Venue) -> None:
    frames = {"first": {"from": "2025-01-31", "to": "2025-02-01"}, "second": {"from": "2025-02-01", "to": "2025-02-02"}}
    config = a_config(folder, venue.url, frame=None, frames=frames, symbols=["BTCUSDT"])
    assert called("cache", "warm", "-c", config).code == 0
    count = len(venue.requests)
    for frame in frames:
        assert called("backtest", "-c", config, "--frame", frame, "--offline", "-q").code == 0
    assert len(venue.requests) == count


def test_minutes_that_are_there_make_longer_candles_without_a_request(warm: str, venue: Venue) -> None:
    ended = called("cache", "warm", "-c", warm, "-i", "15m", "--from", "2025-01-31T00:15", "--to", FRAME["to"])
    assert (ended.code, venue.requests) == (0, [])


def test_an_interval_that_the_venue_lacks_is_made_of_a_shorter_one(folder: Path, venue: Venue) -> None:
    config = a_config(folder, venue.url, symbols=["BTCUSDT"])
    ended = called("cache", "warm", "-c", config, "-i", "10m", "--json")
    assert {one.params["interval"] for one in venue.candle_requests} == {"5m"}
    (row,) = json.loads(ended.out)["series"]
    assert (ended.code, row["interval"], row["fetched"], row["missing"]) == (0, "10m", 2 * 144 + 1, 0)

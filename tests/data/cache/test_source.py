"""Fetching through the cache: once, completely, and as the source has it."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from backtestkit_cli.data.cache import journal, pages
from backtestkit_cli.data.cache.filling import FetchProgress
from backtestkit_cli.data.cache.folder import CacheFolder
from backtestkit_cli.data.cache.source import CachedSource
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.errors import MissingCandlesError, VenueError
from backtestkit_cli.ports import CandleSource
from tests.data.cache.remotes import (
    MONTH_END,
    Venue,
    a_venue,
    cached,
    gappy,
    minutes,
    no_minute_twice,
    tree,
)
from tests.data.candle_files import COLUMNS, START, a_market, bytes_of, changed, without
from tests.laws import tried

COUNT = 3000
FROM = MONTH_END - minutes(1500)  # half of the candles are in January, half in February
SPANS = st.lists(
    st.tuples(st.integers(-50, COUNT + 50), st.integers(0, 800)).map(lambda s: (s[0], s[0] + s[1])),
    min_size=1,
    max_size=6,
)


def part(candles: Candles, start: int, end: int) -> Candles:
    first, last = np.searchsorted(candles.timestamp, [start, end]).tolist()
    return candles.slice(first, last)


def as_a_source(source: CachedSource) -> CandleSource:
    return source


async def test_what_was_fetched_once_is_never_asked_again(tmp_path: Path) -> None:
    venue = a_venue()
    first = await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(COUNT))
    assert len(venue.asked) == 30
    again = await cached(tmp_path, venue).fetch("BTC/USDT", "1m", START, START + minutes(COUNT))
    warmed = await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(COUNT))
    assert len(venue.asked) == 30
    assert bytes_of(first) == bytes_of(again) == bytes_of(a_market(COUNT))
    assert (warmed.before, warmed.fetched, warmed.missing, warmed.requests) == (COUNT, 0, 0, 0)


async def test_columns_are_contiguous_read_only_and_of_the_right_type(tmp_path: Path) -> None:
    source = as_a_source(cached(tmp_path, a_venue(a_market(COUNT, start=FROM))))
    for span in ((FROM, FROM + minutes(COUNT)), (FROM, FROM), (0, minutes(5))):
        candles = await source.fetch("BTCUSDT", "1m", *span)
        for name in COLUMNS:
            column = getattr(candles, name)
            assert column.flags.c_contiguous
            assert not column.flags.writeable
            assert column.dtype == (np.int64 if name == "timestamp" else np.float64)


@tried(6, 25)
@given(spans=SPANS, seed=st.integers(0, 1000), missing=st.sampled_from([0.0, 0.05, 0.5, 1.0]), warms=st.booleans())
def test_any_history_gives_what_the_source_has_asks_no_minute_twice_and_leaves_the_same_bytes(
    spans: list[tuple[int, int]], seed: int, missing: float, warms: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    candles = gappy(COUNT, start=FROM, seed=seed, missing=missing)
    root, other = tmp_path_factory.mktemp("many"), tmp_path_factory.mktemp("one")
    venue, fresh = a_venue(candles, page=170), a_venue(candles, page=1000)

    async def run() -> None:
        source = cached(root, venue)
        for start, end in ((FROM + minutes(a), FROM + minutes(b)) for a, b in spans):
            if warms:
                await source.warm("BTCUSDT", "1m", start, end)
            got = await source.fetch("BTCUSDT", "1m", start, end)
            assert bytes_of(got) == bytes_of(part(candles, start, end))
        whole = (FROM - minutes(50), FROM + minutes(COUNT + 900))
        await source.warm("BTCUSDT", "1m", *whole)
        await cached(other, fresh).warm("BTCUSDT", "1m", *whole)
        assert bytes_of(await cached(root, None).fetch("BTCUSDT", "1m", *whole)) == bytes_of(candles)

    asyncio.run(run())
    assert no_minute_twice(venue.spans())
    assert tree(root) == tree(other)
    assert all(name.endswith(".parquet") for name in tree(root))


async def test_warming_counts_candles_gaps_and_requests(tmp_path: Path) -> None:
    venue = a_venue(without(a_market(400), 10, 11, 12, 200))
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(150))
    seen: list[FetchProgress] = []
    warmed = await cached(tmp_path, venue, on_progress=seen.append).warm("BTCUSDT", "1m", START, START + minutes(400))
    assert (warmed.before, warmed.fetched, warmed.missing, warmed.requests) == (147, 249, 4, 3)
    assert warmed.gaps == (
        (START + minutes(10), START + minutes(13)),
        (START + minutes(200), START + minutes(201)),
    )
    assert warmed.unsettled == ()
    assert [(one.answered, one.requests, one.expected) for one in seen] == [(1, 3, 250), (2, 3, 250), (3, 3, 250)]
    assert seen[-1].fetched == 249


async def test_months_before_the_listing_are_files_without_rows_and_are_not_asked_again(tmp_path: Path) -> None:
    venue = a_venue(a_market(10), page=1000)
    before = START - minutes(40 * 24 * 60)
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", before, START + minutes(10))
    assert [name[-15:] for name in tree(tmp_path)] == ["2024-11.parquet", "2024-12.parquet", "2025-01.parquet"]
    asked = len(venue.asked)
    assert len(await cached(tmp_path, venue).fetch("BTCUSDT", "1m", before, START)) == 0
    assert len(venue.asked) == asked


async def test_several_symbols_are_filled_at_once(tmp_path: Path) -> None:
    markets = {(f"S{number}", "1m"): gappy(500, seed=number) for number in range(6)}
    source = cached(tmp_path, Venue(markets, delay_s=0.001))
    found = await asyncio.gather(*(source.fetch(name, "1m", START, START + minutes(500)) for name, _ in markets))
    assert [bytes_of(one) for one in found] == [bytes_of(one) for one in markets.values()]


async def test_two_fetches_of_one_symbol_in_one_process_ask_once(tmp_path: Path) -> None:
    venue = Venue({("BTCUSDT", "1m"): a_market(1000)}, delay_s=0.005)
    source = cached(tmp_path, venue)
    spans = [(START, START + minutes(800)), (START + minutes(200), START + minutes(1000))]
    first, second = await asyncio.gather(*(source.fetch("BTCUSDT", "1m", *span) for span in spans))
    assert (len(first), len(second)) == (800, 800)
    assert no_minute_twice(venue.spans())


async def test_near_the_present_only_what_has_arrived_is_covered(tmp_path: Path) -> None:
    now = START + minutes(300) + 30_000
    venue = a_venue(a_market(310), page=1000)  # the venue is ahead of us: its forming candle shows
    venue.candles["BTCUSDT", "1m"] = without(a_market(310), 298, 299)  # and two are not published yet
    warmed = await cached(tmp_path, venue, now=now).warm("BTCUSDT", "1m", START, START + minutes(1000))
    assert warmed.span == (START, START + minutes(300))
    assert warmed.unsettled == ((START + minutes(295), START + minutes(300)),)
    assert (warmed.fetched, warmed.missing) == (298, 0)
    venue.candles["BTCUSDT", "1m"] = a_market(310)
    later = await cached(tmp_path, venue, now=now).fetch("BTCUSDT", "1m", START, START + minutes(1000))
    assert bytes_of(later) == bytes_of(a_market(310).slice(0, 300))
    assert venue.spans()[1:] == [(START + minutes(295), START + minutes(300))]


async def test_what_the_venue_may_still_change_is_used_and_not_kept(tmp_path: Path) -> None:
    now = START + minutes(300)
    venue = a_venue(changed(a_market(310), 299, volume=0.5), page=1000)
    source = cached(tmp_path, venue, now=now)
    early = await source.fetch("BTCUSDT", "1m", START, now)
    assert len(early) == 300
    assert early.volume[-1] == 0.5
    venue.candles["BTCUSDT", "1m"] = a_market(310)
    assert bytes_of(await source.fetch("BTCUSDT", "1m", START, now)) == bytes_of(a_market(310).slice(0, 300))


async def test_nothing_is_settled_that_lies_ahead_of_the_clock_of_the_venue(tmp_path: Path) -> None:
    venue = a_venue(a_market(310), page=1000)
    venue.clock_ms = START + minutes(200)  # ours is far ahead
    venue.candles["BTCUSDT", "1m"] = a_market(200)
    warmed = await cached(tmp_path, venue, now=START + minutes(5000)).warm("BTCUSDT", "1m", START, START + minutes(300))
    assert warmed.unsettled == ((START + minutes(195), START + minutes(300)),)
    venue.clock_ms = 2**62
    venue.candles["BTCUSDT", "1m"] = a_market(310)
    later = await cached(tmp_path, venue, now=START + minutes(5000)).warm("BTCUSDT", "1m", START, START + minutes(300))
    assert (later.missing, later.unsettled) == (0, ())


async def test_a_forming_candle_is_not_kept_even_if_the_source_sends_it(tmp_path: Path) -> None:
    class Eager(Venue):
        async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
            return await super().fetch(symbol, interval, start_ms, end_ms + MINUTE_MS)

    venue = Eager({("BTCUSDT", "1m"): a_market(310)}, page=1000)
    source = cached(tmp_path, venue, now=START + minutes(300) + 59_999)
    assert len(await source.fetch("BTCUSDT", "1m", START, START + minutes(500))) == 300


async def test_a_span_in_the_future_is_never_asked(tmp_path: Path) -> None:
    venue = a_venue()
    source = cached(tmp_path, venue, now=START)
    assert len(await source.fetch("BTCUSDT", "1m", START, START + minutes(50))) == 0
    assert venue.asked == []
    assert tree(tmp_path) == {}


@pytest.mark.parametrize(
    ("end", "newest", "covered"),
    [
        (0, None, 0),  # well before now: what has not come will not come
        (-6, None, -6),
        (-4, -8, -7),  # reaches into the last five minutes
        (-4, None, None),
    ],
)
def test_an_answer_settles_what_is_old_enough(end: int, newest: int | None, covered: int | None) -> None:
    now = START + minutes(100) if end else START + minutes(1000)
    asked = (START, START + minutes(100 + end))
    candles = Candles.empty() if newest is None else a_market(100 + newest + 1)
    page = pages.page_from(candles, asked, now, MINUTE_MS)
    assert page.covered == (() if covered is None else ((START, START + minutes(100 + covered)),))


async def test_a_failure_keeps_what_was_fetched_before(tmp_path: Path) -> None:
    venue = Venue({("BTCUSDT", "1m"): a_market(3000)}, fails_after=20, delay_s=0.001)
    with pytest.raises(VenueError, match="venue: gone"):
        await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    kept = CacheFolder(tmp_path).series("venue", "BTCUSDT", "1m").covered(START, START + minutes(3000))
    assert kept != ()
    fresh = a_venue()
    candles = await cached(tmp_path, fresh).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    assert bytes_of(candles) == bytes_of(a_market(3000))
    assert no_minute_twice([*fresh.spans(), *kept])


async def test_a_cancelled_fetch_keeps_what_has_come_and_lets_the_lock_go(tmp_path: Path) -> None:
    venue = Venue({("BTCUSDT", "1m"): a_market(3000)}, page=10, delay_s=0.002)
    enough = asyncio.Event()
    venue.during = lambda: enough.set() if len(venue.asked) >= 100 else None
    task = asyncio.create_task(cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(3000)))
    await enough.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kept = CacheFolder(tmp_path).series("venue", "BTCUSDT", "1m").covered(START, START + minutes(3000))
    assert sum(end - start for start, end in kept) >= minutes(500)
    fresh = a_venue()
    await cached(tmp_path, fresh).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    assert no_minute_twice([*fresh.spans(), *kept])


async def test_a_waiter_for_the_lock_can_be_cancelled_and_does_not_block_the_loop(tmp_path: Path) -> None:
    series = CacheFolder(tmp_path).series("venue", "BTCUSDT", "1m")
    async with series.locked():
        waiting = asyncio.create_task(cached(tmp_path, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(10)))
        await asyncio.sleep(0.12)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    assert len(await cached(tmp_path, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(10))) == 10


async def test_months_are_written_as_they_complete_and_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "_EVERY_S", 0.01)
    venue = Venue({("BTCUSDT", "1m"): a_market(3000)}, page=10, delay_s=0.002)
    series = CacheFolder(tmp_path).series("venue", "BTCUSDT", "1m")
    seen: set[int] = set()
    venue.during = lambda: seen.add(sum(end - start for start, end in series.covered(START, START + minutes(3000))))
    await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    assert len(seen) > 2


async def test_an_unknown_symbol_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(MissingCandlesError, match="'NONE'"):
        await cached(tmp_path / "cache", a_venue()).fetch("NONE", "1m", START, START + minutes(10))
    assert list((tmp_path / "cache").iterdir()) == []


async def test_without_writing_the_rest_is_fetched_and_no_file_changes(tmp_path: Path) -> None:
    candles = gappy(1000)
    await cached(tmp_path, a_venue(candles)).warm("BTCUSDT", "1m", START + minutes(200), START + minutes(600))
    before, venue = tree(tmp_path), a_venue(candles)
    async with CacheFolder(tmp_path).series("venue", "BTCUSDT", "1m").locked():  # nor does it need the lock
        source = cached(tmp_path, venue, writes=False)
        got = await source.fetch("BTCUSDT", "1m", START, START + minutes(1000))
    assert bytes_of(got) == bytes_of(candles)
    assert sum(end - start for start, end in venue.spans()) == minutes(600)
    assert tree(tmp_path) == before


async def test_offline_what_is_cached_is_served_and_what_is_not_is_named(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100))
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START + minutes(160), START + minutes(200))
    offline = cached(tmp_path, None)
    assert len(await offline.fetch("BTC/USDT", "1m", START, START + minutes(100))) == 100
    with pytest.raises(MissingCandlesError) as raised:
        await offline.fetch("BTC/USDT", "1m", START, START + minutes(260))
    assert str(raised.value) == (
        "venue: BTC/USDT: 120 1m candles are not in the cache, offline: 2025-01-01 01:40 – 2025-01-01 02:40"  # noqa: RUF001
        " and 1 more span; `btk cache warm` without --offline fetches them"
    )
    with pytest.raises(MissingCandlesError, match=r"without --offline fetches them; did you mean 'BTCUSDT'\?$"):
        await offline.fetch("BTCUSD", "1m", START, START + minutes(100))
    assert list((tmp_path / "venue").iterdir()) == [tmp_path / "venue" / "BTCUSDT"]


async def test_numbers_are_written_as_the_remote_does_or_plainly_offline(tmp_path: Path) -> None:
    class Coarse(Venue):
        def format_price(self, symbol: str, price: float) -> str:
            return f"{price:.1f}"

    assert cached(tmp_path, Coarse({})).format_price("BTCUSDT", 1.26) == "1.3"
    assert cached(tmp_path, None).format_price("BTCUSDT", 1.26) == "1.26"
    assert cached(tmp_path, None).format_quantity("BTCUSDT", 1.26) == "1.26"
    await cached(tmp_path, None).close()
    await cached(tmp_path, Coarse({})).close()


async def test_a_longer_interval_is_made_of_cached_minutes(tmp_path: Path) -> None:
    candles = without(gappy(1200), *range(12))  # the first bucket has lost its first minutes
    venue = a_venue(candles)
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(1200))
    asked = len(venue.asked)
    made = await cached(tmp_path, venue).fetch("BTCUSDT", "15m", START, START + minutes(1190))
    assert len(venue.asked) == asked
    rows = [row for row in candles.rows() if row.timestamp < START + minutes(1200)]
    opens = sorted({row.timestamp // minutes(15) * minutes(15) for row in rows})
    assert made.timestamp.tolist() == opens
    first = [row for row in rows if row.timestamp // minutes(15) * minutes(15) == opens[0]]
    assert made[0][1:] == (
        first[0].open,
        max(row.high for row in first),
        min(row.low for row in first),
        first[-1].close,
        sum(row.volume for row in first),
    )


async def test_a_longer_interval_is_fetched_where_minutes_are_missing(tmp_path: Path) -> None:
    quarters = a_market(80, length_ms=minutes(15))
    venue = a_venue(a_market(1200))
    venue.candles["BTCUSDT", "15m"] = quarters
    source = cached(tmp_path, venue)
    await source.warm("BTCUSDT", "1m", START, START + minutes(1100))
    warmed = await source.warm("BTCUSDT", "15m", START, START + minutes(1200))
    assert (warmed.fetched, warmed.requests) == (80, 1)
    asked = len(venue.asked)
    got = await cached(tmp_path, venue).fetch("BTCUSDT", "15m", START, START + minutes(1200))
    assert bytes_of(got) == bytes_of(quarters)
    assert len(venue.asked) == asked


@example(start=0, count=3, gone={1}, per=2)
@example(start=1, count=6, gone={1, 4}, per=2)
@given(
    start=st.integers(0, 40),
    count=st.integers(1, 90),
    gone=st.sets(st.integers(0, 89)),
    per=st.sampled_from([2, 5, 15]),
)
def test_aggregation_is_what_a_plain_loop_makes(start: int, count: int, gone: set[int], per: int) -> None:
    candles = without(a_market(count, start=START + minutes(start)), *(row for row in gone if row < count))
    length = minutes(per)
    made = aggregated(candles, length, MINUTE_MS)
    rows, expected = candles.rows(), []
    if rows:
        first, last = rows[0].timestamp, rows[-1].timestamp + MINUTE_MS
        for opens in range(-(-first // length) * length, last // length * length, length):
            inside = [row for row in rows if opens <= row.timestamp < opens + length]
            if inside:
                highs, lows = [row.high for row in inside], [row.low for row in inside]
                expected.append((opens, inside[0].open, max(highs), min(lows), inside[-1].close))
    assert [row[:5] for row in made.rows()] == expected
    total = sum(row.volume for row in rows if expected and expected[0][0] <= row.timestamp < expected[-1][0] + length)
    assert made.volume.sum() == pytest.approx(total)

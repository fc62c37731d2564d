import asyncio
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.errors import BadCandleError, ConfigError, DataError, MissingCandlesError, UnknownNameError
from backtestkit_cli.exchange.source import CcxtSource
from backtestkit_cli.ports import RemoteSource
from tests.data.candle_files import COLUMNS, START, bytes_of, changed, without
from tests.exchange.sources import CANDLES, NOW, a_source, a_venue, at, venue_and_source
from tests.venue.calls import EXCHANGE_INFO
from tests.venue.faults import Faults, late
from tests.venue.server import Venue


def same(first: Candles, second: Candles) -> bool:
    return bytes_of(first) == bytes_of(second)


def assert_close(first: Candles, second: Candles) -> None:
    """Allow for volumes that were added in another order."""
    for name in COLUMNS:
        np.testing.assert_allclose(getattr(first, name), getattr(second, name), rtol=1e-12)


def starts(venue: Venue) -> list[int]:
    """Return the minute in which each request for candles starts, in order of time."""
    return sorted((int(one.params["startTime"]) - START) // MINUTE_MS for one in venue.candle_requests)


def test_it_is_a_remote_source() -> None:
    source: RemoteSource = a_source("http://127.0.0.1:1")
    assert (source.name, source.is_synthetic, source.page_candles) == ("binance", False, 1000)
    assert source.cache_name("btc/usdt") == "BTCUSDT"


@pytest.mark.parametrize(
    ("first", "last", "pages"), [(0, 1, 1), (0, 999, 1), (0, 1000, 1), (0, 1001, 2), (7, 2507, 3), (0, 3000, 3)]
)
async def test_a_span_takes_as_few_requests_as_there_are_pages_and_one_for_the_markets(
    first: int, last: int, pages: int
) -> None:
    async with venue_and_source() as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(first), at(last))
        assert same(fetched, CANDLES.slice(first, last))
        assert len(venue.candle_requests) == pages
        assert len(venue.requests) == pages + 1


async def test_ends_within_a_minute_are_rounded_to_candles_that_open_inside() -> None:
    async with venue_and_source() as (_, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(1) + 1, at(4) + 1)
        assert same(fetched, CANDLES.slice(2, 5))
        assert len(await source.fetch("BTCUSDT", "1m", at(4), at(4))) == 0


async def test_all_spellings_sources_and_symbols_share_one_list_of_markets() -> None:
    async with venue_and_source({"BTCUSDT": CANDLES, "ETHUSDT": CANDLES}) as (venue, source):
        other = a_source(venue, name="binance")
        spellings = ["BTCUSDT", "BTC/USDT", "btc-usdt", "ETHUSDT", "ETH/USDT"]
        await asyncio.gather(*(one.fetch(text, "1m", at(0), at(10)) for one in (source, other) for text in spellings))
        await other.close()
        assert len(venue.requests_of(EXCHANGE_INFO)) == 1
        assert {one.params["symbol"] for one in venue.candle_requests} == {"BTCUSDT", "ETHUSDT"}


async def test_other_intervals_of_the_venue_are_its_own() -> None:
    async with venue_and_source() as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1h", at(0), at(600))
        assert_close(fetched, aggregated(CANDLES.slice(0, 600), 60 * MINUTE_MS, MINUTE_MS))
        assert [one.params["interval"] for one in venue.candle_requests] == ["1h"]


@pytest.mark.parametrize(("interval", "minutes", "asked"), [("2m", 2, "1m"), ("10m", 10, "5m"), ("3h", 180, "1h")])
async def test_an_interval_that_the_venue_lacks_is_made_of_the_longest_part(
    interval: str, minutes: int, asked: str
) -> None:
    async with venue_and_source() as (venue, source):
        fetched = await source.fetch("BTCUSDT", interval, at(0), at(900))
        expected = aggregated(CANDLES.slice(0, 900), minutes * MINUTE_MS, MINUTE_MS)
        assert len(fetched) == 900 // minutes
        assert_close(fetched, expected)
        assert {one.params["interval"] for one in venue.candle_requests} == {asked}


async def test_a_made_candle_does_not_depend_on_where_the_span_starts() -> None:
    holed = without(CANDLES, 100, 111)
    async with venue_and_source(holed) as (_, source):
        whole = await source.fetch("BTCUSDT", "2m", at(0), at(200))
        edge = await source.fetch("BTCUSDT", "2m", at(100), at(112))
    assert same(edge, whole.slice(50, 56))
    assert len(edge) == 6


async def test_a_newest_made_candle_waits_for_all_its_parts() -> None:
    async with venue_and_source(now=at(101) + 5_000, source={"now": at(101) + 5_000}) as (_, source):
        assert (await source.fetch("BTCUSDT", "2m", at(90), at(110))).timestamp.tolist()[-1] == at(98)
    faults = Faults.script([late(2)] * 5)
    async with venue_and_source(now=at(102), faults=faults, source={"now": at(102)}) as (_, source):
        assert (await source.fetch("BTCUSDT", "2m", at(90), at(102))).timestamp.tolist()[-1] == at(98)


async def test_gaps_are_believed_after_two_answers_and_left_out() -> None:
    holed = without(CANDLES, 3, 500, 501, 999, 1500)
    async with venue_and_source(holed) as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(0), at(3000))
        assert same(fetched, holed)
        assert starts(venue) == [0, 3, 1000, 1500, 2000]


async def test_before_the_listing_few_requests_are_enough() -> None:
    async with venue_and_source() as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(-500_000), at(1000))
        assert same(fetched, CANDLES.slice(0, 1000))
        assert starts(venue) == [-500_000, 0]
        assert len(await source.fetch("BTCUSDT", "1m", at(-9_000), at(-2_000))) == 0
        assert len(venue.candle_requests) == 2  # it is known by now


async def test_before_the_listing_there_is_nothing_and_after_the_end_neither() -> None:
    async with venue_and_source(now=at(9_000), source={"now": at(9_000)}) as (venue, source):
        assert len(await source.fetch("BTCUSDT", "1m", at(-5_000), at(-1_000))) == 0
        assert len(venue.candle_requests) == 1
        assert same(await source.fetch("BTCUSDT", "1m", at(2_900), at(3_100)), CANDLES.slice(2_900, 3_000))


async def test_the_forming_candle_stays_outside() -> None:
    now = at(100) + 30_000
    async with venue_and_source(now=now, source={"now": now}) as (venue, source):
        assert same(await source.fetch("BTCUSDT", "1m", at(90), at(200)), CANDLES.slice(90, 100))
        assert [one.params["limit"] for one in venue.candle_requests] == ["10"]
        assert len(await source.fetch("BTCUSDT", "1m", at(100), at(101))) == 0
        assert len(venue.candle_requests) == 1  # nothing of that can be closed


@pytest.mark.parametrize("ahead_ms", [1_000, 40_000, 10 * MINUTE_MS, 5_000 * MINUTE_MS])
async def test_a_clock_that_runs_ahead_does_not_let_the_forming_candle_in(ahead_ms: int) -> None:
    now = at(100) + 30_000
    async with venue_and_source(now=now, source={"now": now + ahead_ms}) as (_, source):
        assert same(await source.fetch("BTCUSDT", "1m", at(90), at(110)), CANDLES.slice(90, 100))
        assert (await source.fetch("BTCUSDT", "2m", at(90), at(110))).timestamp.tolist()[-1] == at(98)


async def test_a_clock_that_runs_behind_leaves_out_what_it_has_not_seen() -> None:
    async with venue_and_source(now=at(100), source={"now": at(95)}) as (_, source):
        assert same(await source.fetch("BTCUSDT", "1m", at(90), at(110)), CANDLES.slice(90, 95))


async def test_the_newest_candle_may_be_late() -> None:
    faults = Faults.script([late(2)] * 5)
    async with venue_and_source(now=at(100), faults=faults, source={"now": at(100)}) as (venue, source):
        assert same(await source.fetch("BTCUSDT", "1m", at(90), at(100)), CANDLES.slice(90, 99))
        assert len(venue.candle_requests) == 5


async def test_a_candle_at_the_end_of_a_page_may_be_late_more_than_once() -> None:
    faults = Faults.script([late(1), late(1), late(3), None])
    async with venue_and_source(faults=faults) as (venue, source):
        assert same(await source.fetch("BTCUSDT", "1m", at(0), at(1000)), CANDLES.slice(0, 1000))
        assert len(venue.candle_requests) == 2
        assert same(await source.fetch("BTCUSDT", "1m", at(99), at(100)), CANDLES.slice(99, 100))


async def test_a_late_candle_comes_with_a_later_fetch() -> None:
    async with venue_and_source(now=at(101), lag_ms=61_000, source={"now": at(101)}) as (venue, source):
        assert len(await source.fetch("BTCUSDT", "1m", at(100), at(101))) == 0
        venue.market.lag_ms = 0
        assert same(await source.fetch("BTCUSDT", "1m", at(100), at(101)), CANDLES.slice(100, 101))


async def test_the_future_is_refused() -> None:
    async with venue_and_source() as (venue, source):
        with pytest.raises(MissingCandlesError) as caught:
            await source.fetch("BTCUSDT", "1m", NOW + 1, NOW + 9 * MINUTE_MS)
        assert str(caught.value) == (
            "binance BTCUSDT 1m, 2025-01-03 02:00 to 2025-01-03 02:09: the span is in the future,"
            " it is 2025-01-03 02:00 now"
        )
        assert venue.requests == []


async def test_a_bad_candle_is_named_with_its_span() -> None:
    async with venue_and_source(changed(CANDLES, 1_200, close=-1.0)) as (_, source):
        with pytest.raises(BadCandleError) as caught:
            await source.fetch("BTCUSDT", "1m", at(1_000), at(1_500))
    assert str(caught.value).startswith(
        "binance BTCUSDT 1m, 2025-01-01 16:40 to 2025-01-02 01:00: row 201 (2025-01-01 20:00): expected positive prices"
    )


async def test_an_anomaly_is_found_over_the_whole_span() -> None:
    wild = changed(CANDLES, 2_500, high=200_000.0)
    async with venue_and_source(wild) as (_, source):
        with pytest.raises(BadCandleError, match=r"within a factor of 1000"):
            await source.fetch("BTCUSDT", "1m", at(0), at(3_000))


async def test_what_does_not_exist_is_told_with_the_nearest_names() -> None:
    async with venue_and_source({"BTCUSDT": CANDLES, "BTCUSDC": CANDLES}) as (_, source):
        with pytest.raises(
            MissingCandlesError, match=r"^binance: no symbol 'BTCUSD'; did you mean 'BTCUSDC' or 'BTCUSDT'"
        ):
            await source.fetch("BTCUSD", "1m", at(0), at(1))
        with pytest.raises(UnknownNameError, match=r"^unknown interval '7m'; did you mean"):
            await source.fetch("BTCUSDT", "7m", at(0), at(1))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"exchange_id": "binence"}, "unknown exchange 'binence'; did you mean "),
        ({"market": "swaps"}, "binance: unknown market 'swaps'; did you mean 'swap'?"),
        ({"url": "127.0.0.1:80"}, "binance: expected a URL such as http://127.0.0.1:8700, found '127.0.0.1:80'"),
        ({"url": "ftp://x"}, "binance: expected a URL such as http://127.0.0.1:8700, found 'ftp://x'"),
    ],
)
def test_a_source_that_cannot_be_is_refused_when_it_is_made(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        a_source("http://127.0.0.1:1", **wrong)
    assert str(caught.value).startswith(message)
    assert caught.value.exit_code == 2


async def test_numbers_are_written_as_the_venue_takes_them(tmp_path: Path) -> None:
    file = tmp_path / "binance" / "markets.json"
    async with a_venue() as venue:
        source = a_source(venue, markets_file=file)
        with pytest.raises(
            DataError, match=r"^binance: its markets are not known yet: expected them in .*markets\.json"
        ):
            source.format_price("BTCUSDT", 1.0)
        await source.fetch("BTCUSDT", "1m", at(0), at(1))
        facts = await venue.market.facts("BTCUSDT")
        written = source.format_price("btc/usdt", 123.456789012), source.format_quantity("BTCUSDT", 0.123456789)
        await source.close()
    assert written == (f"{123.456789012:.{-int(facts.price_step.as_tuple().exponent)}f}", "0.12345678")
    elsewhere = CcxtSource(
        name="other", exchange_id="binance", environ={}, now_ms=lambda: NOW, markets_file=file
    )  # no client, no network
    assert elsewhere.format_price("BTCUSDT", 123.456789012) == written[0]
    assert elsewhere.format_quantity("BTC/USDT", 0.123456789) == written[1]
    with pytest.raises(MissingCandlesError, match=r"^other: no symbol 'BTCEUR'; did you mean 'BTCUSDT'"):
        elsewhere.format_price("BTCEUR", 1.0)


def test_numbers_without_markets_are_refused() -> None:
    with pytest.raises(DataError, match=r"^binance: its markets are not known yet: fetch candles from it once$"):
        a_source("http://127.0.0.1:1").format_quantity("BTCUSDT", 1.0)


async def test_the_key_goes_to_the_venue_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    environ = {"MY_VENUE_API_KEY": "kkkkkkkk", "MY_VENUE_API_SECRET": "ssssssss", "MY_VENUE_API_PASSWORD": "pppppppp"}
    caplog.set_level(logging.DEBUG)
    async with venue_and_source(source={"name": "my-venue", "environ": environ}) as (venue, source):
        await source.fetch("BTCUSDT", "1m", at(0), at(1))
        with pytest.raises(MissingCandlesError) as caught:
            await source.fetch("XYZUSDT", "1m", at(0), at(1))
    shown = caplog.text + str(caught.value) + repr(source) + repr(vars(source)) + repr(venue.requests)
    assert not [secret for secret in environ.values() if secret in shown]
    assert len(venue.requests) == 2  # a key brings no further requests

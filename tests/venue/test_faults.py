import asyncio
import itertools
import time
from typing import Any

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.data.candle_files import START, a_market
from tests.venue.calls import EXCHANGE_INFO, KLINES
from tests.venue.ccxt_client import binance_at, ccxt
from tests.venue.faults import (
    CUT_BODY,
    CUT_JSON,
    DUPLICATED,
    RESET,
    UNSORTED,
    ErrorAnswer,
    Fault,
    Faults,
    banned,
    html_page,
    late,
    server_error,
    stall,
    too_many_requests,
)
from tests.venue.market import VenueMarket
from tests.venue.server import Venue
from tests.venue.tapes import held
from tests.venue.weights import Weights

CANDLES = a_market(300)
MINUTES = CANDLES.timestamp.tolist()
NOW = START + 200 * MINUTE_MS


def a_venue(faults: Faults | None = None, **options: Any) -> Venue:
    market = VenueMarket(held({"BTCUSDT": CANDLES}), now_ms=lambda: NOW)
    return Venue(market, faults=faults, **options)


async def candles(exchange: Any) -> list[list[float]]:
    rows: list[list[float]] = await exchange.fetch_ohlcv("BTC/USDT", "1m", START, 6)
    return rows


@pytest.mark.parametrize(
    ("faults", "error"),
    [
        pytest.param([too_many_requests()], ccxt.DDoSProtection, id="429"),
        pytest.param([banned()], ccxt.DDoSProtection, id="418"),
        pytest.param([server_error()], ccxt.OperationFailed, id="500"),
        pytest.param([html_page(502)], ccxt.ExchangeNotAvailable, id="502 HTML"),
        pytest.param([html_page(503)], ccxt.ExchangeNotAvailable, id="503 HTML"),
        pytest.param([html_page(504)], ccxt.RequestTimeout, id="504 HTML"),
        pytest.param([stall()], ccxt.RequestTimeout, id="stall"),
        pytest.param([RESET, RESET], ccxt.ExchangeNotAvailable, id="reset"),
        pytest.param([CUT_BODY], ccxt.ExchangeError, id="cut body"),
    ],
)
@pytest.mark.parametrize("path", [KLINES, EXCHANGE_INFO])
async def test_ccxt_raises_for_a_fault_and_the_next_request_succeeds(
    faults: list[Fault], error: type[Exception], path: str
) -> None:
    script = Faults.script(faults, path)
    async with a_venue(script) as venue, binance_at(venue.url) as exchange:
        if path == KLINES:
            await exchange.load_markets()
        patience_ms = exchange.timeout
        exchange.timeout = 200 if error is ccxt.RequestTimeout else patience_ms
        with pytest.raises(ccxt.BaseError) as raised:
            await candles(exchange)
        exchange.timeout = patience_ms
        assert len(await candles(exchange)) == 6
    assert raised.type is error
    assert script.happened == {faults[0].name: len(faults)}
    statuses = [received.status for received in venue.requests_of(path)]
    assert len(statuses) == len(faults) + 1
    assert statuses[-1] == 200
    assert (statuses[0] is None) is not isinstance(faults[0], ErrorAnswer)


async def test_a_single_reset_is_hidden_by_aiohttp_which_asks_again() -> None:
    async with a_venue(Faults.script([RESET])) as venue, binance_at(venue.url) as exchange:
        assert len(await candles(exchange)) == 6
    assert [received.status for received in venue.candle_requests] == [None, 200]


async def test_cut_json_looks_like_no_candles_to_ccxt() -> None:
    faults = Faults.script([CUT_JSON, CUT_JSON])
    async with a_venue(faults) as venue, binance_at(venue.url) as exchange:
        assert await candles(exchange) == []
        raw = await exchange.public_get_klines({"symbol": "BTCUSDT", "interval": "1m"})
    assert isinstance(raw, str)  # which is how to tell
    assert faults.happened == {"cut JSON": 2}


async def test_a_cut_list_of_symbols_looks_like_no_symbols_to_ccxt() -> None:
    async with a_venue(Faults.script([CUT_JSON], EXCHANGE_INFO)) as venue, binance_at(venue.url) as exchange:
        assert await exchange.load_markets() == {}


@pytest.mark.parametrize(
    ("fault", "on_the_wire", "from_ccxt"),
    [
        (late(2), [0, 1, 2, 3], [0, 1, 2, 3]),
        (late(9), [], []),
        (DUPLICATED, [0, 1, 2, 3, 3, 4, 5], [0, 1, 2, 3, 3, 4]),
        (UNSORTED, [3, 4, 5, 0, 1, 2], [0, 1, 2, 3, 4, 5]),
    ],
)
async def test_odd_rows_reach_the_client(fault: Fault, on_the_wire: list[int], from_ccxt: list[int]) -> None:
    """Ccxt sorts the rows, and cuts them to the limit; it does not look for rows that come twice."""
    request = {"symbol": "BTCUSDT", "interval": "1m", "startTime": START, "limit": 6}
    async with a_venue(Faults.script([fault, fault])) as venue, binance_at(venue.url) as exchange:
        raw = await exchange.public_get_klines(request)
        rows = await candles(exchange)
    assert [row[0] for row in raw] == [MINUTES[minute] for minute in on_the_wire]
    assert [row[0] for row in rows] == [MINUTES[minute] for minute in from_ccxt]


async def test_a_fault_that_changes_nothing_is_not_counted() -> None:
    faults = Faults.script([DUPLICATED], EXCHANGE_INFO)
    async with a_venue(faults) as venue, binance_at(venue.url) as exchange:
        await exchange.load_markets()
    assert venue.requests[0].fault is None
    assert not faults.happened


async def test_paths_have_scripts_of_their_own_that_may_go_on_forever() -> None:
    faults = Faults.scripts({EXCHANGE_INFO: [None], KLINES: itertools.repeat(server_error())})
    async with a_venue(faults) as venue, binance_at(venue.url) as exchange:
        for _ in range(3):
            with pytest.raises(ccxt.OperationFailed):
                await candles(exchange)
    assert [received.status for received in venue.requests] == [200, 500, 500, 500]


def test_random_faults_are_a_matter_of_seed_and_number() -> None:
    first, again, other = (Faults.random(seed, share=0.2) for seed in (1, 1, 2))
    numbers = range(1, 2_001)
    chosen = [first.choose(number, KLINES) for number in numbers]
    assert [again.choose(number, KLINES) for number in reversed(numbers)] == chosen[::-1]
    assert [other.choose(number, KLINES) for number in numbers] != chosen
    assert 300 < sum(fault is not None for fault in chosen) < 500
    assert len({fault.name for fault in chosen if fault}) == 11


async def test_the_wait_of_a_refusal_is_in_the_last_headers_when_the_error_is_caught() -> None:
    """Thirty at once: between the headers of an answer and its error, ccxt never lets another task run."""
    refusals = [ErrorAnswer("429", 429, f"wait {seconds} s", retry_after_s=seconds) for seconds in range(1, 31)]
    async with (
        a_venue(Faults.script(refusals), latency_s=0.01) as venue,
        binance_at(venue.url) as exchange,
    ):
        await exchange.load_markets()

        async def waits() -> tuple[str, str]:
            try:
                await candles(exchange)
            except ccxt.DDoSProtection as error:
                return exchange.last_response_headers["Retry-After"], str(error)
            return "", ""

        answers = await asyncio.gather(*(waits() for _ in range(30)))
    assert venue.most_at_once > 10
    assert all(f"wait {seconds} s" in error for seconds, error in answers)


async def test_a_minute_bears_only_so_much_weight() -> None:
    async with a_venue(weights=Weights(24)) as venue, binance_at(venue.url) as exchange:
        venue.market.now_ms = lambda: NOW + 40_000
        await candles(exchange)
        await candles(exchange)
        with pytest.raises(ccxt.DDoSProtection):
            await candles(exchange)
        assert exchange.last_response_headers["Retry-After"] == "20"
        venue.market.now_ms = lambda: NOW + 60_000
        await candles(exchange)
        assert exchange.last_response_headers["X-MBX-USED-WEIGHT-1M"] == "2"
    assert venue.faults.happened == {"429 by weight": 1}


async def test_who_does_not_stop_is_banned_for_a_while() -> None:
    weights = Weights(0, refusals_before_ban=1, ban_ms=2 * MINUTE_MS)
    async with a_venue(weights=weights) as venue, binance_at(venue.url) as exchange:
        for _ in range(3):
            with pytest.raises(ccxt.DDoSProtection):
                await candles(exchange)
        assert exchange.last_response_headers["Retry-After"] == "120"
    assert [received.status for received in venue.requests] == [429, 429, 418]


async def test_a_stall_may_end_in_time() -> None:
    async with a_venue(Faults.script([stall(0.05)])) as venue, binance_at(venue.url) as exchange:
        assert len(await candles(exchange)) == 6
    assert venue.candle_requests[0].status == 200


async def test_the_venue_stops_at_once_whoever_waits() -> None:
    async with a_venue(Faults.script([stall(60)])) as venue, binance_at(venue.url, timeout_ms=60_000) as exchange:
        await exchange.load_markets()
        waiting = asyncio.create_task(candles(exchange))
        await asyncio.sleep(0.1)
        started = time.monotonic()
        await venue.stop()
        assert time.monotonic() - started < 2
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await waiting
    assert [received.fault for received in venue.candle_requests] == ["stall"]

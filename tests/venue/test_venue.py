from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.domain.aggregation import aggregated
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from tests.data.candle_files import START, a_market, without, write_csv, write_parquet
from tests.venue.calls import EXCHANGE_INFO, KLINES, Call
from tests.venue.ccxt_client import binance_at, ccxt
from tests.venue.market import VenueMarket, clock_from
from tests.venue.server import Venue
from tests.venue.tapes import HeldTape, demo_tapes, held, tapes_in

COUNT = 3_000
CANDLES = a_market(COUNT)
END = START + COUNT * MINUTE_MS
NOW = START + 2_500 * MINUTE_MS + 15_000  # a quarter into a minute


def a_venue(candles: Candles = CANDLES, now_ms: int = NOW, **options: Any) -> Venue:
    return Venue(VenueMarket(held({"BTCUSDT": candles}), now_ms=lambda: now_ms), **options)


def opens(rows: list[list[float]]) -> list[float]:
    return [row[0] for row in rows]


def minutes(first: int, stop: int) -> list[int]:
    return [START + minute * MINUTE_MS for minute in range(first, stop)]


async def test_loading_markets_is_one_request() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        assert list(await exchange.load_markets()) == ["BTC/USDT"]
    assert [(received.path, received.status) for received in venue.requests] == [(EXCHANGE_INFO, 200)]


async def test_ccxt_reads_steps_and_limits() -> None:
    async with (
        Venue(VenueMarket(demo_tapes(["BTCUSDT", "XRPUSDT"]))) as venue,
        binance_at(venue.url) as exchange,
    ):
        markets = await exchange.load_markets()
    bitcoin, ripple = markets["BTC/USDT"], markets["XRP/USDT"]
    assert (bitcoin["precision"]["price"], bitcoin["precision"]["amount"]) == (0.1, 0.001)
    assert (ripple["precision"]["price"], ripple["precision"]["amount"]) == (0.000001, 1.0)
    assert (bitcoin["limits"]["cost"]["min"], bitcoin["active"], bitcoin["spot"]) == (5.0, True, True)
    assert exchange.price_to_precision("BTC/USDT", 60_000.17) == "60000.2"


async def test_a_page_starts_at_since_and_loses_no_digit() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        rows = await exchange.fetch_ohlcv("BTC/USDT", "1m", START + 10 * MINUTE_MS, 1_000)
    assert [tuple(row) for row in rows] == CANDLES.rows()[10:1_010]
    asked = venue.candle_requests[0].params
    assert asked == {
        "symbol": "BTCUSDT",
        "interval": "1m",
        "startTime": str(START + 10 * MINUTE_MS),
        "limit": "1000",
    }


async def test_without_since_come_the_newest_ones() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        rows = await exchange.fetch_ohlcv("BTC/USDT", "1m")
    assert opens(rows) == minutes(2_001, 2_501)


async def test_the_candle_of_the_present_is_there_and_not_what_it_will_be() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        whole, forming = await exchange.fetch_ohlcv("BTC/USDT", "1m", NOW - 75_000, 10)
        hour = (await exchange.fetch_ohlcv("BTC/USDT", "1h", limit=1))[0]
    final = CANDLES[2_500]
    assert tuple(whole) == CANDLES[2_499]
    assert forming[:2] == [final.timestamp, final.open]
    assert forming[4] == pytest.approx(final.open + (final.close - final.open) / 4)
    assert forming[5] == pytest.approx(final.volume / 4)
    parts = CANDLES.slice(2_460, 2_500)
    assert hour[:2] == [START + 41 * HOUR_MS, parts[0].open]
    assert hour[4:] == [forming[4], pytest.approx(parts.volume.sum() + forming[5])]


async def test_there_is_nothing_after_the_present() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        assert await exchange.fetch_ohlcv("BTC/USDT", "1m", NOW + 1, 10) == []


async def test_candles_come_to_light_late_where_the_market_lags() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        venue.market.lag_ms = 20_000
        rows = await exchange.fetch_ohlcv("BTC/USDT", "1m", limit=1)
        assert await exchange.fetch_time() == NOW
    assert opens(rows) == minutes(2_499, 2_500)


async def test_longer_intervals_are_made_of_minutes() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        rows = await exchange.fetch_ohlcv("BTC/USDT", "1h", START, 40)
    expected = aggregated(CANDLES, HOUR_MS, MINUTE_MS)
    assert opens(rows) == expected.timestamp[:40].tolist()
    for column, values in enumerate((expected.open, expected.high, expected.low, expected.close), start=1):
        assert [row[column] for row in rows] == values[:40].tolist()


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param(0, minutes(0, 2), id="before the listing"),
        pytest.param(START + 10 * MINUTE_MS, [*minutes(10, 11), *minutes(20, 21)], id="up to a gap"),
        pytest.param(START + 13 * MINUTE_MS, minutes(20, 22), id="in a gap"),
        pytest.param(START + 30 * MINUTE_MS + 1, minutes(31, 33), id="in a candle"),
    ],
)
async def test_since_is_answered_by_the_next_candles_there_are(since: int, expected: list[int]) -> None:
    async with a_venue(without(CANDLES, *range(11, 20))) as venue, binance_at(venue.url) as exchange:
        assert opens(await exchange.fetch_ohlcv("BTC/USDT", "1m", since, 2)) == expected


async def test_the_end_of_a_span_belongs_to_it() -> None:
    last = START + 3 * MINUTE_MS
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        first = await exchange.fetch_ohlcv("BTC/USDT", "1m", START, 10, {"until": last})
        newest = await exchange.fetch_ohlcv("BTC/USDT", "1m", None, 2, {"until": last})
    assert (opens(first), opens(newest)) == (minutes(0, 4), minutes(2, 4))


async def test_an_answer_has_twelve_fields_with_numbers_as_text_and_at_most_a_thousand_rows() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        rows = await exchange.public_get_klines({"symbol": "BTCUSDT", "interval": "1m", "limit": 5_000})
    assert len(rows) == 1_000
    assert [type(field) for field in rows[0]] == [int, str, str, str, str, str, int, str, int, str, str, str]
    assert rows[0][6] - rows[0][0] == MINUTE_MS - 1


@pytest.mark.parametrize(
    ("wrong", "error", "code"),
    [
        ({"symbol": "NOSUCH"}, ccxt.BadSymbol, "-1121"),
        ({"symbol": "btc/usdt"}, ccxt.BadRequest, "-1100"),
        ({"symbol": ""}, ccxt.BadRequest, "-1102"),
        ({"interval": "7m"}, ccxt.BadRequest, "-1120"),
        ({"startTime": "now"}, ccxt.BadRequest, "-1100"),
        ({"limit": 0}, ccxt.BadRequest, "-1130"),
        ({"since": 1}, ccxt.BadRequest, "-1104"),
    ],
)
async def test_a_bad_request_is_refused_in_the_words_of_binance(
    wrong: dict[str, Any], error: type[Exception], code: str
) -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        with pytest.raises(error, match=code):
            await exchange.public_get_klines({"symbol": "BTCUSDT", "interval": "1m"} | wrong)
    assert venue.requests[0].status == 400


async def test_ccxt_itself_knows_which_symbols_there_are() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        with pytest.raises(ccxt.BadSymbol):
            await exchange.fetch_ohlcv("NO/SUCH")
    assert venue.candle_requests == []


async def test_each_answer_tells_the_clock_and_the_weight() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        await exchange.fetch_ohlcv("BTC/USDT")
        headers = exchange.last_response_headers
    assert (headers["Date"], headers["X-MBX-USED-WEIGHT-1M"]) == ("Thu, 02 Jan 2025 17:40:15 GMT", "22")


async def test_the_ticker_is_of_the_last_day() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        ticker = await exchange.fetch_ticker("BTC/USDT")
        price = await exchange.public_get_ticker_price({"symbol": "BTCUSDT"})
    assert ticker["last"] == float(price["price"])
    assert ticker["high"] == CANDLES.high[1_061:2_500].max()


async def test_the_demo_market_of_the_venue_is_the_one_of_btk() -> None:
    async with (
        Venue(VenueMarket(demo_tapes(), now_ms=clock_from(NOW))) as venue,
        binance_at(venue.url) as exchange,
    ):
        rows = await exchange.fetch_ohlcv("ETH/USDT", "1m", START, 1_000)
        hours = await exchange.fetch_ohlcv("ETH/USDT", "1h", None, 3)
    there = await DemoMarket().fetch("ETHUSDT", "1m", START, START + 1_000 * MINUTE_MS)
    assert [tuple(row) for row in rows] == there.rows()
    assert opens(hours) == [START + hour * HOUR_MS for hour in (39, 40, 41)]


async def test_any_candle_file_is_served(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", CANDLES)
    write_csv(tmp_path / "ETHUSDT" / "1h.csv", aggregated(CANDLES, HOUR_MS, MINUTE_MS))
    write_csv(tmp_path / "XRPUSDT.csv", CANDLES)
    single = write_csv(tmp_path / "single" / "LTCUSDT-5m.csv", a_market(20, length_ms=5 * MINUTE_MS))
    tapes = {**tapes_in(tmp_path), **tapes_in(single)}
    async with Venue(VenueMarket(tapes, now_ms=lambda: END)) as venue, binance_at(venue.url) as exchange:
        markets = await exchange.load_markets()
        found = {symbol: len(await exchange.fetch_ohlcv(symbol, "4h", START)) for symbol in sorted(markets)}
        too_fine = await exchange.fetch_ohlcv("ETH/USDT", "1m", START)
    assert found == {"BTC/USDT": 13, "ETH/USDT": 13, "LTC/USDT": 1, "XRP/USDT": 13}
    assert too_fine == []


async def test_a_symbol_may_have_candles_of_several_intervals() -> None:
    hours = a_market(100, length_ms=HOUR_MS, seed=2)
    tape = HeldTape({"1m": CANDLES, "1h": hours})
    async with (
        Venue(VenueMarket({"BTCUSDT": tape}, now_ms=lambda: END)) as venue,
        binance_at(venue.url) as exchange,
    ):
        rows = await exchange.fetch_ohlcv("BTC/USDT", "1h", START, 10)
    assert [tuple(row) for row in rows] == hours.rows()[:10]


async def test_more_endpoints_may_be_added() -> None:
    async def account(call: Call) -> object:
        return {"balances": [], "recvWindow": call.params["recvWindow"], "key": call.headers["X-MBX-APIKEY"]}

    async with (
        a_venue(endpoints={("GET", "/api/v3/account"): account}) as venue,
        binance_at(venue.url) as exchange,
    ):
        exchange.apiKey, exchange.secret = "key", "secret"
        answer = await exchange.private_get_account()
    assert answer == {"balances": [], "recvWindow": "10000", "key": "key"}


async def test_what_the_venue_does_not_have_is_an_error_that_nobody_retries() -> None:
    async with a_venue() as venue, binance_at(venue.url) as exchange:
        with pytest.raises(ccxt.ExchangeError, match="has no GET /api/v3/avgPrice"):
            await exchange.public_get_avgprice({"symbol": "BTCUSDT"})
    assert [(received.path, received.status) for received in venue.requests] == [("/api/v3/avgPrice", 404)]
    assert venue.requests_of(KLINES) == []


async def test_an_error_of_the_venue_itself_does_not_pass_for_a_fault() -> None:
    async def broken(_: Call) -> object:
        raise KeyError("price")

    venue = a_venue(endpoints={("GET", "/api/v3/ping"): broken})
    await venue.start()
    async with binance_at(venue.url) as exchange:
        with pytest.raises(ccxt.ExchangeNotAvailable):
            await exchange.public_get_ping()
    with pytest.raises(RuntimeError, match="the venue itself failed"):
        await venue.stop()

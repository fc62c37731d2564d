import asyncio
import json
import time
from typing import Any

import pytest

from backtestkit_cli.errors import BacktestKitError, MissingCandlesError, VenueError
from backtestkit_cli.exchange import clients
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.failures import verdict
from backtestkit_cli.exchange.retrying import Retry, UnansweredError
from backtestkit_cli.exchange.wire import Attempt
from tests.data.candle_files import bytes_of, without
from tests.exchange.sources import CANDLES, HASTY, at, venue_and_source
from tests.venue.calls import EXCHANGE_INFO, KLINES
from tests.venue.faults import (
    CUT_BODY,
    CUT_JSON,
    DUPLICATED,
    ERRORS,
    ODD_ROWS,
    RESET,
    UNSORTED,
    ErrorAnswer,
    Fault,
    Faults,
    OddRows,
    banned,
    error_body,
    html_page,
    late,
    server_error,
    stall,
    too_many_requests,
)

THRICE = Retry(attempts=3, first_wait_seconds=0.01, timeout_seconds=20)
IMPATIENT = Retry(attempts=3, first_wait_seconds=0.01, timeout_seconds=0.2)
DIFFERENT_TWINS = OddRows("twins", lambda rows: [*rows, [*rows[-1][:4], rows[-1][1], *rows[-1][5:]]] if rows else [])
NULLS = ErrorAnswer("null", 200, "null")
QUICK_KINDS = [
    pytest.param(too_many_requests(None), id="429 without a wait"),
    pytest.param(server_error(), id="500"),
    pytest.param(html_page(502), id="502"),
    pytest.param(html_page(503), id="503"),
    pytest.param(html_page(200), id="200 HTML"),
    pytest.param(NULLS, id="null"),
    pytest.param(RESET, id="reset"),
    pytest.param(CUT_BODY, id="cut body"),
    pytest.param(CUT_JSON, id="cut JSON"),
    pytest.param(late(1), id="late"),
    pytest.param(late(700), id="very late"),
    pytest.param(late(1000), id="nothing"),
    pytest.param(DUPLICATED, id="duplicated"),
    pytest.param(UNSORTED, id="unsorted"),
    pytest.param(DIFFERENT_TWINS, id="different twins"),
    pytest.param(stall(5.0), id="stall"),
]


@pytest.mark.parametrize("fault", QUICK_KINDS)
async def test_each_fault_alone_changes_no_candle(fault: Fault) -> None:
    holed = without(CANDLES, 40, 1_234)
    faults = Faults.script([fault, None, fault])
    async with venue_and_source(holed, faults=faults, source={"retry": HASTY}) as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(0), at(2_000))
    assert bytes_of(fetched) == bytes_of(holed.slice(0, 1_998))
    assert venue.faults.happened[fault.name] == 2


@pytest.mark.parametrize("fault", QUICK_KINDS[:2] + QUICK_KINDS[4:9])
async def test_the_markets_are_asked_for_again(fault: Fault) -> None:
    faults = Faults.script([fault, fault], EXCHANGE_INFO)
    async with venue_and_source(faults=faults) as (venue, source):
        assert len(await source.fetch("BTCUSDT", "1m", at(0), at(5))) == 5
    assert len(venue.requests_of(EXCHANGE_INFO)) >= 3


@pytest.mark.parametrize("seed", [1, 2])
async def test_a_tenth_of_all_kinds_changes_no_candle(seed: int) -> None:
    kinds = [fault for fault in (*ERRORS, *ODD_ROWS) if fault.name not in {"418", "429"}]
    faults = Faults.random(seed, 0.1, [*kinds, too_many_requests(None), stall(5.0)])
    async with venue_and_source(faults=faults, source={"retry": HASTY}) as (venue, source):
        for first in range(0, 3_000, 50):
            fetched = await source.fetch("BTCUSDT", "1m", at(first), at(first + 50))
            assert bytes_of(fetched) == bytes_of(CANDLES.slice(first, first + 50))
    assert len(venue.faults.happened) > 3


async def test_all_requests_wait_as_long_as_the_venue_asks() -> None:
    faults = Faults.script([None, too_many_requests(1)])
    candles = {"BTCUSDT": CANDLES, "ETHUSDT": CANDLES}
    async with venue_and_source(candles, faults=faults, latency_s=0.05) as (venue, source):
        await source.fetch("ETHUSDT", "1m", at(0), at(1))
        started = time.monotonic()
        await source.fetch("BTCUSDT", "1m", at(0), at(3_000))  # the first page alone meets the fault
        assert time.monotonic() - started >= 1
        sent = [one.at_s - venue.candle_requests[1].at_s for one in venue.candle_requests[2:]]
    assert min(sent) >= 1.0
    assert len(sent) == 3


async def test_requests_of_other_symbols_wait_too() -> None:
    faults = Faults.script([None, None, banned(1)])
    candles = {"BTCUSDT": CANDLES, "ETHUSDT": CANDLES}
    async with venue_and_source(candles, faults=faults) as (venue, source):
        await asyncio.gather(*(source.fetch(symbol, "1m", at(0), at(1)) for symbol in candles))
        limited = asyncio.create_task(source.fetch("BTCUSDT", "1m", at(1), at(2)))
        (shared,) = clients._VENUES.values()
        while not shared.pause.left_seconds:  # noqa: ASYNC110 - a pause tells nobody
            await asyncio.sleep(0.01)
        assert len(venue.candle_requests) == 3
        await asyncio.gather(limited, *(source.fetch("ETHUSDT", "1m", at(n), at(n + 1)) for n in range(20)))
        assert min(one.at_s for one in venue.candle_requests[3:]) - venue.candle_requests[2].at_s >= 1.0


async def test_a_ban_of_hours_is_told_and_not_waited_for() -> None:
    started = time.monotonic()
    async with venue_and_source(faults=Faults.script([banned(7_200)])) as (venue, source):
        for _ in range(2):
            with pytest.raises(VenueError, match=r"^binance: the venue wants no requests until 2025-01-03 04:0. UTC"):
                await source.fetch("BTCUSDT", "1m", at(0), at(3_000))
        assert len(venue.candle_requests) == 1
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (html_page(503), "ExchangeNotAvailable: GET {url}/api/v3/klines 503 Service Unavailable (a page of HTML)"),
        (stall(5.0), "RequestTimeout: GET {url}/api/v3/klines"),
        (CUT_BODY, "the answer broke off, ExchangeError: GET {url}/api/v3/klines"),
        (NULLS, "BadResponse: expected JSON, found 'null'"),
    ],
)
async def test_giving_up_is_one_line_with_the_last_reason(fault: Fault, reason: str) -> None:
    faults = Faults(lambda _, path: fault if path == KLINES else None)
    retry = IMPATIENT if fault.name == "stall" else THRICE
    async with venue_and_source(faults=faults, source={"retry": retry}) as (venue, source):
        with pytest.raises(VenueError) as caught:
            await source.fetch("BTCUSDT", "1m", at(0), at(10))
    assert str(caught.value) == f"binance: no answer after 3 attempts: {reason.format(url=venue.url)}"
    assert caught.value.exit_code == 5
    assert len(venue.candle_requests) == 3


async def test_one_page_that_fails_ends_the_others() -> None:
    def choose(number: int, path: str) -> Fault | None:
        return server_error() if path == KLINES and number > 2 else None

    async with venue_and_source(faults=Faults(choose), source={"retry": THRICE}) as (_, source):
        with pytest.raises(VenueError, match=r"no answer after 3 attempts: OperationFailed"):
            await source.fetch("BTCUSDT", "1m", at(0), at(3_000))


def refusal(code: int, message: str, status: int = 400) -> Fault:
    return ErrorAnswer("refusal", status, error_body(code, message))


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (refusal(-1121, "Invalid symbol."), MissingCandlesError, "binance: the venue does not know the symbol: "),
        (refusal(-1100, "Illegal characters."), VenueError, "binance: the venue refused: "),
        (refusal(-77777, "Something new."), VenueError, "binance: the venue refused: ExchangeError: "),
        (refusal(-2014, "API-key format invalid."), VenueError,
         "binance: the venue wants credentials; set BINANCE_API_KEY and BINANCE_API_SECRET"),
        (refusal(0, "Service unavailable from a restricted location", 451), VenueError,
         "binance: the venue does not serve this place: "),
    ],
)  # fmt: skip
async def test_a_refusal_is_final(fault: Fault, kind: type[BacktestKitError], message: str) -> None:
    async with venue_and_source(faults=Faults.script([fault])) as (venue, source):
        with pytest.raises(kind) as caught:
            await source.fetch("BTCUSDT", "1m", at(0), at(10))
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)
    assert len(venue.candle_requests) == 1


async def test_a_key_that_the_venue_echoes_is_not_shown() -> None:
    environ = {"BINANCE_API_KEY": "k1k1k1k1", "BINANCE_API_SECRET": "s2s2s2s2"}
    faults = Faults.script([refusal(-2014, "API-key k1k1k1k1 invalid.")])
    async with venue_and_source(faults=faults, source={"environ": environ}) as (_, source):
        with pytest.raises(
            VenueError, match=r"refused the credentials in BINANCE_API_KEY and BINANCE_API_SECRET"
        ) as caught:
            await source.fetch("BTCUSDT", "1m", at(0), at(10))
    assert "k1k1k1k1" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_venue_that_is_not_there_is_told() -> None:
    async with venue_and_source(source={"retry": THRICE, "url": "http://127.0.0.1:9"}) as (_, source):
        with pytest.raises(VenueError, match=r"no answer after 3 attempts: ExchangeNotAvailable: GET http://127"):
            await source.fetch("BTCUSDT", "1m", at(0), at(10))


async def test_a_bug_in_ccxts_caller_is_no_venue_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from backtestkit_cli.exchange import history

    def broken(_: Any) -> Any:
        return json.loads("{}")["missing"]

    monkeypatch.setattr(history, "tabled", broken)
    async with venue_and_source() as (_, source):
        with pytest.raises(KeyError):
            await source.fetch("BTCUSDT", "1m", at(0), at(10))


def test_an_answer_that_breaks_off_beside_a_whole_one_is_asked_for_again() -> None:
    from aiohttp import ClientPayloadError
    from ccxt.base.errors import ExchangeError

    attempt = Attempt(HASTY, lambda: 0, wants_json=False)
    attempt.status = 200  # of the other request of the same call
    cut, refused = ExchangeError("binance GET https://x"), ExchangeError("binance no")
    cut.__cause__ = ClientPayloadError()
    assert isinstance(verdict(cut, attempt, "binance", Credentials("BINANCE"), 0), UnansweredError)
    assert isinstance(verdict(refused, attempt, "binance", Credentials("BINANCE"), 0), VenueError)


async def test_an_answer_of_an_unknown_shape_is_asked_for_again() -> None:
    odd = ErrorAnswer("odd", 200, '{"a": 1}')
    no_list = ErrorAnswer("no list", 200, '{"symbols": 1}')
    faults = Faults.scripts({KLINES: [odd], EXCHANGE_INFO: [no_list]})
    async with venue_and_source(faults=faults) as (venue, source):
        fetched = await source.fetch("BTCUSDT", "1m", at(0), at(10))
    assert venue.faults.happened == {"odd": 1, "no list": 1}
    assert bytes_of(fetched) == bytes_of(CANDLES.slice(0, 10))

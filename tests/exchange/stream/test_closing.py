from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.exchange.building import Account
from backtestkit_cli.exchange.closing import ClosedCandles, Word, words_of
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.exchange.listening import streaming_exchange
from backtestkit_cli.exchange.retrying import Pause
from tests.data.candle_files import START


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"e": "kline", "s": "A", "k": {"s": "A", "t": 60_000, "x": True}}, [Word("A", 60_000, True)]),
        ({"stream": "a", "data": {"e": "kline", "k": {"s": "A", "t": 60_000, "x": True}}}, [Word("A", 60_000, True)]),
        ({"e": "kline", "k": {"s": "A", "t": 60_000, "x": False}}, [Word("A", 60_000, False)]),
        (
            {"topic": "kline.1.A", "data": [{"start": 0, "confirm": True}, {"start": 60_000, "confirm": False}]},
            [Word("A", 0, True), Word("A", 60_000, False)],
        ),
        ({"topic": "kline.1.A", "data": [{"start": 60_000}]}, []),
        ({"arg": {"instId": "A-B"}, "data": [["60000", *"1234567", "1"]]}, [Word("A-B", 60_000, True)]),
        ({"arg": {"instId": "A-B"}, "data": [["60000", *"1234567", "0"]]}, [Word("A-B", 60_000, False)]),
        ({"arg": {"instId": "A-B"}, "data": [["60000", *"123456"]]}, []),
        ({"result": None, "id": 1}, []),
        ({"k": {"x": True}}, []),
        ({"topic": "kline", "data": [{"start": None, "confirm": True}]}, []),
        ([1, 2], []),
        ("pong", []),
    ],
)
def test_the_word_of_a_venue_on_its_candles_is_understood(message: object, words: list[Word]) -> None:
    assert words_of(message) == words


def row(minute: int) -> list[Any]:
    return [START + minute * MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 1.0]


SHOWN = st.lists(
    st.tuples(st.integers(-3, 12), st.booleans(), st.sampled_from(["row", "row", "row", "again", "asked"])), max_size=60
)


@given(SHOWN, st.booleans())
def test_a_candle_is_taken_once_in_order_and_only_when_something_tells_that_it_is_closed(
    shown: Any, speaks: bool
) -> None:
    closed, taken = ClosedCandles(START), list[int]()
    rows, told = dict[int, list[Any]](), set[int]()
    for minute, is_told, event in shown:
        if event == "again":
            closed.connect()
            rows = {}
        rows[minute] = row(minute)
        if speaks:
            closed.hear(rows[minute][0], is_closed=is_told)
            told |= {rows[minute][0]} if is_told else set()
        if event != "row":
            found = [one[0] for one in closed.take(list(rows.values()))]
            newest = max(one[0] for one in rows.values())
            assert all(at in told if speaks else at < newest for at in found)
            taken += found
    assert taken == sorted(set(taken))
    assert all(at >= START for at in taken)


@pytest.mark.parametrize("exchange_id", ["binance", "bybit", "okx", "kraken", "bitget"])
def test_a_url_leads_every_stream_there_and_no_key_goes_along(exchange_id: str) -> None:
    account = Account(exchange_id, "spot", "http://127.0.0.1:8700/", Credentials("A", "the-key", "the-secret", "pass"))
    exchange: Any = streaming_exchange(account, Pause())

    def leaves(urls: object) -> list[str]:
        return [leaf for one in urls.values() for leaf in leaves(one)] if isinstance(urls, dict) else [str(urls)]

    found = leaves(exchange.urls["api"])
    assert [url for url in found if url.startswith("ws://127.0.0.1:8700")]
    assert all(url.startswith(("http://127.0.0.1:8700", "ws://127.0.0.1:8700")) for url in found)
    assert not {"the-key", "the-secret", "pass"} & {exchange.apiKey, exchange.secret, exchange.password}

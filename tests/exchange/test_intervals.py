import pytest

from backtestkit_cli.errors import MissingCandlesError, UnknownNameError
from backtestkit_cli.exchange.building import exchange_class
from backtestkit_cli.exchange.ids import checked_exchange_id, exchange_ids
from backtestkit_cli.exchange.intervals import Timeframe, serving, timeframes_of
from backtestkit_cli.exchange.page_sizes import page_size

BINANCE = ("1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M")


@pytest.mark.parametrize(
    ("interval", "served_by"),
    [
        ("1m", "1m"),
        ("2m", "1m"),
        ("10m", "5m"),
        ("45m", "15m"),
        ("60m", "1h"),
        ("3h", "1h"),
        ("1d", "1d"),
        ("24h", "1d"),
    ],
)
def test_the_longest_that_divides_serves(interval: str, served_by: str) -> None:
    assert serving(interval, BINANCE, "binance").name == served_by


def test_weeks_months_and_seconds_are_no_intervals_of_ours() -> None:
    assert [timeframe.name for timeframe in timeframes_of(["1w", "1h", "1M", "1s", "5m", "3d"])] == ["5m", "1h"]
    assert timeframes_of(["1h"]) == (Timeframe("1h", 3_600_000),)


def test_an_interval_that_cannot_be_made_is_refused_with_what_is_there() -> None:
    with pytest.raises(
        MissingCandlesError, match=r"^venue: no 1m candles, and none to make them of; the venue has 5m, 1h$"
    ):
        serving("1m", ["1h", "5m"], "venue")
    with pytest.raises(MissingCandlesError, match=r"^venue: no 1m candles; the venue offers no history of candles$"):
        serving("1m", [], "venue")


def test_the_ids_are_those_of_ccxt() -> None:
    import ccxt

    assert list(exchange_ids()) == sorted(ccxt.exchanges)


def test_an_unknown_exchange_is_told_with_the_nearest_ones() -> None:
    with pytest.raises(UnknownNameError, match=r"^unknown exchange 'binence'; did you mean .*'binance'"):
        checked_exchange_id("binence")


@pytest.mark.parametrize(
    ("exchange_id", "market", "candles"),
    [("binance", "spot", 1000), ("binance", "margin", 1000), ("binance", "swap", 499), ("okx", "spot", 300),
     ("bybit", "future", 1000), ("gemini", "spot", 500)],
)  # fmt: skip
def test_pages_are_as_long_as_the_venue_allows(exchange_id: str, market: str, candles: int) -> None:
    assert page_size(exchange_class(exchange_id), market) == candles

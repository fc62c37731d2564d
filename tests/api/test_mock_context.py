"""A stand-in for a run: the author's functions work in a test, and nothing of it stays."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    PositionOpened,
    activate,
    average_buy,
    cancel,
    close_position,
    context,
    format_price,
    format_quantity,
    get_average_price,
    get_candles,
    get_indicator,
    listen,
    mock_context,
    mode,
    now,
    partial_close,
)
from backtestkit_cli.api.log_context import LOG_KEYS, log_context
from backtestkit_cli.domain.command import refused
from backtestkit_cli.domain.interval import MINUTE_MS, to_datetime
from backtestkit_cli.engine.market import Market
from backtestkit_cli.errors import (
    BadCandleError,
    ConfigError,
    ContextError,
    NotEnoughCandlesError,
    UnknownNameError,
)
from tests.markets import START_MS, random_candles

CANDLES = random_candles(3, 600)
NOON = to_datetime(START_MS + 300 * MINUTE_MS)


def test_names_and_time_are_those_that_were_given_and_gone_afterwards() -> None:
    with mock_context(
        "ETHUSDT", "2025-05-04T12:00", mode="live", strategy="dca", exchange="binance", frame="may"
    ) as mock:
        inside = context()
        assert (inside.symbol, inside.strategy, inside.exchange, inside.frame) == ("ETHUSDT", "dca", "binance", "may")
        assert (mode(), now(), mock.when) == ("live", datetime(2025, 5, 4, 12, tzinfo=UTC), now())
        assert log_context()["when"] == "2025-05-04T12:00:00+00:00"
    with pytest.raises(ContextError, match="works inside a run only"):
        now()
    assert log_context() == dict.fromkeys(LOG_KEYS, "")


def test_blocks_lie_within_each_other_and_an_error_leaves_nothing_behind() -> None:
    def failing() -> None:
        with mock_context("B", NOON):
            assert context().symbol == "B"
            raise KeyError

    with mock_context("A", NOON):
        with pytest.raises(KeyError):
            failing()
        assert context().symbol == "A"
        with mock_context("C", NOON):
            assert context().symbol == "C"
        assert context().symbol == "A"
    with pytest.raises(ContextError):
        context()


async def test_the_context_holds_across_awaits() -> None:
    async def ask() -> str:
        return context().symbol

    with mock_context("A", NOON):
        assert await ask() == "A"


def test_candles_end_with_the_one_that_has_just_closed() -> None:
    with mock_context("A", NOON, candles={"A": CANDLES}) as mock:
        newest = get_candles("A", "1m", 5)
        assert to_datetime(int(newest.timestamp[-1]) + MINUTE_MS) == NOON
        mock.move_to("2025-01-01T05:07")
        assert int(get_candles("A", "5m", 1).timestamp[-1]) == START_MS + 300 * MINUTE_MS
        assert int(get_candles("A", "1h", 5).timestamp[-1]) == START_MS + 240 * MINUTE_MS
        with pytest.raises(NotEnoughCandlesError, match=r"6 candles of 1h .* was given 5 closed until then"):
            get_candles("A", "1h", 6)


@given(minute=st.integers(0, 600), interval=st.sampled_from(["1m", "3m", "15m", "1h"]), n=st.integers(1, 40))
def test_what_is_visible_is_what_a_run_would_show(minute: int, interval: str, n: int) -> None:
    when_ms = START_MS + minute * MINUTE_MS
    market = Market("A", CANDLES, 5)
    with mock_context("A", to_datetime(when_ms), candles={"A": CANDLES}):
        try:
            expected = market.visible(interval, n, when_ms).rows()
        except NotEnoughCandlesError:
            with pytest.raises(NotEnoughCandlesError):
                get_candles("A", interval, n)
        else:
            assert get_candles("A", interval, n).rows() == expected


def test_rows_do_as_well_as_columns_and_bad_ones_are_refused() -> None:
    rows = [(START_MS + i * MINUTE_MS, 1.0, 2.0, 0.5, 1.5, 10.0) for i in range(10)]
    with mock_context("A", to_datetime(START_MS + 10 * MINUTE_MS), candles={"A": rows, "B": CANDLES}):
        assert get_candles("A", "1m", 10).rows() == rows
        assert len(get_candles("B", "1m", 10)) == 10
        with pytest.raises(UnknownNameError, match="unknown symbol 'C'; known: A, B"):
            get_candles("C", "1m", 1)
        for count in (0, 2.5):
            with pytest.raises(ContextError, match="whole number"):
                get_candles("A", "1m", count)  # type: ignore[arg-type]
    with (
        pytest.raises(BadCandleError, match=r"mock_context: A: row 1 .*expected high"),
        mock_context(candles={"A": [(START_MS, 1.0, 0.5, 2.0, 1.5, 1.0)]}),
    ):
        pass
    with pytest.raises(ContextError, match="expected rows of time, open"), mock_context(candles={"A": [(1.0, 2.0)]}):
        pass


def test_the_average_price_is_the_given_one_or_that_of_the_candles() -> None:
    with mock_context("A", NOON, candles={"A": CANDLES}):
        market = Market("A", CANDLES, 5)
        assert get_average_price("A") == pytest.approx(market.average_price.item(299), rel=1e-12)
    with mock_context("A", NOON, price=42):
        assert (get_average_price("A"), get_average_price("B")) == (42.0, 42.0)
    with mock_context("A", NOON, price={"A": 1.0}), pytest.raises(UnknownNameError):
        get_average_price("B")
    quiet = [(START_MS + i * MINUTE_MS, 1.0, 1.0, 1.0, 1.0, 0.0) for i in range(5)]
    with mock_context("A", NOON, candles={"A": quiet}):
        assert get_average_price("A") == 1.0


def test_indicators_are_a_value_or_an_array() -> None:
    with mock_context("A", NOON, indicators={"rsi": 30, "ma": np.array([1.0, 2.0, 3.0]), "none": []}):
        assert (get_indicator("rsi"), get_indicator("ma")) == (30.0, 3.0)
        assert get_indicator("ma", 2).tolist() == [2.0, 3.0]
        assert get_indicator("rsi", 2).tolist() == [30.0, 30.0]
        assert np.isnan(get_indicator("none"))
        with pytest.raises(NotEnoughCandlesError, match="4 values of 'ma'"):
            get_indicator("ma", 4)
        with pytest.raises(UnknownNameError, match="unknown indicator 'rs'; did you mean 'rsi'"):
            get_indicator("rs")


def test_commands_are_recorded_in_order_and_accepted_unless_told_otherwise() -> None:
    with mock_context("A", NOON, answers={"cancel": refused("nothing waits")}) as mock:
        assert average_buy(50)
        assert partial_close(25)
        assert close_position("enough")
        assert activate()
        assert cancel() == refused("nothing waits")
    assert mock.commands == [
        ("average_buy", (50,)),
        ("partial_close", (25,)),
        ("close_position", ("enough",)),
        ("activate", ()),
        ("cancel", ()),
    ]


def test_prices_are_written_and_listeners_belong_to_the_block() -> None:
    with mock_context("A", NOON) as mock:
        assert (format_price("A", 1.23), format_quantity("A", 0.123456789)) == ("1.23", "0.12345678")
        stop = listen(PositionOpened, print)
        assert mock.bus.is_heard("mock", "A", "backtest")
        stop()
        assert not mock.bus.is_heard("mock", "A", "backtest")


def test_an_instant_is_a_whole_minute() -> None:
    with pytest.raises(ConfigError, match="expected a whole minute"), mock_context(when="2025-05-04T12:00:30"):
        pass

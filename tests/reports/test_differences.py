"""Where two tables of trades or candles first differ."""

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.reports.comparison.differences import first_candle_difference, first_trade_difference
from backtestkit_cli.reports.saved.frames import CANDLES, TRADES, trades_frame
from tests.builders import START_MS, a_session, an_outcome, trades_of


def trades(*pnl_pct: float) -> pl.DataFrame:
    return trades_frame(an_outcome(a_session(*trades_of(*pnl_pct))))


def with_cell(table: pl.DataFrame, row: int, column: str, value: Any) -> pl.DataFrame:
    values = table[column].to_list()
    values[row] = value
    return table.with_columns(pl.Series(column, values, table.schema[column]))


@settings(max_examples=20)
@given(pnl_pct=st.lists(st.floats(-50, 50), max_size=6))
def test_trades_are_equal_to_themselves(pnl_pct: list[float]) -> None:
    assert first_trade_difference(trades(*pnl_pct), trades(*pnl_pct)) is None


@pytest.mark.parametrize("column", list(TRADES))
def test_a_difference_in_any_column_is_found(column: str) -> None:
    table = trades(1, 2, 3)
    other: Any = {pl.String: "other", pl.Int64: 7, pl.Float64: 0.5, pl.Boolean: True}[type(table.schema[column])]
    found = first_trade_difference(table, with_cell(table, 1, column, other))
    assert found is not None
    assert (found.number, found.column, found.saved, found.now) == (2, column, table[column][1], other)


def test_the_first_trade_counts_before_the_first_column() -> None:
    table = trades(1, 2, 3)
    found = first_trade_difference(table, with_cell(with_cell(table, 2, "id", "x"), 1, "note", "y"))
    assert found is not None
    assert (found.number, found.column) == (2, "note")
    assert str(found) == "trade 2 (sma_cross on BTCUSDT, opened 2025-05-04 01:00): note '' saved, 'y' now"


def test_the_last_bit_and_the_sign_of_nothing_are_differences() -> None:
    table = with_cell(trades(1), 0, "mae_pct", 0.0)
    for other in (-0.0, 5e-324, None):
        assert first_trade_difference(table, with_cell(table, 0, "mae_pct", other)) is not None


@pytest.mark.parametrize(("saved", "now", "side"), [((1, 2), (1, 2, 3), "run now"), ((1, 2, 3), (1, 2), "saved run")])
def test_a_trade_of_one_run_only_is_named(saved: tuple[int, ...], now: tuple[int, ...], side: str) -> None:
    found = first_trade_difference(trades(*saved), trades(*now))
    assert str(found) == f"trade 3 (sma_cross on BTCUSDT, opened 2025-05-04 02:00) is only in the {side}"


def candles(*closes: float, symbol: str = "BTCUSDT") -> pl.DataFrame:
    rows = [(symbol, START_MS + 60_000 * i, close, close, close, close) for i, close in enumerate(closes)]
    return pl.DataFrame(rows, schema=CANDLES, orient="row")


def test_the_first_candle_that_differs_is_that_of_the_symbol() -> None:
    beside = candles(1, 2, symbol="ETHUSDT")
    saved, now = pl.concat([candles(1, 2, 3), beside]), pl.concat([beside, candles(1, 2, 4)])
    assert first_candle_difference(saved, now, "BTCUSDT") == START_MS + 120_000
    assert first_candle_difference(saved, now, "ETHUSDT") is None
    assert first_candle_difference(candles(1, 2, 3), candles(1, 2), "BTCUSDT") == START_MS + 120_000
    assert first_candle_difference(candles(), candles(), "BTCUSDT") is None

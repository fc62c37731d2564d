"""Rows of Python values: any type of time and number, and the row that is wrong."""

import math
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from backtestkit_cli.data.foreign.raw import candles_of, times_of
from backtestkit_cli.data.foreign.rows import Rows
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, to_datetime
from backtestkit_cli.errors import BadCandleError
from tests.data.candle_files import START, a_market, bytes_of

MINUTES = [START + row * MINUTE_MS for row in range(3)]
INDIA = timezone(timedelta(hours=5, minutes=30))
TIMES: dict[str, Callable[[int], Any]] = {
    "ms": int,
    "seconds": lambda ms: ms // 1000,
    "nanoseconds": lambda ms: ms * 10**6,
    "a float": lambda ms: ms / 1000,
    "a Decimal": lambda ms: Decimal(ms) / 1000,
    "text": str,
    "ISO": lambda ms: to_datetime(ms).isoformat(),
    "aware": to_datetime,
    "another zone": lambda ms: to_datetime(ms).astimezone(INDIA),
    "naive": lambda ms: to_datetime(ms).replace(tzinfo=None),
    "aware and naive": lambda ms: to_datetime(ms).replace(tzinfo=UTC if ms % 120_000 else None),
    "whole numbers and others": lambda ms: ms if ms % 120_000 else float(ms),
    "datetime64 in minutes": lambda ms: np.datetime64(ms, "ms").astype("datetime64[m]"),
    "datetime64 in ms": lambda ms: np.datetime64(ms, "ms"),
    "datetime64 in ns": lambda ms: np.datetime64(ms, "ms").astype("datetime64[ns]"),
    "numpy numbers": np.int64,
    "numpy numbers and others": lambda ms: np.float64(ms) if ms % 120_000 else ms,
}


@pytest.mark.parametrize("form", TIMES)
@pytest.mark.parametrize("kind", [list, tuple])
def test_a_time_may_have_any_form(form: str, kind: Callable[[Any], Any]) -> None:
    assert times_of(kind(map(TIMES[form], MINUTES)), Rows("x")).tolist() == MINUTES


def test_days_may_be_dates() -> None:
    assert times_of([date(2025, 1, 1), date(2025, 1, 2)], Rows("x")).tolist() == [START, START + DAY_MS]


NO_TIMES: dict[str, tuple[list[Any], str]] = {
    "text": ([START, "soon"], "row 2: column timestamp: expected a time of 1980 to 2100 in .*, found 'soon'"),
    "nothing": ([START, None], "row 2: .* found no value"),
    "nothing at all": ([None, None], "row 1: .* found no value"),
    "true": ([True], "row 1: .* found True"),
    "bytes": ([b"1735689600"], "row 1: .* found b'1735689600'"),
    "an object": ([START, object()], "row 2: .* found <object"),
    "too large": ([2**80], "row 1: .* found 1208925819614629174706176"),
    "ISO and numbers": (["2025-01-01", START], "row 2: .* found 1735689600000"),
    "two units": ([START, START + 60_000, START // 1000], r"row 3: .* expected Unix milliseconds .* \(in seconds\)"),
    "a compact date": (["20250101"], "row 1: .* found '20250101'"),
    "no time of numpy": ([np.datetime64(START, "ms"), np.datetime64("NaT")], "row 2: "),
    "not a number": ([float(START), math.nan], "row 2: "),
    "a part of a millisecond": ([datetime(2025, 1, 1, 0, 0, 0, 1, UTC)], "row 1: .* whole milliseconds"),
}


@pytest.mark.parametrize(("times", "problem"), NO_TIMES.values(), ids=NO_TIMES)
def test_what_is_no_time_is_named(times: list[Any], problem: str) -> None:
    with pytest.raises(BadCandleError, match=f"^x: {problem}"):
        times_of(times, Rows("x"))


@pytest.mark.parametrize("number", [float, repr, Decimal, np.float64])
def test_a_number_may_have_any_form(number: Callable[[float], Any]) -> None:
    market = a_market(5)
    rows = [(row.timestamp, *map(number, row[1:])) for row in market.rows()]
    assert bytes_of(candles_of(rows, Rows("x"))) == bytes_of(market)


@pytest.mark.parametrize("bad", [None, "x", b"x", object()])
def test_what_is_no_number_is_named_with_its_time_and_how_many_there_are(bad: object) -> None:
    rows = [(at_ms, 1, 2, 1, bad if row else 2, 3) for row, at_ms in enumerate(MINUTES)]
    with pytest.raises(BadCandleError) as caught:
        candles_of(rows, Rows("x", first=11))
    assert str(caught.value).startswith("x: row 12 (2025-01-01 00:01): column close: expected a number, found ")
    assert str(caught.value).endswith("; 2 bad rows in all")

"""A class of the author's as a source: every shape of answer, and every mistake named by method and line."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from backtestkit_cli.data.user_class import UserSource
from backtestkit_cli.domain.candle import Candle, Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS, to_datetime, to_ms
from backtestkit_cli.errors import BadCandleError, DataError, MissingCandlesError, StrategyError, VenueError
from backtestkit_cli.ports import RemoteSource
from tests.data.candle_files import COLUMNS, START, a_market, bytes_of, columns_of, frame_of, without

COUNT = 300
END = START + COUNT * MINUTE_MS
MUCH_LATER = END + 24 * HOUR_MS


class Own:
    """What an author writes, answering with `shape(candles)` from `since` on, at most `limit` of them."""

    def __init__(self, shape: Callable[[Candles], Any] = list, candles: Candles | None = None) -> None:
        self.shape = shape
        self.candles = a_market(COUNT) if candles is None else candles
        self.asked: list[tuple[str, str, datetime, int]] = []

    def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> Any:
        self.asked.append((symbol, interval, since, limit))
        first = int(np.searchsorted(self.candles.timestamp, to_ms(since)))
        return self.shape(self.candles.slice(first, first + limit))

    def format_price(self, symbol: str, price: float) -> Any:
        return f"{price:.2f}"

    def format_quantity(self, symbol: str, quantity: float) -> Any:
        return round(quantity, 3)


class PandasLike:
    """A frame of columns by name, as pandas has them."""

    def __init__(self, columns: dict[str, Any]) -> None:
        self._columns = columns
        self.columns = list(columns)

    def __getitem__(self, name: str) -> Any:
        return self._columns[name]


def dicts(candles: Candles) -> list[dict[str, Any]]:
    return [row._asdict() for row in candles.rows()]


def with_times(time: Callable[[int], Any]) -> Callable[[Candles], list[tuple[Any, ...]]]:
    return lambda candles: [(time(row.timestamp), *row[1:]) for row in candles.rows()]


def generated(candles: Candles) -> Iterator[Candle]:
    yield from candles.rows()


INDIA = timezone(timedelta(hours=5, minutes=30))
SHAPES: dict[str, Callable[[Candles], Any]] = {
    "Candle": list,
    "dicts": dicts,
    "dicts of capital names and more": lambda c: [{"Timestamp": r[0], **r._asdict(), "trades": 5} for r in c.rows()],
    "lists": lambda c: [list(row) for row in c.rows()],
    "texts, as venues send them": lambda c: [(row.timestamp, *map(repr, row[1:])) for row in c.rows()],
    "aware datetimes": with_times(to_datetime),
    "datetimes of another zone": with_times(lambda ms: to_datetime(ms).astimezone(INDIA)),
    "naive datetimes": with_times(lambda ms: to_datetime(ms).replace(tzinfo=None)),
    "datetime64": with_times(lambda ms: np.datetime64(ms, "ms")),
    "numpy integers": with_times(np.int64),
    "seconds": with_times(lambda ms: ms // 1000),
    "a generator": generated,
    "Candles": lambda candles: candles,
    "polars": frame_of,
    "polars with datetimes": lambda c: frame_of(c).with_columns(pl.from_epoch("timestamp", time_unit="ms")),
    "polars in UTC": lambda c: frame_of(c).with_columns(
        pl.from_epoch("timestamp", time_unit="ms").dt.replace_time_zone("UTC")
    ),
    "pandas": lambda c: PandasLike({name: column.tolist() for name, column in columns_of(c).items()}),
    "pandas with numpy columns": lambda c: PandasLike(
        {**columns_of(c), "timestamp": c.timestamp.astype("datetime64[ms]").astype("datetime64[ns]")}
    ),
    "columns by name": columns_of,
}


def served(own: Any, now: int = MUCH_LATER) -> UserSource:
    return UserSource("mine", own, now_ms=lambda: now, where="own.py:7")


async def fetch(own: Any, start: int = START, end: int = END, now: int = MUCH_LATER) -> Candles:
    return await served(own, now).fetch("BTC/USDT", "1m", start, end)


async def refusal(kind: type[DataError], own: Any) -> str:
    with pytest.raises(kind) as caught:
        await fetch(own)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("exchange 'mine': ")
    return message


@pytest.mark.parametrize("shape", SHAPES)
async def test_an_answer_may_have_any_shape_of_candles(shape: str) -> None:
    assert bytes_of(await fetch(Own(SHAPES[shape]))) == bytes_of(a_market(COUNT))


async def test_an_async_method_is_awaited() -> None:
    class Async(Own):
        async def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> Any:
            await asyncio.sleep(0)
            return super().get_candles(symbol, interval, since, limit)

    assert bytes_of(await fetch(Async())) == bytes_of(a_market(COUNT))


async def test_a_class_is_asked_with_an_aware_time_and_what_is_missing() -> None:
    own = Own(candles=a_market(12, length_ms=5 * MINUTE_MS))
    await served(own).fetch("BTC/USDT", "5m", START + 1, START + HOUR_MS)
    symbol, interval, since, limit = own.asked[0]
    assert (symbol, interval, limit) == ("BTC/USDT", "5m", 11)
    assert since == datetime(2025, 1, 1, 0, 5, tzinfo=UTC)
    assert since.utcoffset() == timedelta(0)


@pytest.mark.parametrize("at_most", [1, 7, 100, 299, 300, 1000])
async def test_a_class_may_give_fewer_than_asked_for(at_most: int) -> None:
    own = Own(lambda candles: list(candles.slice(0, at_most)))
    assert bytes_of(await fetch(own)) == bytes_of(a_market(COUNT))
    assert len(own.asked) == -(-COUNT // at_most)


async def test_a_class_says_itself_how_many_it_gives_at_most() -> None:
    own = Own()
    own.page_candles = 120  # type: ignore[attr-defined]
    assert bytes_of(await fetch(own)) == bytes_of(a_market(COUNT))
    assert [limit for *_, limit in own.asked] == [120, 120, 60]


async def test_asking_ends_when_an_answer_adds_nothing() -> None:
    own = Own(candles=a_market(100))
    assert len(await fetch(own)) == 100
    assert len(own.asked) == 2
    stubborn = Own(lambda _: a_market(50).rows())  # whatever it is asked for
    assert len(await fetch(stubborn)) == 50
    assert len(stubborn.asked) == 2


async def test_rows_outside_the_span_and_the_forming_candle_are_dropped() -> None:
    own = Own(lambda _: a_market(COUNT).rows())
    candles = await fetch(own, START + 10 * MINUTE_MS, END, now=START + 20 * MINUTE_MS + 30_000)
    assert candles.timestamp.tolist() == [START + k * MINUTE_MS for k in range(10, 20)]
    assert len(await fetch(own, END, END + HOUR_MS, now=END + 59_999)) == 0


async def test_gaps_stay_gaps() -> None:
    holed = without(a_market(COUNT), 5, 6, 100)
    assert bytes_of(await fetch(Own(candles=holed))) == bytes_of(holed)


@pytest.mark.parametrize(
    ("shape", "problem"),
    [
        (lambda _: None, "expected a list of candles, each a mapping or timestamp, open"),
        (lambda _: "candles", "found str 'candles'"),
        (lambda _: 5, "found int 5"),
        (lambda _: [None], "found None"),
        (lambda _: [(START, 1, 2)], "found one with 3 values"),
        (lambda _: [{"timestamp": START, "open": 1}], "found no high among timestamp, open"),
        (lambda _: {"error": "rate limited"}, "found no timestamp among error"),
        (lambda c: PandasLike({**columns_of(c), "open": [1.0]}), "found columns of unequal length"),
        (lambda _: [(START, "x", 1, 1, 1, 1)], "row 1 (2025-01-01 00:00): column open: expected a number, found 'x'"),
        (lambda _: [(START, 1, 1, 1, None, 1)], "column close: expected a number, found no value"),
        (
            lambda _: [("soon", 1, 1, 1, 1, 1)],
            "row 1: column timestamp: expected a time of 1980 to 2100 in Unix seconds, ms, us or ns,",
        ),
        (lambda _: [(START, 1, 1, 1, 1, 1), (START + 60_000, 1, 0.5, 1, 1, 1)], "row 2 (2025-01-01 00:01): expected"),
        (lambda c: c.rows()[::-1], "candles are not sorted"),
    ],
)
async def test_an_answer_that_is_none_is_named(shape: Callable[[Candles], Any], problem: str) -> None:
    message = await refusal(BadCandleError, Own(shape))
    assert message.startswith("exchange 'mine': get_candles: BTC/USDT 1m: ")
    assert problem in message


AUTHOR = """
class Failing:
    def __init__(self, error=None):
        self.error = error

    def get_candles(self, symbol, interval, since, limit):
        raise self.error or ValueError("no\\nanswer")

    async def get_candles_later(self, symbol, interval, since, limit):
        raise self.error or ValueError("no\\nanswer")

    def get_candles_in_time(self, symbol, interval, since, limit):
        yield from ()
        raise RuntimeError("torn")

    def format_price(self, symbol, price):
        raise KeyError(symbol)

    def format_quantity(self, symbol, quantity):
        raise SystemExit(3)
"""


@pytest.fixture
def failing(tmp_path: Path) -> Any:
    file = tmp_path / "own_exchange.py"
    file.write_text(AUTHOR, encoding="utf-8")
    module: dict[str, Any] = {}
    exec(compile(AUTHOR, str(file), "exec"), module)  # noqa: S102 - the author's file
    return module["Failing"]


async def test_a_failure_names_exchange_method_place_and_error(failing: Any) -> None:
    message = await refusal(DataError, failing())
    assert message.startswith("exchange 'mine': get_candles failed: ValueError: no answer (")
    assert message.endswith("own_exchange.py:7)")
    own = failing()
    own.get_candles = own.get_candles_later
    assert (await refusal(DataError, own)).endswith("own_exchange.py:10)")
    own.get_candles = own.get_candles_in_time
    torn = await refusal(DataError, own)
    assert "get_candles failed: RuntimeError: torn (" in torn
    assert torn.endswith("own_exchange.py:14)")
    source = served(failing())
    with pytest.raises(
        DataError, match=r"exchange 'mine': format_price failed: KeyError: 'X' \(.*own_exchange.py:17\)"
    ):
        source.format_price("X", 1.0)
    with pytest.raises(DataError, match=r"format_quantity failed: SystemExit: 3 \(.*:20\)"):
        source.format_quantity("X", 1.0)


@pytest.mark.parametrize("error", [MissingCandlesError("no such symbol"), VenueError("gone"), DataError("bad")])
async def test_errors_of_the_tree_pass_through(failing: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await fetch(failing(error))
    assert caught.value is error


@pytest.mark.parametrize("is_async", [False, True])
async def test_on_candles_is_called_once_for_each_fetch_that_succeeds(is_async: bool) -> None:
    calls: list[tuple[Any, ...]] = []

    class Told(Own):
        page_candles = 100

        def on_candles(self, symbol: str, interval: str, since: datetime, limit: int, candles: Candles) -> Any:
            calls.append((symbol, interval, since, limit, candles))
            return asyncio.sleep(0) if is_async else None

    own = Told()
    candles = await fetch(own)
    assert len(own.asked) == 3
    starts = [to_datetime(START + 100 * page * MINUTE_MS) for page in range(3)]
    assert [call[:4] for call in calls] == [("BTC/USDT", "1m", start, 100) for start in starts]
    assert [len(call[4]) for call in calls] == [100, 100, 100]
    assert calls[0][4].timestamp[0] == candles.timestamp[0]
    own.shape = lambda candles: [None] if len(own.asked) % 2 else list(candles)
    own.asked.clear()
    await refusal(BadCandleError, own)
    assert len(calls) == 3


async def test_a_failing_on_candles_is_named() -> None:
    class Failing(Own):
        def on_candles(self, *_: Any) -> None:
            raise ValueError("full")

    message = await refusal(DataError, Failing())
    assert "on_candles failed: ValueError: full (" in message
    assert "test_user_class.py:" in message


def test_prices_and_quantities_are_written_as_the_class_says() -> None:
    source = served(Own())
    assert source.format_price("BTCUSDT", 12345.6789) == "12345.68"
    assert source.format_quantity("BTCUSDT", 0.12345) == "0.123"


async def test_closing_closes_the_class_if_it_can_be() -> None:
    closed: list[str] = []

    class Closing(Own):
        async def close(self) -> None:
            closed.append("once")

    await served(Own()).close()
    await served(Closing).close()
    assert closed == ["once"]


def test_a_class_is_made_without_arguments_and_its_failure_named() -> None:
    class Careless(Own):
        def __init__(self) -> None:
            raise OSError("no key")

    with pytest.raises(
        StrategyError, match=r"^own\.py:7: exchange 'mine': Careless\(\) failed: OSError: no key \(.*py:"
    ):
        served(Careless)


@pytest.mark.parametrize("page", [0, -1, 1.5, "many", None])
def test_a_page_is_a_number_of_candles(page: Any) -> None:
    own = Own()
    own.page_candles = page  # type: ignore[attr-defined]
    with pytest.raises(StrategyError, match=r"^own\.py:7: exchange 'mine': expected page_candles to be a whole number"):
        served(own)


def test_it_can_stand_behind_the_cache() -> None:
    source: RemoteSource = served(Own())
    assert source.page_candles == 1000
    assert source.cache_name("BTC/USDT") == source.cache_name("BTCUSDT") == "BTCUSDT"
    assert source.cache_name("BTC/USDT:USDT") == "BTCUSDT:USDT"
    assert source.cache_name("a b") != source.cache_name("a_b")


async def test_the_columns_are_those_of_candles() -> None:
    candles = await fetch(Own())
    assert all(not getattr(candles, name).flags.writeable for name in COLUMNS)

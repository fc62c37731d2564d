"""Which candles of a stream are closed: by the word of the venue, or because a newer one has begun."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_YES = (True, "1", "true")


class Word(NamedTuple):
    """What a venue says of the candle that opened at `open_ms`; `market_id` is its own name of the market."""

    market_id: str
    open_ms: int
    is_closed: bool


def words_of(message: object) -> list[Word]:
    """Return which candles *message* says to be closed or forming, as Binance, Bybit, OKX and their like say it.

    Other venues do not say it, or are not understood: there a newer candle tells.
    """
    if not isinstance(message, Mapping):
        return []
    try:
        return [*_of_binance(message), *_of_bybit(message), *_of_okx(message)]
    except (IndexError, KeyError, TypeError, ValueError):
        return []


def _of_binance(message: Mapping[str, Any]) -> list[Word]:
    inner = message.get("data")
    candle = (inner if isinstance(inner, Mapping) else message).get("k")
    if not isinstance(candle, Mapping) or "x" not in candle:
        return []
    return [Word(str(candle["s"]), int(candle["t"]), candle["x"] in _YES)]


def _of_bybit(message: Mapping[str, Any]) -> list[Word]:
    topic, candles = message.get("topic"), message.get("data")
    if not isinstance(topic, str) or not isinstance(candles, list):
        return []
    market_id = topic.rpartition(".")[2]
    return [Word(market_id, int(one["start"]), one["confirm"] in _YES) for one in candles if "confirm" in one]


def _of_okx(message: Mapping[str, Any]) -> list[Word]:
    topic, rows = message.get("arg"), message.get("data")
    if not isinstance(topic, Mapping) or not isinstance(rows, list):
        return []
    return [Word(str(topic["instId"]), int(row[0]), row[8] in _YES) for row in rows if len(row) > 8]


class ClosedCandles:
    """Tells of one market each closed candle once, whatever its connections repeat.

    A venue that says it is taken at its word alone: what it has not called closed may lack the last trades, whatever
    came after it. Of other venues the first candle that a connection shows is left out: where they make their candles
    of trades, it lacks those before.
    """

    def __init__(self, since_ms: int) -> None:
        """Tell of the candles that open at *since_ms* or later."""
        self._next_ms = since_ms
        self._is_told = False
        self.connect()

    def connect(self) -> None:
        """Forget what was shown: the rows are those of a new connection."""
        self._first_ms: int | None = None
        self._told: set[int] = set()

    def hear(self, open_ms: int, *, is_closed: bool) -> None:
        """Take the word of the venue on the candle that opened at *open_ms*."""
        self._is_told = True
        if is_closed and open_ms >= self._next_ms:
            self._told.add(open_ms)

    def take(self, rows: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
        """Return those of *rows* (time, open, high, low, close and volume) that are closed and new, oldest first."""
        if not rows:
            return []
        in_order = sorted((tuple(row) for row in rows), key=lambda row: row[0])
        newest_ms = in_order[-1][0]
        if self._first_ms is None:
            self._first_ms = in_order[0][0]
        closed = [row for row in in_order if row[0] >= self._next_ms and self._is_closed(row[0], newest_ms)]
        if closed:
            self._next_ms = closed[-1][0] + 1
            self._told = {open_ms for open_ms in self._told if open_ms >= self._next_ms}
        return closed

    def _is_closed(self, open_ms: int, newest_ms: int) -> bool:
        if self._is_told:
            return open_ms in self._told
        return self._first_ms is not None and self._first_ms < open_ms < newest_ms

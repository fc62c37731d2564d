"""Which candles of a stream are closed: by the word of the venue, or because a newer one has begun."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

_YES = (True, "1", "true")


class ToldClosed(NamedTuple):
    """The word of a venue that the candle that opened at `open_ms` is complete; `market_id` is its own name."""

    market_id: str
    open_ms: int


def told_closed(message: object) -> ToldClosed | None:
    """Return what *message* tells to be closed, in the words of Binance, Bybit and OKX and of those that speak alike.

    Other venues do not say it, or are not understood: there a newer candle tells.
    """
    if not isinstance(message, Mapping):
        return None
    try:
        return _of_binance(message) or _of_bybit(message) or _of_okx(message)
    except (IndexError, KeyError, TypeError, ValueError):
        return None


def _of_binance(message: Mapping[str, Any]) -> ToldClosed | None:
    inner = message.get("data")
    candle = (inner if isinstance(inner, Mapping) else message).get("k")
    if not isinstance(candle, Mapping) or candle.get("x") not in _YES:
        return None
    return ToldClosed(str(candle["s"]), int(candle["t"]))


def _of_bybit(message: Mapping[str, Any]) -> ToldClosed | None:
    candles = message.get("data")
    if not isinstance(candles, list) or not isinstance(message.get("topic"), str):
        return None
    closed = [int(candle["start"]) for candle in candles if candle.get("confirm") in _YES]
    return ToldClosed(message["topic"].rpartition(".")[2], max(closed)) if closed else None


def _of_okx(message: Mapping[str, Any]) -> ToldClosed | None:
    topic, rows = message.get("arg"), message.get("data")
    if not isinstance(topic, Mapping) or not isinstance(rows, list):
        return None
    closed = [int(row[0]) for row in rows if len(row) > 8 and row[8] in _YES]
    return ToldClosed(str(topic["instId"]), max(closed)) if closed else None


class ClosedCandles:
    """Tells of one market each closed candle once, whatever its connections repeat.

    Without the word of the venue the first candle that a connection shows is left out: where a venue makes its
    candles of trades, it lacks those before.
    """

    def __init__(self, since_ms: int) -> None:
        """Tell of the candles that open at *since_ms* or later."""
        self._next_ms = since_ms
        self.connect()

    def connect(self) -> None:
        """Forget what was shown: the rows are those of a new connection."""
        self._first_ms: int | None = None
        self._told: set[int] = set()

    def believe(self, open_ms: int) -> None:
        """Take the word of the venue that the candle that opened at *open_ms* is complete."""
        if open_ms >= self._next_ms:
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
        if open_ms in self._told:
            return True
        return self._first_ms is not None and self._first_ms < open_ms < newest_ms

"""One candle, and many candles as columns."""

import hashlib
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float64]
Times: TypeAlias = npt.NDArray[np.int64]

COLUMNS = ("timestamp", "open", "high", "low", "close", "volume")
NUMBERS = COLUMNS[1:]


# A NamedTuple because it is made by the hundred thousand: a third of the cost of a frozen dataclass.
class Candle(NamedTuple):
    """One closed candle; `timestamp` is its open time in Unix milliseconds."""

    timestamp: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Candles:
    """Closed candles of one symbol and interval as columns of equal length, oldest first.

    The columns are read-only numpy arrays, often views into a longer history: slicing copies nothing.
    """

    __slots__ = ("close", "high", "low", "open", "timestamp", "volume")

    def __init__(
        self,
        timestamp: Times,
        open: Floats,  # noqa: A002 - the name of the column
        high: Floats,
        low: Floats,
        close: Floats,
        volume: Floats,
    ) -> None:
        """Keep the columns as they are; nobody copies or checks them here."""
        self.timestamp = timestamp
        self.open = open
        self.high = high
        self.low = low
        self.close = close
        self.volume = volume

    @classmethod
    def frozen(
        cls,
        timestamp: Times,
        open: Floats,  # noqa: A002 - the name of the column
        high: Floats,
        low: Floats,
        close: Floats,
        volume: Floats,
    ) -> "Candles":
        """Return contiguous read-only columns of the right types, copying where that is needed."""
        columns = [np.ascontiguousarray(timestamp, dtype=np.int64)]
        prices = [np.ascontiguousarray(c, dtype=np.float64) for c in (open, high, low, close, volume)]
        for column in (*columns, *prices):
            column.flags.writeable = False
        return cls(columns[0], *prices)

    @classmethod
    def empty(cls) -> "Candles":
        """Return no candles."""
        none = np.empty(0)
        return cls.frozen(np.empty(0, np.int64), none, none, none, none, none)

    @classmethod
    def joined(cls, parts: "Sequence[Candles]") -> "Candles":
        """Return *parts* one after another, in their order; a single part is not copied."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return cls.empty()
        columns = [np.concatenate([getattr(part, name) for part in parts]) for name in COLUMNS]
        return cls.frozen(*columns)

    def __len__(self) -> int:
        return len(self.timestamp)

    def __getitem__(self, index: int) -> Candle:
        return Candle(
            int(self.timestamp[index]),
            float(self.open[index]),
            float(self.high[index]),
            float(self.low[index]),
            float(self.close[index]),
            float(self.volume[index]),
        )

    def __iter__(self) -> Iterator[Candle]:
        return iter(self.rows())

    def __repr__(self) -> str:
        return f"Candles({len(self)})"

    def slice(self, start: int, stop: int) -> "Candles":
        """Return rows `[start, stop)` as views; both count from the oldest row."""
        return Candles(
            self.timestamp[start:stop],
            self.open[start:stop],
            self.high[start:stop],
            self.low[start:stop],
            self.close[start:stop],
            self.volume[start:stop],
        )

    def between(self, start_ms: int, end_ms: int) -> "Candles":
        """Return the candles that open in `[start_ms, end_ms)` as views; the times are sorted."""
        first, last = np.searchsorted(self.timestamp, [start_ms, end_ms]).tolist()
        return self.slice(first, last)

    def chosen(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.intp]) -> "Candles":
        """Return a copy of *rows*, which are a mask or numbers from the oldest row on."""
        return Candles.frozen(*(getattr(self, name)[rows] for name in COLUMNS))

    def rows(self) -> list[Candle]:
        """Return the candles one by one, oldest first; this copies."""
        columns = (self.timestamp, self.open, self.high, self.low, self.close, self.volume)
        return [Candle._make(row) for row in zip(*(c.tolist() for c in columns), strict=True)]


def fingerprint(candles: Candles) -> str:
    """Return a hash of all columns; equal candles, equal text."""
    digest = hashlib.blake2b(digest_size=16)
    for name in COLUMNS:
        digest.update(getattr(candles, name).data)
    return digest.hexdigest()

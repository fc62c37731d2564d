"""What a history that goes on held at one moment."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar, overload

T_co = TypeVar("T_co", covariant=True)


class SoFar(Sequence[T_co]):
    """The items that *history* had when this was made; what is appended to it later is not seen, and nothing copied."""

    __slots__ = ("_count", "_history")

    def __init__(self, history: list[T_co]) -> None:
        """Take all items there are now."""
        self._history = history
        self._count = len(history)

    def __len__(self) -> int:
        """Return how many there were."""
        return self._count

    @overload
    def __getitem__(self, index: int) -> T_co: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[T_co]: ...

    def __getitem__(self, index: Any) -> Any:
        """Return an item, or several as a list."""
        rows = range(self._count)[index]
        return self._history[rows] if isinstance(rows, int) else [self._history[row] for row in rows]

    def __iter__(self) -> Iterator[T_co]:
        """Go through the items, oldest first."""
        return islice(self._history, self._count)

    def __reversed__(self) -> Iterator[T_co]:
        """Go through the items, newest first."""
        return map(self._history.__getitem__, range(self._count - 1, -1, -1))

    def __eq__(self, other: object) -> bool:
        """Compare items with any other sequence of them."""
        return isinstance(other, Sequence) and not isinstance(other, str) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

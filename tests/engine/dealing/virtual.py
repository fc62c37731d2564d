"""Time that passes only while everybody sleeps: an event loop whose clock jumps to whoever wakes next."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never waits."""

    def __init__(self) -> None:
        self.passed_s = 0.0
        super().__init__(_Impatient(self))

    def time(self) -> float:
        return self.passed_s


class _Impatient(selectors.DefaultSelector):
    """Lets the time pass for which the loop would have waited."""

    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        if timeout:
            self._loop.passed_s += timeout
        return super().select(0)


class VirtualTime:
    """The `Time` of a run on a `VirtualLoop`, which begins at *start_ms*."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms

    def now_ms(self) -> int:
        return self._start_ms + round(asyncio.get_running_loop().time() * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def jump(self, _to_ms: int) -> bool:
        return False


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what comes of *coroutine*, however long it sleeps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)

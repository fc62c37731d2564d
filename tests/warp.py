"""An event loop whose time stands still while anybody works, and leaps to the next timer once all wait."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class _LeapingSelector(selectors.DefaultSelector):
    """Does not wait for the next timer, but leaps there; threads and sockets take the real time they take."""

    leaped_s = 0.0
    threads = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or (self.threads and timeout > 0):
            return super().select(None)
        events = super().select(0)
        if not events and timeout > 0:
            self.leaped_s += timeout
        return events


class WarpLoop(asyncio.SelectorEventLoop):
    """Its `time` is that of the leaps, in seconds from 0 on."""

    def __init__(self) -> None:
        self._leaping = _LeapingSelector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.leaped_s

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., Any], *args: Any
    ) -> Any:
        self._leaping.threads += 1
        future = super().run_in_executor(executor, func, *args)
        future.add_done_callback(self._back)
        return future

    def _back(self, _: object) -> None:
        self._leaping.threads -= 1


class WarpTime:
    """The `Time` of the warp loop that runs; `set_s` moves it as somebody does who sets the clock of the machine."""

    def __init__(self, start_ms: int) -> None:
        self._start_ms = start_ms
        self._loop = asyncio.get_running_loop()
        self.set_s = 0.0

    def steady_s(self) -> float:
        return self._loop.time()

    def now_ms(self) -> int:
        return self._start_ms + round((self.steady_s() + self.set_s) * 1000)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def jump(self, _to_ms: int) -> bool:
        return False


def warped(work: Coroutine[Any, Any, T], *, debug: bool = False) -> T:
    """Return what *work* returns, which takes no real time to wait; nothing may be left of it."""
    with asyncio.Runner(loop_factory=WarpLoop, debug=debug) as runner:
        return runner.run(_alone(work))


async def _alone(work: Coroutine[Any, Any, T]) -> T:
    outcome = await work
    await asyncio.sleep(0)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, left
    return outcome

"""The wish to end a run."""

import asyncio
from collections.abc import Callable


class StoppedBeforeItBegan(Exception):  # noqa: N818 - nothing went wrong
    """The run was stopped while another process traded the same: nothing was begun."""


class StopRequest:
    """The wish to end a run, from a signal handler or another thread: once to stop cleanly, twice to go at once."""

    def __init__(self) -> None:
        """Begin with nobody wishing anything."""
        self._count = 0
        self._wakers: list[Callable[[], object]] = []

    def request(self) -> None:
        """Wish it once more, and wake who waits for it."""
        self._count += 1
        for wake in tuple(self._wakers):
            wake()

    @property
    def is_made(self) -> bool:
        """Say whether the run is to end."""
        return self._count > 0

    @property
    def is_forced(self) -> bool:
        """Say whether it is to end without looking after anything."""
        return self._count > 1

    async def wait(self) -> None:
        """Return once it is wished that the run ends."""
        made = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(made.set)

        self._wakers.append(wake)
        try:
            if not self.is_made:
                await made.wait()
        finally:
            self._wakers.remove(wake)

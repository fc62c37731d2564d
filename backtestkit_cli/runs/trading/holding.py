"""Holding what others must not trade meanwhile: the locks of this machine, and the leases of stores that many share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import ExitStack, asynccontextmanager, suppress
from typing import Any

from backtestkit_cli.errors import LockedError
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.stopping import StoppedBeforeItBegan, StopRequest

_LOOKED_S = 0.5
"""How often who stands by looks whether a lock is free."""


@asynccontextmanager
async def held(outside: Outside, stop: StopRequest, *, waits: bool, tell: Callable[[str], None]) -> AsyncIterator[None]:
    """Hold the locks and leases of *outside*, renewed meanwhile; whoever *waits* stands by until they are to be had.

    Raises:
        LockedError: another process has one.
        StoppedBeforeItBegan: the run was stopped while another process had one.
        StoreError: a store cannot be asked.
    """
    turn = _Turn(tell, outside.steady_s)
    with ExitStack() as stack:
        await _unless(stop, _locked(stack, outside, waits=waits, tell=turn.tell))
        if outside.tenure is None:
            turn.comes()
            yield
            return
        await _unless(stop, outside.tenure.begin(waits=waits, tell=turn.tell))
        turn.comes()
        keeping = asyncio.create_task(outside.tenure.keep())
        try:
            yield
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
            await outside.tenure.end()


class _Turn:
    """Tells why one waits, and when that is over."""

    def __init__(self, tell: Callable[[str], None], steady_s: Callable[[], float]) -> None:
        self._tell = tell
        self._steady_s = steady_s
        self._since_s: float | None = None

    def tell(self, text: str) -> None:
        if self._since_s is None:
            self._since_s = self._steady_s()
        self._tell(text)

    def comes(self) -> None:
        if self._since_s is not None:
            self._tell(f"took over after {self._steady_s() - self._since_s:.1f} s: goes on from the saved state")


async def _locked(stack: ExitStack, outside: Outside, *, waits: bool, tell: Callable[[str], None]) -> None:
    is_told = False
    while True:
        try:
            stack.enter_context(outside.lock)
        except LockedError as error:
            if not waits:
                raise
            if not is_told:
                tell(f"{error}; waiting until it ends")
                is_told = True
            await asyncio.sleep(_LOOKED_S)
        else:
            return


async def _unless(stop: StopRequest, work: Coroutine[Any, Any, None]) -> None:
    """Do *work*, unless the run is stopped before it is done."""
    working, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait((working, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise StoppedBeforeItBegan
        await working
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)

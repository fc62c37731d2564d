"""The contract of faults finds what is subtly wrong: where one promise is broken, the test of that promise fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

import pytest

from backtestkit_cli.errors import StoreError, StoreUnreachableError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.fault_contract import FaultContract

Result = TypeVar("Result")


class Line:
    """What connects to a shelf in memory, with faults to order."""

    def __init__(self) -> None:
        self.is_broken = False
        self.stalled_until_s = 0.0

    def reset(self) -> None:
        self.is_broken = True

    def stall(self, seconds: float) -> None:
        self.stalled_until_s = time.monotonic() + seconds


class Remote(MemoryShelf):
    """A shelf at the other end of a line that is made again when it broke."""

    def __init__(self, line: Line) -> None:
        super().__init__()
        self._line = line

    async def _reach(self) -> None:
        if (wait_s := self._line.stalled_until_s - time.monotonic()) > 0:
            await asyncio.sleep(min(wait_s, 0.05))
            raise StoreUnreachableError("no answer")
        if self._line.is_broken:
            self._mend()
            raise StoreUnreachableError("it broke off")

    def _mend(self) -> None:
        self._line.is_broken = False

    async def _sent(self, change: Callable[[], Awaitable[Result]]) -> Result:
        await self._reach()
        return await change()

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        await self._reach()
        return await super().get(keys)

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await self._sent(lambda: MemoryShelf.put(self, contents, lease))

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        return await self._sent(lambda: MemoryShelf.delete(self, keys, lease))

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        return await self._sent(lambda: MemoryShelf.set_aside(self, key, content, lease))


class Wreck(Remote):
    """Uses a broken line for ever."""

    def _mend(self) -> None:
        pass


class Bare(Remote):
    """Raises what the system raised."""

    async def _reach(self) -> None:
        try:
            await super()._reach()
        except StoreUnreachableError as error:
            raise ConnectionResetError from error


class Patient(Remote):
    """Waits for an answer as long as it takes."""

    async def _reach(self) -> None:
        await asyncio.sleep(max(0.0, self._line.stalled_until_s - time.monotonic()))
        await super()._reach()


class Lossy(Remote):
    """Takes a broken line for an acknowledgement."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        with suppress(StoreUnreachableError):
            await super().put(contents, lease)


class Late(Remote):
    """Does what it is asked for whenever that arrives; each kind below for one change of the three."""

    async def _sent_late(self, change: Callable[[], Awaitable[Result]]) -> Result:
        held_s = self._line.stalled_until_s - time.monotonic()
        if held_s > 0:
            asyncio.get_running_loop().call_later(held_s, lambda: asyncio.ensure_future(change()))
        return await self._sent(change)


class LatePut(Late):
    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await self._sent_late(lambda: MemoryShelf.put(self, contents, lease))


class LateDelete(Late):
    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        return await self._sent_late(lambda: MemoryShelf.delete(self, keys, lease))


class LateMove(Late):
    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        async def move() -> str:
            return await MemoryShelf.set_aside(self, key, self.contents[key], lease)

        return await self._sent_late(move)


class Lines(FaultContract):
    timeout_seconds = 0.05

    def again(self, store: Store) -> Store:
        return store

    def closed_later(self, store: Store) -> Store:
        return store


BROKEN = "test_after_connections_broke_every_call_works_again"
STORM = "test_a214_what_was_acknowledged_while_connections_broke_is_there_and_whole"
LATE = "test_what_is_delivered_late_under_a_lease_changes_nothing_that_is_newer"
STALLED = "test_an_answer_that_takes_too_long_is_a_place_not_reached_and_nothing_old_comes_later"


@pytest.mark.parametrize("promise", [BROKEN, STORM, STALLED, LATE])
async def test_a_shelf_that_makes_its_line_again_passes(promise: str) -> None:
    line = Line()
    await getattr(Lines(), promise)(RecordStore(Remote(line)), line)


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (Wreck, BROKEN),
        (Bare, BROKEN),
        (Lossy, BROKEN),
        (Lossy, STORM),
        (Lossy, STALLED),
        (Patient, STALLED),
        (LatePut, LATE),
        (LateDelete, LATE),
        (LateMove, LATE),
    ],
)
async def test_a120_a_shelf_that_breaks_with_its_line_fails_the_test_of_it(mutant: type[Remote], promise: str) -> None:
    line = Line()
    with pytest.raises((AssertionError, pytest.fail.Exception, StoreError, ConnectionResetError)):
        await getattr(Lines(), promise)(RecordStore(mutant(line)), line)

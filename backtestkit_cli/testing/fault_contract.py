"""What a store of a server promises when connections break or stall: an error that says so, and the next call works.

class TestMyStoreInAStorm(FaultContract):
    @pytest.fixture
    def faults(self) -> Faults: ...

    @pytest.fixture
    def store(self, faults: Faults) -> Store:
        return RecordStore(MyShelf(..., timeout_seconds=0.5))

The store is one that does not try again by itself, behind a proxy that does what it is told.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol, TypeVar, cast

import pytest

from backtestkit_cli.errors import StoreUnreachableError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.testing.lease_hooks import FIRST, LONG_SECONDS, SUBJECT
from backtestkit_cli.testing.store_hooks import StoreHooks
from backtestkit_cli.testing.storm import record

Result = TypeVar("Result")


class Faults(Protocol):
    """What can befall the connections of a store."""

    def reset(self) -> None:
        """Break every connection; new ones are taken."""
        ...

    def stall(self, seconds: float) -> None:
        """Hold everything back for *seconds* from now, in both directions, and then deliver it.

        What is held back already stays so for as long as it was to: after `stall(0)` all that is newer overtakes it.
        """
        ...


class FaultContract(StoreHooks):
    """The tests of broken and of slow connections."""

    timeout_seconds = 0.5
    """How long an answer may take at `store`; a connection is stalled for three times as long."""

    tries = 20
    """How often a call is made that was not reached: each connection of a pool may be found broken once."""

    @pytest.fixture
    def faults(self) -> Faults:
        """Return what breaks and stalls the connections of `store`."""
        raise NotImplementedError("say how connections are broken")

    async def initialise(self, store: Store) -> None:
        """Make *store* ready; to make a place may take longer than an answer may."""
        await self.insisted(store.wait_for_init)

    async def insisted(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Return what *call* does once it reaches the place; no other failure is allowed."""
        for _ in range(self.tries - 1):
            try:
                return await call()
            except StoreUnreachableError:
                await asyncio.sleep(0.01)
        return await call()

    async def test_after_connections_broke_every_call_works_again(self, store: Store, faults: Faults) -> None:
        await self.insisted(lambda: store.write_all({("a", "1"): {"n": 1}, ("a", "2"): {"n": 2}}))
        faults.reset()
        assert await self.insisted(lambda: store.read(("a", "1"))) == {"n": 1}
        faults.reset()
        assert await self.insisted(lambda: store.has(("a", "2")))
        faults.reset()
        assert await self.insisted(lambda: store.keys(())) == [("a", "1"), ("a", "2")]
        faults.reset()
        assert await self.insisted(lambda: store.values(("a",))) == [{"n": 1}, {"n": 2}]
        faults.reset()
        await self.insisted(lambda: store.write(("a", "1"), {"n": 3}))
        faults.reset()
        await self.insisted(lambda: store.remove_all(("a", "2")))
        assert await self.insisted(lambda: store.items(())) == [(("a", "1"), {"n": 3})]

    async def test_a214_what_was_acknowledged_while_connections_broke_is_there_and_whole(
        self, store: Store, faults: Faults
    ) -> None:
        writers = 4

        async def write(writer: int) -> None:
            keys: list[Key] = [("storm", str(writer), str(at)) for at in range(3)]
            for number in range(1, 11):
                batch = dict.fromkeys(keys, record(number))
                await self.insisted(partial(store.write_all, batch))
                found = await self.insisted(partial(store.values, ("storm", str(writer))))
                assert found == [record(number)] * len(keys)

        async def break_off() -> None:
            for _ in range(self.tries // 2):
                faults.reset()
                await asyncio.sleep(0.02)

        await asyncio.gather(break_off(), *map(write, range(writers)))
        assert await self.insisted(lambda: store.values(("storm",))) == [record(10)] * (writers * 3)

    async def test_an_answer_that_takes_too_long_is_a_place_not_reached_and_nothing_old_comes_later(
        self, store: Store, faults: Faults
    ) -> None:
        await self.insisted(lambda: store.write(("a",), {"n": 1}))
        stalled = self.timeout_seconds * 3
        begun = time.monotonic()
        faults.stall(stalled)
        with pytest.raises(StoreUnreachableError) as slow:
            await store.write(("a",), {"n": 2})
        assert time.monotonic() - begun < stalled
        assert "\n" not in str(slow.value)
        await asyncio.sleep(max(0.0, begun + stalled + 0.1 - time.monotonic()))
        await self.insisted(lambda: store.write(("a",), {"n": 3}))
        assert await self.insisted(lambda: store.read(("a",))) == {"n": 3}
        assert await self.insisted(lambda: self.other(store).read(("a",))) == {"n": 3}

    async def test_what_is_delivered_late_under_a_lease_changes_nothing_that_is_newer(
        self, store: Store, faults: Faults
    ) -> None:
        shelf = _leasing(store)
        lease = await self.insisted(lambda: shelf.take(SUBJECT, FIRST, LONG_SECONDS))
        keys: list[Key] = [(*SUBJECT, "note", str(number)) for number in range(6)]
        new, replaced, removed, damaged, removed_late, moved_late = keys
        await self.insisted(lambda: shelf.put(dict.fromkeys(keys[1:], b"old"), lease))
        await asyncio.gather(*(self.insisted(partial(shelf.get, keys)) for _ in range(3)))  # a connection for each
        begun, stalled = time.monotonic(), self.timeout_seconds * 4
        faults.stall(stalled)
        given_up = await asyncio.gather(
            shelf.put(dict.fromkeys((new, replaced, removed, damaged), b"late"), lease),
            shelf.delete([removed_late], lease),
            shelf.set_aside(moved_late, b"old", lease),
            return_exceptions=True,
        )
        faults.stall(0)
        assert [type(one) for one in given_up] == [StoreUnreachableError] * len(given_up)
        newer = dict.fromkeys((new, replaced, removed_late, moved_late), b"newer")
        await self.insisted(lambda: shelf.put(newer, lease))
        await self.insisted(lambda: shelf.delete([removed], lease))
        await self.insisted(lambda: shelf.set_aside(damaged, b"old", lease))
        await asyncio.sleep(max(0.0, begun + stalled + 0.1 - time.monotonic()))
        assert dict(await self.insisted(lambda: shelf.scan(SUBJECT))) == newer
        assert await self.insisted(lambda: shelf.delete([removed, new, replaced], lease)) >= 2
        await self.insisted(lambda: shelf.put({removed: b"again"}, lease))
        assert await self.insisted(lambda: shelf.get([removed, new])) == [b"again", None]


def _leasing(store: Store) -> LeasingShelf:
    shelf = store.shelf if isinstance(store, RecordStore) else None
    if not hasattr(shelf, "take"):
        pytest.skip("no leases: without one nobody can say which of two writers was to be the last")
    return cast("LeasingShelf", shelf)

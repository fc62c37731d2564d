"""What every store promises to many writers: tasks, stores, and processes of which one is killed."""

import asyncio
import os
import pickle
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from backtestkit_cli.ports import Json, Key, Store
from backtestkit_cli.testing.places import Maker
from backtestkit_cli.testing.store_hooks import StoreHooks
from backtestkit_cli.testing.storm import OWN, SHARED, record


class WritersContract(StoreHooks):
    """The tests of those who write at once."""

    storm_seconds = 0.2
    """For how long two processes write at once before one is killed."""

    async def test_many_writers_of_one_record_leave_one_of_their_records(self, store: Store) -> None:
        other = self.other(store)
        records: list[Json] = [{"writer": number, "same": [number] * 50} for number in range(20)]
        await asyncio.gather(*((store, other)[at % 2].write(("a",), record) for at, record in enumerate(records)))
        found = await store.read(("a",))
        assert found in records
        assert await other.read(("a",)) == found

    async def test_many_writers_of_many_records_lose_none(self, store: Store) -> None:
        other = self.other(store)

        async def write(writer: int) -> None:
            for number in range(10):
                await (store, other)[writer % 2].write(("w", str(writer), str(number)), {"n": number})

        await asyncio.gather(*(write(writer) for writer in range(10)))
        assert len(await self.other(store).keys(("w",))) == 100

    async def test_batches_that_cross_each_other_are_both_written(self, store: Store) -> None:
        other = self.other(store)
        keys: list[Key] = [("cross", str(number)) for number in range(10)]

        async def write(mine: Store, order: list[Key], name: str) -> None:
            for number in range(5):
                await mine.write_all({key: {"writer": name, "n": number} for key in order})

        await asyncio.gather(write(store, keys, "one"), write(other, keys[::-1], "two"), write(store, keys[::2], "x"))
        assert {record["n"] for record in await store.values(("cross",))} == {4}

    async def test_who_reads_while_others_write_finds_whole_records(self, store: Store) -> None:
        other = self.other(store)
        await store.write_all(dict.fromkeys(OWN, record(0)))

        async def write() -> None:
            for number in range(1, 21):
                await store.write_all(dict.fromkeys(OWN, record(number)))
                await asyncio.sleep(0)

        async def look() -> None:
            for _ in range(20):
                found = await other.values(("storm",))
                assert len(found) == len(OWN)
                assert [one for one in found if one != record(one["number"])] == []
                await asyncio.sleep(0)

        await asyncio.gather(write(), look())

    async def test_of_two_processes_that_write_at_once_one_is_killed_and_nothing_is_lost_or_mixed(
        self, store: Store
    ) -> None:
        self.needs("processes")
        async with _storm(self.elsewhere(store)) as told:
            number, ends = 0, time.monotonic() + self.storm_seconds
            while time.monotonic() < ends:
                number -= 1
                await store.write_all({SHARED: record(number), ("storm", "mine"): record(number)})
                await asyncio.sleep(0)
        fresh = self.other(store)
        await fresh.wait_for_init()
        items = dict(await fresh.items(("storm",)))
        assert set(items) == {*OWN, SHARED, ("storm", "mine")}
        found = [one["number"] for one in items.values() if isinstance(one, dict) and one == record(one["number"])]
        assert len(found) == len(items)
        assert items["storm", "mine"] == record(number)
        numbers = [(await fresh.read(key))["number"] for key in OWN]
        assert numbers == sorted(numbers, reverse=True)  # of the batch under way the first records are written, if any
        assert numbers[-1] >= told[-1]
        assert numbers[0] <= told[-1] + 2  # one batch whose answer was not printed yet, and one under way


@asynccontextmanager
async def _storm(make: Maker) -> AsyncIterator[list[int]]:
    """Let another process write, and kill it; the list holds in the end what it was told of: the numbers of batches."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "backtestkit_cli.testing.storm"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    told: list[int] = []
    try:
        process.stdin.write(pickle.dumps(make))
        process.stdin.close()
        first = await process.stdout.readline()
        assert first, "the other process could not write; what it says is on stderr"
        yield told
    finally:
        if process.returncode is None:
            process.kill()
        rest = await process.stdout.read()
        await process.wait()
    whole = (first + rest).decode().splitlines(keepends=True)
    told += [int(line) for line in whole if line.endswith("\n")]

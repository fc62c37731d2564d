"""A process that writes without end, for suites to kill in the midst: it is told on its input what makes its store.

Batch after batch puts the same number everywhere; the number is printed once the batch is acknowledged.
"""

import asyncio
import itertools
import pickle
import sys

from backtestkit_cli.ports import Json, Key
from backtestkit_cli.testing.places import Maker, as_store

OWN: tuple[Key, ...] = tuple(("storm", "own", str(number)) for number in range(8))
SHARED: Key = ("storm", "shared")


def record(number: int) -> Json:
    """Return what is written; one that was mixed of two shows it."""
    return {"number": number, "same": [number] * 100}


async def _write_on(make: Maker) -> None:
    store = as_store(make())
    await store.wait_for_init()
    for number in itertools.count(1):
        await store.write_all({key: record(number) for key in (*OWN, SHARED)})
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_write_on(pickle.loads(sys.stdin.buffer.read())))  # noqa: S301 - what the suite itself has written

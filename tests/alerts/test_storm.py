"""Laws of the outbox, whatever a place answers, whenever the store fails, and however often the process is killed."""

import asyncio
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.alerts.courier import Limits
from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.message import Message
from backtestkit_cli.alerts.outbox import Outbox
from backtestkit_cli.alerts.sinks import Delivered, Unreached, Verdict
from backtestkit_cli.errors import CorruptRecordError, MissingRecordError
from backtestkit_cli.ports import Json, Key
from tests.alerts.happenings import NOW_MS, opened

POST, PAUSE, KILL = "post", "pause", "kill"
LIMITS = Limits(attempts=2)
answers = st.sampled_from([Delivered(), Unreached("no"), Unreached("later", 9.0), ValueError("oh")])


class MemoryStore:
    """Outlives a process, as a folder does."""

    name = "memory"
    is_atomic = True

    def __init__(self) -> None:
        self.records: dict[Key, Json] = {}

    async def wait_for_init(self) -> None: ...

    async def read(self, key: Key) -> Json:
        await asyncio.sleep(0)
        return self.records[key]

    async def has(self, key: Key) -> bool:
        return key in self.records

    async def write(self, key: Key, record: Json) -> None:
        await asyncio.sleep(0)
        self.records[key] = record

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        for key, record in records.items():
            await self.write(key, record)

    async def remove(self, key: Key) -> None:
        await asyncio.sleep(0)
        if self.records.pop(key, None) is None:
            raise MissingRecordError(str(key))

    async def remove_all(self, prefix: Key) -> int:
        return 0

    async def keys(self, prefix: Key) -> Sequence[Key]:
        return sorted((key for key in self.records if key[: len(prefix)] == prefix), key=lambda key: int(key[-1]))

    async def values(self, prefix: Key) -> Sequence[Json]:
        return [self.records[key] for key in await self.keys(prefix)]

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        return [(key, await self.read(key)) for key in await self.keys(prefix)]

    async def close(self) -> None: ...


@dataclass
class Place:
    """Answers by *script*, then always well."""

    script: list[Verdict | Exception]
    name: str = "place"
    interest: Interest = field(default_factory=Interest)
    secrets: tuple[str, ...] = ()
    taken: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> Verdict:
        await asyncio.sleep(0)
        answer = self.script.pop(0) if self.script else Delivered()
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, Delivered):
            self.taken.append(message)
        return answer

    async def close(self) -> None: ...


async def weather(script: list[Verdict | Exception], steps: Sequence[str]) -> tuple[list[str], Place, MemoryStore]:
    """Return the symbols that were posted, the place they went to, and what is still saved."""
    place, store, posted = Place(script), MemoryStore(), list[str]()
    outbox = await started(store, place)
    for step in steps:
        if step == POST:
            posted.append(f"S{len(posted)}USDT")
            await outbox.post(opened(posted[-1]))
        elif step == PAUSE:
            await asyncio.sleep(0)
        else:
            await killed(outbox)
            outbox = await started(store, place)
    while outbox.waiting["place"]:  # noqa: ASYNC110 - what is waited for is the law
        await asyncio.sleep(0)
    await outbox.close(1.0)
    return posted, place, store


async def started(store: MemoryStore, place: Place) -> Outbox:
    outbox = Outbox(
        store,
        "paper",
        "demo",
        [place],
        now_ms=lambda: NOW_MS,
        sleep=lambda _: asyncio.sleep(0),
        rng=random.Random(1),
        limits=LIMITS,
    )
    await outbox.start()
    return outbox


async def killed(outbox: Outbox) -> None:
    (courier,) = outbox._couriers
    assert courier._task
    courier._task.cancel()
    await asyncio.gather(courier._task, return_exceptions=True)


@given(st.lists(answers, max_size=20), st.lists(st.sampled_from([POST, POST, PAUSE, PAUSE, KILL]), max_size=30))
def test_every_message_arrives_in_order_and_twice_only_after_a_kill(
    script: list[Verdict | Exception], steps: list[str]
) -> None:
    posted, place, store = asyncio.run(weather(script, steps))
    arrived = [message.symbol for message in place.taken]
    assert list(dict.fromkeys(arrived)) == posted
    assert len(arrived) - len(posted) <= steps.count(KILL)
    assert len({message.id for message in place.taken}) == len(posted)
    assert not store.records

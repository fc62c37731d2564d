"""Records from one place to another: first compared, then written, then read back. Killed, it can be done again."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import TypeAlias

from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.holdings import Holdings
from backtestkit_cli.ports import Json, Key
from backtestkit_cli.runs.stores.claiming import claimed, demand_rest

Batches: TypeAlias = Callable[[], AsyncIterator[Mapping[Key, Json]]]
"""Returns all records that are copied, batch by batch, from the beginning each time."""

Tell: TypeAlias = Callable[[str, int], None]
"""Hears what is done, and to how many records so far."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How `total` records compare with those of a target: how many it has not, and which it has otherwise.

    `subjects` are the (mode, exchange) of all of them.
    """

    total: int
    missing: int
    differing: Sequence[Key]
    subjects: Set[Key]


@dataclass(frozen=True, slots=True)
class Copied:
    """What copying did: how many records were written and read back, and how many were there already."""

    written: int
    same: int


def records_of(source: Holdings, keys: Sequence[Key]) -> Batches:
    """Return the records of *keys* in *source*; one that cannot be read raises why."""

    async def read() -> AsyncIterator[Mapping[Key, Json]]:
        async for batch in source.records(keys):
            yield {key: _demanded(record) for key, record in batch.items()}

    return read


async def compared(batches: Batches, target: Holdings, tell: Tell) -> Comparison:
    """Return how the records of *batches* compare with those of *target*.

    Raises:
        StoreError: one of them cannot be read, here or there.
    """
    total = missing = 0
    differing: list[Key] = []
    subjects: set[Key] = set()
    async for batch in batches():
        there = await _there(target, batch)
        subjects |= {key[:2] for key in batch if len(key) > 2}
        missing += len(batch) - len(there)
        differing += [key for key, record in there.items() if record != batch[key]]
        total += len(batch)
        tell("compared", total)
    return Comparison(total, missing, differing, subjects)


async def copied(batches: Batches, target: Holdings, found: Comparison, now_ms: int, tell: Tell) -> Copied:
    """Write the records of *batches* that *target* has not, or otherwise; read all of them back, and compare again.

    Raises:
        LockedError: somebody trades by what is in *target*.
        StoreError: something cannot be read or written, or is not there afterwards.
    """
    written = 0
    async with claimed(target, found.subjects, now_ms) as claim:
        async for batch in batches():
            there = await _there(target, batch)
            new = {key: record for key, record in batch.items() if there.get(key) != record}
            await target.put(new, await claim.renewed())
            written += len(new)
            tell("written", written)
        again = await compared(batches, target, lambda _, done: tell("read back", done))
        if again.missing or again.differing:
            wrong = counted(again.missing + len(again.differing), "record")
            raise StoreError(f"{target.name}: {wrong} read back otherwise than written: did it change meanwhile?")
    return Copied(written, again.total - written)


async def migrated(source: Holdings, target: Holdings, now_ms: int, tell: Tell) -> Copied:
    """Copy all records of *source* to *target*; *source* stays as it is.

    Raises:
        LockedError: somebody trades by the records of either.
        StoreError: *source* holds none, or one that cannot be read; or *target* holds others for the same exchanges.
    """
    await demand_rest(source)
    await demand_rest(target)
    keys = await source.keys()
    if not keys:
        raise StoreError(f"{source.name}: expected records to copy, found none")
    await target.open()
    records = records_of(source, keys)
    found = await compared(records, target, tell)
    if found.differing:
        raise StoreError(differing_text(target, found.differing))
    await _demand_no_others(target, set(keys), found.subjects)
    done = await copied(records, target, found, now_ms, tell)
    await demand_rest(source)
    if set(await source.keys()) != set(keys):
        raise StoreError(f"{source.name}: changed while it was copied; stop whatever writes there, and try again")
    return done


def differing_text(target: Holdings, keys: Sequence[Key]) -> str:
    """Return what is said of records that *target* has otherwise."""
    return f"{target.place(keys[0])}: holds another record already: {counted(len(keys), 'record')} of that kind in all"


async def _demand_no_others(target: Holdings, keys: set[Key], subjects: Set[Key]) -> None:
    """Make sure that *target* has nothing of *subjects* that would be mixed with what is copied."""
    for subject in sorted(subjects):
        others = [key for key in await target.keys(subject) if key not in keys]
        if others:
            text = f"holds a record that the source has not: {counted(len(others), 'record')} of that kind in all"
            raise StoreError(f"{target.place(others[0])}: {text}; remove them, or copy to another place")


async def _there(target: Holdings, batch: Mapping[Key, Json]) -> Mapping[Key, Json]:
    found: dict[Key, Json] = {}
    async for records in target.records(list(batch)):
        found |= {key: _demanded(record) for key, record in records.items()}
    return found


def _demanded(record: Json | StoreError) -> Json:
    if isinstance(record, StoreError):
        raise StoreError(f"{record}; btk store verify lists what cannot be read") from record
    return record

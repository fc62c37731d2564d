"""The places of records: whether they are there and work, what runs left there, and who uses it now."""

import asyncio
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import ConfigError, CorruptRecordError, StoreError
from backtestkit_cli.persistence.envelope import FORMAT
from backtestkit_cli.persistence.holders import Holder, Presence
from backtestkit_cli.persistence.holdings import Holdings, held
from backtestkit_cli.persistence.inspection import inspected
from backtestkit_cli.persistence.occupancy import holders_in
from backtestkit_cli.persistence.session_journal import TRADE
from backtestkit_cli.persistence.shelf import Shelf
from backtestkit_cli.runs.doctor.findings import Finding, doubtful, failed, failures, fine

_UNREADABLE = 3
_CHECK = "store"


def state(options: StoreOptions, environ: Mapping[str, str]) -> list[Finding]:
    """Return what is to say of the places of *options* and of who holds them; records stay as they are."""
    return asyncio.run(_looked_at(options, environ))


async def _looked_at(options: StoreOptions, environ: Mapping[str, str]) -> list[Finding]:
    try:
        async with held(options, environ) as holdings:
            found = [one for folder in holdings.places.folders for one in _left_in(folder)]
            if holdings.places.servers:
                found += await _served(holdings)
            holders = await holders_in(holdings.places)
    except ConfigError as error:
        return failures(_CHECK, error, "set what is missing, or install it")
    except StoreError as error:
        return failures(_CHECK, error, "see whether it runs and can be reached, and what its user may do")
    return [*found, *(_taken(holder) for holder in holders if holder.presence is not Presence.GONE)]


def _left_in(folder: Path) -> list[Finding]:
    """Return what is to say of the records in *folder*, which stays as it is."""
    try:
        found = inspected(folder)
    except StoreError as error:
        return failures(_CHECK, error, "mend the permissions of the folder")
    if found.newer:
        return [_newer(str(found.newer[0]), len(found.newer))]
    if found.damaged:
        return [_damaged(str(found.damaged[0]), len(found.damaged))]
    text = f"{folder}: {counted(found.records, 'record')}, version {FORMAT}"
    if found.moved_aside:
        advice = f"look at {found.moved_aside[0].name} beside its place, and delete it"
        return [doubtful(_CHECK, f"{text}, {counted(len(found.moved_aside), 'damaged one')} moved aside", advice)]
    return [fine(_CHECK, text)]


async def _served(holdings: Holdings) -> list[Finding]:
    """Return whether servers can be written, how long that takes, and what is to say of the records there."""
    found = []
    for place, server in holdings.places.servers:
        took_ms = await _written_ms(server)
        found.append(fine(_CHECK, f"{server.name}: {took_ms:.1f} ms to write a record, {place.kind}"))
        tell = getattr(server, "cautions", None)  # only some kinds of server can be set up to forget
        lines = [] if tell is None else await tell()
        found += [doubtful(_CHECK, line, "change its settings before you trade") for line in lines]
    keys = [key for key in await holdings.keys() if holdings.is_served(key)]
    damaged: list[str] = []
    newer: list[str] = []
    async for batch in holdings.records([key for key in keys if key[2:3] != (TRADE,)]):
        for record in batch.values():
            if isinstance(record, StoreError):
                (damaged if isinstance(record, CorruptRecordError) else newer).append(str(record))
    if newer:
        return [*found, _newer(newer[0].partition(": a newer btk")[0], len(newer))]
    if damaged:
        return [*found, _damaged(damaged[0], len(damaged))]
    return [*found, fine(_CHECK, f"{counted(len(keys), 'record')} in all, version {FORMAT}")]


async def _written_ms(server: Shelf) -> float:
    """Return how long it takes *server* to write a record, of which nothing is left."""
    probe = ("doctor", f"probe-{platform.node()}-{os.getpid()}")
    await server.open()
    started = time.perf_counter()
    await server.put({probe: b'{"version":1,"record":{}}\n'})
    took_ms = (time.perf_counter() - started) * 1000
    await server.delete([probe])
    return took_ms


def _newer(first: str, count: int) -> Finding:
    text = f"{first}: a newer btk wrote it: {counted(count, 'record')} of that kind in all"
    return failed(_CHECK, text, "use the newer btk, or another place", _UNREADABLE)


def _damaged(first: str, count: int) -> Finding:
    text = f"{first}: cannot be read: {counted(count, 'damaged record')} in all"
    return failed(_CHECK, text, "move it aside: its session starts empty then", _UNREADABLE)


def _taken(holder: Holder) -> Finding:
    doubt = "" if holder.presence is Presence.RUNNING else ", if that still runs"
    who = f"pid {holder.pid} on {holder.node}"
    what = f"{holder.mode} on {holder.exchange}, account {holder.account}"
    return fine("lock", f"{what}: in use by {who} since {utc_text(holder.since_ms)}{doubt}")

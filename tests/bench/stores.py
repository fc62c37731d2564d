"""Measure what records cost in each kind of store, on servers of this machine; `make latency` runs it.

    python -m tests.bench.stores [--only file,redis] [--times N]

A write is under a lease, as when trading, and is answered when it is on disk: files and PostgreSQL are synced, Redis
has `appendfsync always`, MongoDB answers for its journal. SeaweedFS, which stands for S3, does not sync; a real S3 is
behind a network. Median and 99th percentile in milliseconds.
"""

import argparse
import asyncio
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import cast

from rich.console import Console
from rich.table import Table

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.persistence.building import shelf_of
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Shelf, Tenant
from backtestkit_cli.ports import Json, Key
from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

KINDS = ("file", "redis", "postgres", "mongo", "s3")
SUBJECT = ("live", "bench")
NUMBERS = itertools.count()
THREE: list[Key] = [(*SUBJECT, kind, "sma", "BTCUSDT") for kind in ("signal", "schedule", "trade")]
MANY: list[Key] = [(*SUBJECT, "job", str(number)) for number in range(1000)]
OPERATIONS = ("write", "write of 3", "read", "scan of 1,000", "take of a lease")


class SyncedPostgres(PostgresServer):
    """With `fsync`, which the tests do without."""

    def command(self) -> Sequence[Path | str]:
        return ["fsync=on" if part == "fsync=off" else part for part in super().command()]


@contextmanager
def shelf(kind: str) -> Iterator[Shelf]:
    """Yield a shelf of an empty place of *kind*, whose server is there meanwhile."""
    if kind == "file":
        with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
            yield shelf_of(PlaceOptions(folder=folder), {})
        return
    if kind == "s3":
        with running(S3Server) as server:
            keys = {"AWS_ACCESS_KEY_ID": server.access_key, "AWS_SECRET_ACCESS_KEY": server.secret_key}
            os.environ.update(keys)
            url = f"s3://{server.new_bucket()}?region=us-east-1&endpoint={server.endpoint}"
            yield shelf_of(PlaceOptions(kind=StoreKind.S3, url=url), {})
        return
    if kind == "redis":
        with running(RedisServer) as redis:
            yield shelf_of(PlaceOptions(kind=StoreKind.REDIS, url=redis.url), {})
    elif kind == "postgres":
        with running(SyncedPostgres) as postgres:
            yield shelf_of(PlaceOptions(kind=StoreKind.POSTGRES, url=postgres.url), {})
    else:
        with running(MongoServer) as mongo:
            yield shelf_of(PlaceOptions(kind=StoreKind.MONGO, url=mongo.url), {})


def record() -> Json:
    """Return a record of the usual size, which no store has yet: some do not write what is there already."""
    levels = [{"pct": 50.0}] * 4
    return {"version": 1, "content": {"number": next(NUMBERS), "text": "x" * 600, "price": 64_250.5, "levels": levels}}


async def timed(call: Callable[[], Awaitable[object]], times: int) -> list[float]:
    """Return how many milliseconds each of *times* calls took, after one that does not count."""
    await call()
    taken_ms = []
    for _ in range(times):
        began_s = time.perf_counter()
        await call()
        taken_ms.append((time.perf_counter() - began_s) * 1000)
    return taken_ms


async def measured(place: Shelf, times: int) -> list[list[float] | None]:
    """Return the milliseconds of each of `OPERATIONS`, None where there is no such thing."""
    await place.open()
    leasing = cast(LeasingShelf, place) if hasattr(place, "take") else None
    lease: Lease | None = None
    takes: list[float] | None = None
    if leasing is not None:
        for number in range(max(times // 10, 5)):
            began_s = time.perf_counter()
            lease = await leasing.take((*SUBJECT, str(number)), Tenant("main", 1, "here", 1), 60)
            takes = [*(takes or []), (time.perf_counter() - began_s) * 1000]
        lease = await leasing.take(SUBJECT, Tenant("main", 1, "here", 1), 60)
    store = RecordStore(place, lease)
    await store.write_all(dict.fromkeys(MANY, record()))
    found = [
        await timed(lambda: store.write(THREE[0], record()), times),
        await timed(lambda: store.write_all(dict.fromkeys(THREE, record())), times),
        await timed(lambda: store.read(THREE[0]), times),
        await timed(lambda: store.items((*SUBJECT, "job")), max(times // 20, 5)),
        takes,
    ]
    await store.close()
    return found


def shown(taken_ms: Sequence[float] | None) -> str:
    """Return median and 99th percentile, as far as there are so many."""
    if taken_ms is None:
        return "-"
    ordered = sorted(taken_ms)
    return f"{statistics.median(ordered):.1f} / {ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]:.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(KINDS), help="kinds, with commas between them")
    parser.add_argument("--times", type=int, default=200, help="how often each is done")
    arguments = parser.parse_args()
    table = Table("ms, median / p99", *OPERATIONS)
    for kind in arguments.only.split(","):
        with shelf(kind) as place:
            table.add_row(kind, *map(shown, asyncio.run(measured(place, arguments.times))))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()

"""`btk store export`, `import` and `migrate`: records to a file, from a file, and from one store to another."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.store import (
    ExchangeName,
    Kind,
    Mode,
    Store,
    chosen_keys,
    chosen_store,
    progress,
    store_called,
)
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from backtestkit_cli.persistence.holdings import Holdings
    from backtestkit_cli.runs.stores.copying import Comparison, Copied

_STDOUT = "-"


def export_store(
    *,
    file: Annotated[str, typer.Argument(metavar="FILE", help="A name in .jsonl or .jsonl.gz; - prints.")],
    store: Store = None,
    mode: Mode = None,
    exchange: ExchangeName = None,
    kind: Kind = None,
    config: options.Config = None,
    sets: options.Sets = None,
) -> None:
    """Write the records of a store to a file, one a line as JSON; never leases.

    The file is there in whole or not at all. While a bot trades, records of different moments may be in it.
    Exit codes: 0 done, 1 the file cannot be written, 2 wrong input, 3 a record or the store cannot be read.
    """
    import asyncio

    from backtestkit_cli.domain.interval import utc_text
    from backtestkit_cli.persistence.holders import Presence
    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.persistence.occupancy import holders_in
    from backtestkit_cli.runs.sources import now_ms
    from backtestkit_cli.runs.stores.archive import write_records, written
    from backtestkit_cli.runs.stores.copying import records_of

    asked = chosen_keys(mode, exchange, kind)

    async def export(holdings: "Holdings", write: "Callable[[bytes], object]") -> int:
        keys = [key for key in await holdings.keys() if asked(key)]
        return await write_records(records_of(holdings, keys)(), write, holdings.name, utc_text(now_ms()))

    async def look() -> int:
        async with held(chosen_store(store, mode, config, sets), os.environ) as holdings:
            if any(one.presence is Presence.RUNNING for one in await holders_in(holdings.places)):
                console.note(f"{holdings.name}: is traded: the file may hold records of different moments")
            if file == _STDOUT:
                return await export(holdings, lambda line: console.out(line.decode().removesuffix("\n")))
            with written(Path(file)) as to:
                return await export(holdings, to.write)

    count = asyncio.run(look())
    (console.say if file == _STDOUT else console.out)(f"{file}: {counted(count, 'record')}")


def import_store(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of btk store export.")],
    store: Store = None,
    mode: Mode = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Where records differ, keep the file's.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read, check and compare, and change nothing.")] = False,
    config: options.Config = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Put the records of a file of `btk store export` into a store.

    All of the file is checked first. A record that the store has otherwise is not overwritten without --overwrite:
    then nothing is written at all. Refused while a bot trades there. Exit codes: 0 done, 2 wrong input, or a bot
    trades there; 3 the file or the store is damaged, or a record differs.
    """
    import asyncio

    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.runs.sources import now_ms
    from backtestkit_cli.runs.stores.archive import batches_of
    from backtestkit_cli.runs.stores.claiming import demand_rest
    from backtestkit_cli.runs.stores.copying import compared, copied, differing_text

    async def put() -> "tuple[str, Comparison, Copied | None]":
        async with held(chosen_store(store, mode, config, sets, may_be_new=True), os.environ) as target:
            await demand_rest(target)
            tell = progress()
            found = await compared(lambda: batches_of(file), target, tell)
            if found.differing and not overwrite:
                raise StoreError(f"{differing_text(target, found.differing)}; --overwrite replaces them")
            if dry_run:
                return target.name, found, None
            await target.open()
            return target.name, found, await copied(lambda: batches_of(file), target, found, now_ms(), tell)

    name, found, done = asyncio.run(put())
    counts = {
        "added": found.missing,
        "same": found.total - found.missing - len(found.differing),
        "replaced": len(found.differing),
    }
    if json:
        console.out(console.json_text({"store": name, **counts, "dry_run": done is None}))
        return
    would = "would import: " if done is None else ""
    texts = ", ".join(f"{count:,} {what}" for what, count in counts.items() if count)
    console.out(f"{would}{name}: {texts or 'no records'}")


def migrate_store(
    *,
    from_: Annotated[
        str, typer.Option("--from", metavar="PLACE", help="Where records are: config, a URL, a folder or a YAML file.")
    ],
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="Where they are to be as well, named likewise.")],
    mode: Mode = None,
    config: options.Config = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Copy all records of a store to another one, read them back, and compare; the first one stays as it is.

    Refused while a bot trades by either, and where the other one holds different records of the same exchanges. What
    was killed in the midst can be begun again. A URL holds its records below the prefix btk; a YAML file can name
    another. Exit codes: 0 done, 2 wrong input, or a bot trades; 3 a store or record cannot be read or written, or
    differs.
    """
    import asyncio

    from backtestkit_cli.errors import ConfigError
    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.runs.sources import now_ms
    from backtestkit_cli.runs.stores.copying import migrated

    source = store_called(from_, "--from", mode, config, sets, may_be_new=False)
    target = store_called(to, "--to", mode, config, sets, may_be_new=True)
    if source == target:
        raise ConfigError("--to: expected another store than --from, found the same")

    async def copy() -> "tuple[str, str, Copied]":
        async with held(source, os.environ) as old, held(target, os.environ) as new:
            return old.name, new.name, await migrated(old, new, now_ms(), progress())

    old, new, done = asyncio.run(copy())
    if json:
        document = {"from": old, "to": new, "written": done.written, "same": done.same}
        console.out(console.json_text(document))
        return
    there = f", {done.same:,} were there already" if done.same else ""
    console.out(f"{old} to {new}: {counted(done.written, 'record')} written{there}; all read back the same")

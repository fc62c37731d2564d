"""`btk store list`, `show` and `verify`: what is in a store, and whether it can be read."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import ConfigError, MissingRecordError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtestkit_cli.domain.stores import StoreOptions
    from backtestkit_cli.ports import Json, Key
    from backtestkit_cli.runs.stores.census import Group, Wanted
    from backtestkit_cli.runs.stores.verifying import Verdict

Store: TypeAlias = Annotated[
    str | None,
    typer.Option("--store", metavar="PLACE", help="A URL, a folder or a YAML file; that of the config by default."),
]
Mode: TypeAlias = Annotated[
    str | None, typer.Option("--mode", metavar="MODE", help="Of this mode only: paper or live.")
]
ExchangeName: TypeAlias = Annotated[
    str | None, typer.Option("--exchange", metavar="NAME", help="Of this exchange only; all by default.")
]
Kind: TypeAlias = Annotated[
    str | None,
    typer.Option("--kind", metavar="KIND", help="Of this kind only, such as signal or trade."),
]
_UNSOUND = 3
_PATIENT_S = 2.0
_HEADINGS = (
    Heading("Mode"),
    Heading("Exchange"),
    Heading("Kind"),
    Heading("Records", is_number=True),
    Heading("Size", is_number=True, rank=2),
    Heading("Written", rank=1),
)


def list_store(
    *,
    store: Store = None,
    mode: Mode = None,
    exchange: ExchangeName = None,
    kind: Kind = None,
    keys: Annotated[bool, typer.Option("--keys", help="Print the key of each record, one a line.")] = False,
    config: options.Config = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Show how many records of each kind a store holds, how large they are, and how old where files tell.

    Nothing is changed. Exit codes: 0 done, 2 wrong input, 3 the store cannot be read.
    """
    import asyncio

    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.runs.stores.archive import KEYS
    from backtestkit_cli.runs.stores.census import groups_in

    asked = chosen_keys(mode, exchange, kind)

    async def look() -> "tuple[str, Sequence[Key], Sequence[Group]]":
        async with held(chosen_store(store, mode, config, sets), os.environ) as holdings:
            found = [key for key in await holdings.keys() if asked(key)]
            return holdings.name, found, [] if keys else await groups_in(holdings, found)

    name, found, groups = asyncio.run(look())
    texts = [KEYS.text(key) for key in found]
    if json:
        shown: dict[str, Any] = {"keys": texts} if keys else {"groups": [group._asdict() for group in groups]}
        console.out(console.json_text({"store": name, "records": len(found), **shown}))
    elif not found:
        console.out(f"{name}: no records")
    elif keys:
        console.out("\n".join(texts))
    else:
        console.show_table(_HEADINGS, [_rows(groups)], title=name)


def _rows(groups: "Sequence[Group]") -> list[list[str]]:
    from backtestkit_cli.cli.trading_view import age_text
    from backtestkit_cli.runs.sources import now_ms

    now = now_ms()
    return [
        [
            *group[:3],
            f"{group.records:,}",
            console.size_text(group.size_bytes),
            "" if group.newest_ms is None else f"{age_text(now - group.newest_ms)} ago",
        ]
        for group in groups
    ]


def show_records(
    *,
    keys: Annotated[list[str], typer.Argument(metavar="KEY...", help="Keys, as btk store list --keys prints them.")],
    store: Store = None,
    mode: Mode = None,
    config: options.Config = None,
    sets: options.Sets = None,
) -> None:
    """Print records as one JSON document, each under its key, such as live/binance/signal/sma/BTCUSDT.

    Exit codes: 0 done, 2 wrong input, 3 there is no such record, or it cannot be read.
    """
    import asyncio

    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.runs.stores.copying import records_of

    wanted = {_key(text): text for text in keys}

    async def look() -> "dict[str, Json]":
        async with held(chosen_store(store, mode, config, sets), os.environ) as holdings:
            found = {
                key: record async for batch in records_of(holdings, list(wanted))() for key, record in batch.items()
            }
            for key in wanted:
                if key not in found:
                    hint = "btk store list --keys shows what there is"
                    raise MissingRecordError(f"{holdings.place(key)}: there is no such record; {hint}")
            return {text: found[key] for key, text in wanted.items()}

    console.out(console.json_text(asyncio.run(look())))


def _key(text: str) -> "Key":
    from backtestkit_cli.runs.stores.archive import KEYS

    key = KEYS.key(text)
    if key is None:
        expected = "names with / between them, in which all but letters, digits and -_.~ is written as %2F is for /"
        raise ConfigError(f"{text}: expected {expected}; btk store list --keys prints them so")
    return key


def verify_store(
    *,
    store: Store = None,
    mode: Mode = None,
    exchange: ExchangeName = None,
    kind: Kind = None,
    config: options.Config = None,
    sets: options.Sets = None,
    json: options.Json = False,
) -> None:
    """Read every record of a store down to what is in it, and say what is damaged, newer, or of another session.

    Nothing is changed. Also tells what was set aside before, and who trades. Exit codes: 0 all is well, 2 wrong
    input, 3 a record or the store cannot be read.
    """
    import asyncio

    from backtestkit_cli.persistence.holdings import held
    from backtestkit_cli.runs.stores.verifying import verified

    asked = chosen_keys(mode, exchange, kind)

    async def look() -> "tuple[str, Verdict]":
        async with held(chosen_store(store, mode, config, sets), os.environ) as holdings:
            return holdings.name, await verified(holdings, asked, progress())

    name, verdict = asyncio.run(look())
    code = 0 if verdict.is_sound else _UNSOUND
    if json:
        console.out(console.json_text({"store": name, **_document(verdict), "exit_code": code}))
    else:
        _show(name, verdict)
    raise typer.Exit(code)


def _document(verdict: "Verdict") -> dict[str, Any]:
    from backtestkit_cli.runs.stores.archive import KEYS

    problems = [
        {"key": KEYS.text(one.key), "problem": one.wrong.value, "text": console.one_line(one.text)}
        for one in verdict.problems
    ]
    holders = [
        {
            "mode": one.mode,
            "exchange": one.exchange,
            "account": one.account,
            "pid": one.pid,
            "machine": one.node,
            "since": one.since_ms,
            "state": one.presence.value,
        }
        for one in verdict.holders
    ]
    return {"records": verdict.records, "problems": problems, "set_aside": list(verdict.aside), "holders": holders}


def _show(name: str, verdict: "Verdict") -> None:
    from backtestkit_cli.persistence.holders import Presence
    from backtestkit_cli.runs.stores.claiming import told
    from backtestkit_cli.runs.stores.verifying import Wrong

    unread = sum(one.wrong is not Wrong.UNCHECKED for one in verdict.problems)
    console.out(f"{name}: {counted(verdict.records, 'record')}, {unread:,} of them cannot be read")
    for holder in verdict.holders:
        if holder.presence is not Presence.GONE:
            console.out(told(holder))
    for place in verdict.aside:
        console.note(f"{place}: was damaged, and set aside")
    for problem in verdict.problems:
        (console.note if problem.wrong is Wrong.UNCHECKED else console.error)(f"{problem.wrong.value}: {problem.text}")


def chosen_store(
    store: str | None, mode: str | None, config: str | None, sets: list[str] | None, *, may_be_new: bool = False
) -> "StoreOptions":
    """Return the store that *store* names, by default that of the config; a folder must be there or *may_be_new*."""
    return store_called(store or "config", "--store", mode, config, sets, may_be_new=may_be_new)


def store_called(
    text: str, flag: str, mode: str | None, config: str | None, sets: list[str] | None, *, may_be_new: bool
) -> "StoreOptions":
    """Return the store that *text*, given as *flag*, names; a folder must be there or *may_be_new*.

    Raises:
        ConfigError: it names none.
    """
    from backtestkit_cli.runs.stores.naming import checked_mode, store_named

    def load(file: Path | None) -> Any:  # noqa: ANN401 - a config, which is imported late
        return options.load(config if file is None else str(file), sets, {})

    return store_named(text, checked_mode(mode), load, flag=flag, may_be_new=may_be_new)


def chosen_keys(mode: str | None, exchange: str | None, kind: str | None) -> "Wanted":
    """Return what says whether a key is asked for."""
    from backtestkit_cli.runs.stores.census import Wanted
    from backtestkit_cli.runs.stores.naming import checked_mode

    return Wanted(checked_mode(mode), exchange, kind)


def progress() -> Callable[[str, int], None]:
    """Return what says on stderr now and then how far something has got that takes a while."""
    import time

    from backtestkit_cli.cli.progress import sparing

    begun_s = time.monotonic()
    say = sparing(console.say, time.monotonic)

    def tell(what: str, records: int) -> None:
        if time.monotonic() - begun_s >= _PATIENT_S:
            say(f"{counted(records, 'record')} {what}")

    return tell

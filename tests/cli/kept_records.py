"""Records as bots leave them, in any store, for tests of the commands that look at them."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import orjson

from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.engine.memory import PortfolioMemory, RunMemory, SessionMemory
from backtestkit_cli.persistence.holdings import Holdings, held
from backtestkit_cli.persistence.opening import place_at
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.ports import Json, Key
from tests.builders import START_MS, a_position, a_trade

HOLDS = SessionMemory(revision=1, tick_ms=START_MS, state=a_position(price_open=60_000.0, cost=600.0))
ODD = "a/b %:é🚀"
"""A name with what means something in paths, URLs and keys."""


def options_of(place: str, prefix: str = "btk") -> StoreOptions:
    """Return the store at *place*, a URL or a folder."""
    return StoreOptions(place=replace(place_at(place), prefix=prefix, patience_seconds=0.0))


def a_yaml(file: str, place: str, prefix: str = "btk") -> str:
    """Write a config of the store at *place*, a URL, to *file*, and return that name."""
    lines = [f"kind: {place_at(place).kind}", f"url: '{place}'", f"prefix: {prefix}", "patience_seconds: 0"]
    Path(file).write_text("store:\n" + "".join(f"  {line}\n" for line in lines), encoding="utf-8")
    return file


def bots_left_in(options: StoreOptions) -> None:
    """Let two bots have traded: one holds a position and has closed trades, the other one's names are odd."""

    async def leave() -> None:
        async with held(options, {}) as holdings:
            store = holdings.places.store()
            await store.wait_for_init()
            session = SessionJournal(store, "live", "binance", "sma", "BTCUSDT")
            await session.save(HOLDS, [a_trade(opened_at_ms=0x1000 + number) for number in range(3)])
            shared = RunJournal(store, "live", "binance")
            await shared.save(RunMemory(run_id="sma-1", started_at_ms=START_MS, facts={}))
            await shared.save(PortfolioMemory(peak_equity=1.5, day_base=1.0, day_ms=START_MS))
            await SessionJournal(store, "paper", ODD, ODD, "BTC/USDT:USDT").save(SessionMemory(revision=7))

    asyncio.run(leave())


def put(options: StoreOptions, records: dict[Key, Json]) -> None:
    """Keep *records*."""

    async def write() -> None:
        async with held(options, {}) as holdings:
            await holdings.open()
            await holdings.put(records, {})

    asyncio.run(write())


def everything_in(options: StoreOptions) -> dict[Key, Json]:
    """Return all records of a store."""

    async def read(holdings: Holdings) -> Iterable[tuple[Key, object]]:
        return [item async for batch in holdings.records(await holdings.keys()) for item in batch.items()]

    async def look() -> dict[Key, Json]:
        async with held(options, {}) as holdings:
            found = dict(await read(holdings))
        assert all(isinstance(record, dict) for record in found.values())
        return found  # type: ignore[return-value]

    return asyncio.run(look())


def lines_of(file: Path) -> list[dict[str, object]]:
    """Return the lines of an exported file."""
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]

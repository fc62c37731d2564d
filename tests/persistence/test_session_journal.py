"""A session is found again as it was saved; what is lost, damaged or of another session is never taken for flat."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import Journal, SessionMemory
from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError, StoreError
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.session_journal import SessionJournal, sessions_in
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.ports import Json, Key, Store
from tests.builders import a_position, a_trade
from tests.persistence import engine_values as values

NAMES = ("live", "demo", "sma", "BTCUSDT")
SIGNAL: Key = ("live", "demo", "signal", "sma", "BTCUSDT")
SCHEDULE: Key = ("live", "demo", "schedule", "sma", "BTCUSDT")
LONG = Signal(position="long", take_profit=110.0, stop_loss=90.0)
WAITING = Waiting("id-1", LONG, Side.LONG, Limit(100.0), 100.0, 60_000)
OPEN = a_position()


def a_journal(store: Store, names: tuple[str, str, str, str] = NAMES) -> SessionJournal:
    return SessionJournal(store, *names, resolver=values.found)


async def saved(*states: Any, store: Store | None = None) -> Store:
    """Return a store in which a session was saved once with each of *states*, from revision 1 on."""
    store = store or MemoryStore()
    journal: Journal = a_journal(store)
    await journal.recall()
    for revision, state in enumerate(states, 1):
        await journal.save(SessionMemory(revision=revision, tick_ms=revision * 60_000, state=state))
    return store


async def contents(store: Store) -> list[Any]:
    """Return what the records `signal` and `schedule` hold."""
    return [(await store.read(key))["content"] for key in (SIGNAL, SCHEDULE)]


def damage(store: Store, key: Key, content: bytes = b"{") -> None:
    assert isinstance(store, MemoryStore)
    store.contents[key] = content


class Stopping(MemoryStore):
    """A store that keeps the first `left` writes only; then it fails, as one that is killed or full does."""

    left = 1000

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        for key, record in records.items():
            if self.left == 0:
                raise StoreError("the store has stopped")
            self.left -= 1
            await super().write_all({key: record})


async def test_a_session_that_was_never_saved_has_no_memory() -> None:
    assert await a_journal(MemoryStore()).recall() is None
    assert await a_journal(MemoryStore()).peek() is None
    assert await a_journal(MemoryStore()).trades() == ()


@given(values.memories)
@settings(max_examples=15)
def test_any_memory_is_recalled_as_it_was_saved(memory: SessionMemory) -> None:
    async def save_and_recall() -> SessionMemory | None:
        store = MemoryStore()
        await a_journal(store).save(memory)
        assert repr(await a_journal(store).peek()) == repr(memory)
        return await a_journal(store).recall()

    assert repr(asyncio.run(save_and_recall())) == repr(memory)


async def test_a25_a_file_holds_the_open_signal_and_says_null_once_it_is_closed(tmp_path: Path) -> None:
    store = await saved(OPEN, store=FileStore(tmp_path))
    file = tmp_path / "live/demo/signal/sma/+btcusdt.json"
    position = json.loads(file.read_text())["record"]["content"]["state"]["Position"]
    assert position["id"] == OPEN.id
    assert position["side"] == "long"
    prices = [position["entries"][0]["price"], position["take_profit"], position["stop_loss"]]
    assert prices == [OPEN.price_open, OPEN.take_profit, OPEN.stop_loss]
    await saved(OPEN, None, store=FileStore(tmp_path / "closed"))
    closed = tmp_path / "closed" / file.relative_to(tmp_path)
    assert json.loads(closed.read_text())["record"]["content"]["state"] is None
    assert await sessions_in(store, "live", "demo") == [("sma", "BTCUSDT")]


async def test_a101_a_waiting_signal_is_in_a_record_of_its_own_and_the_other_one_says_null() -> None:
    for states, holder in [
        ((WAITING,), 1),
        ((OPEN,), 0),
        ((WAITING, OPEN), 0),
        ((None, WAITING), 1),
        ((WAITING, None), 0),
    ]:
        found = await contents(await saved(*states))
        assert [content is not None for content in found] == [holder == 0, holder == 1], states


@pytest.mark.parametrize("before", [[None], [WAITING], [OPEN], [None, WAITING], [WAITING, OPEN], []])
@pytest.mark.parametrize("after", [None, WAITING, OPEN])
@pytest.mark.parametrize("writes", [0, 1, 2])
async def test_a101_wherever_a_save_is_cut_off_it_happened_or_not_and_one_record_holds_it(
    before: Sequence[Any], after: Any, writes: int
) -> None:
    store = Stopping()
    await saved(*before, store=store)
    journal = a_journal(store)
    await journal.recall()
    store.left = writes
    memory = SessionMemory(revision=9, state=after)
    try:
        await journal.save(memory)
    except StoreError:
        assert writes < 2
    else:
        assert writes > 0
    store.left = 1000
    found = await a_journal(store).recall()
    if writes > 0:
        assert found == memory
    else:
        assert (None if found is None else found.state) == (before[-1] if before else None)
    if found is not None:
        assert found.blocked == ""
        held = [content for content in await contents_there(store) if content is not None]
        assert len(held) == 1


async def contents_there(store: Store) -> list[Any]:
    return [(await store.read(key))["content"] for key in (SIGNAL, SCHEDULE) if await store.has(key)]


async def test_a_save_that_could_not_clear_the_other_record_is_made_good_by_the_next() -> None:
    store = Stopping()
    await saved(WAITING, store=store)
    journal = a_journal(store)
    await journal.recall()
    store.left = 1
    with pytest.raises(StoreError, match="has stopped"):
        await journal.save(SessionMemory(revision=5, state=OPEN))
    assert all(await contents(store))
    store.left = 1000
    await journal.save(SessionMemory(revision=6, state=OPEN))
    assert (await contents(store))[1] is None


@pytest.mark.parametrize("revision", [0, 3])
async def test_a_save_of_no_newer_revision_is_refused_as_somebody_else_s(revision: int) -> None:
    store = await saved(None, None, OPEN)
    journal = a_journal(store)
    await journal.recall()
    with pytest.raises(StoreError, match=f"expected a revision above 3, found {revision}"):
        await journal.save(SessionMemory(revision=revision))
    assert await journal.recall() == SessionMemory(revision=3, tick_ms=180_000, state=OPEN)


@pytest.mark.parametrize(
    ("states", "damaged", "left"),
    [
        ([OPEN], SIGNAL, None),
        ([OPEN], SCHEDULE, OPEN),
        ([None], SIGNAL, None),
        ([None, WAITING], SCHEDULE, None),
        ([None, WAITING], SIGNAL, WAITING),
        ([WAITING, OPEN], SIGNAL, None),
    ],
)
async def test_a121_a_damaged_record_is_an_error_first_and_a_block_after_it(
    states: Sequence[Any], damaged: Key, left: Any
) -> None:
    store = await saved(*states)
    damage(store, damaged)
    with pytest.raises(CorruptRecordError, match=r"the record is no JSON.*it was moved to"):
        await a_journal(store).recall()
    for look in (a_journal(store).recall, a_journal(store).recall, a_journal(store).peek):
        memory = await look()
        assert memory is not None
        assert memory.state == left
        assert memory.blocked == (
            f"the {damaged[2]} record was lost: a position may be open at the venue that is not known here"
        )
        assert memory.revision > 0


async def test_a_session_whose_block_was_lifted_goes_on_as_any_other() -> None:
    store = await saved(OPEN)
    damage(store, SIGNAL)
    journal = a_journal(store)
    with pytest.raises(CorruptRecordError):
        await journal.recall()
    memory = await journal.recall()
    assert memory is not None
    await journal.save(memory._replace(revision=memory.revision + 1, blocked=""))
    found = await a_journal(store).recall()
    assert found is not None
    assert (found.state, found.blocked) == (None, "")


@pytest.mark.parametrize(("states", "lost"), [([OPEN], SIGNAL), ([None, WAITING], SCHEDULE)])
async def test_a_record_that_is_lost_without_a_trace_blocks_as_well(states: Sequence[Any], lost: Key) -> None:
    """As where the process is killed after a damaged record was moved aside, and before anything else was written."""
    store = await saved(*states)
    await store.remove(lost)
    memory = await a_journal(store).recall()
    assert memory is not None
    assert memory.state is None
    assert f"the {lost[2]} record was lost" in memory.blocked


async def test_a_damaged_record_blocks_also_where_that_could_not_be_written_down() -> None:
    store = Stopping()
    await saved(OPEN, store=store)
    damage(store, SIGNAL)
    store.left = 0
    with pytest.raises(CorruptRecordError):
        await a_journal(store).recall()
    memory = await a_journal(store).recall()
    assert memory is not None
    assert memory.blocked


async def test_both_records_damaged_are_both_named() -> None:
    store = await saved(OPEN)
    damage(store, SIGNAL)
    damage(store, SCHEDULE)
    with pytest.raises(CorruptRecordError) as refused:
        await a_journal(store).recall()
    assert len(str(refused.value).splitlines()) == 2
    memory = await a_journal(store).recall()
    assert memory is not None
    assert "the signal and schedule record was lost" in memory.blocked


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"exchange": "binance"}, "exchange: expected 'demo', found 'binance'"),
        ({"strategy": "other"}, "strategy: expected 'sma', found 'other'"),
        ({"symbol": "ETHUSDT"}, "symbol: expected 'BTCUSDT', found 'ETHUSDT'"),
        ({"mode": "paper"}, "mode: expected 'live', found 'paper'"),
        ({"mode": "paper", "symbol": 5}, "mode: expected 'live', found 'paper'; symbol: expected 'BTCUSDT', found 5"),
        ({"version": 2}, "a newer btk wrote this record: expected version 1 or older, found 2"),
        ({"content": {"state": None, "hedge": 1}}, "a newer btk wrote this record: SessionMemory: has hedge"),
    ],
)
async def test_a100_a110_a_record_of_another_session_or_version_is_refused_and_stays(
    change: dict[str, Any], complaint: str
) -> None:
    store = await saved(OPEN)
    record = await store.read(SIGNAL) | change
    await store.write(SIGNAL, record)
    for _ in range(2):
        with pytest.raises(ForeignRecordError) as refused:
            await a_journal(store).recall()
        assert complaint in str(refused.value)
        assert str(refused.value).startswith("memory: live/demo/signal/sma/BTCUSDT: ")
    assert await store.read(SIGNAL) == record


async def test_a100_a_file_that_was_copied_to_another_symbol_is_refused_and_stays(tmp_path: Path) -> None:
    store = await saved(OPEN, store=FileStore(tmp_path))
    folder = tmp_path / "live/demo/signal/sma"
    (folder / "+ethusdt.json").write_bytes((folder / "+btcusdt.json").read_bytes())
    with pytest.raises(ForeignRecordError, match="symbol: expected 'ETHUSDT', found 'BTCUSDT'; it stays there"):
        await a_journal(store, ("live", "demo", "sma", "ETHUSDT")).recall()
    assert (folder / "+ethusdt.json").exists()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"version": None}, "the record has no version"),
        ({"version": 0}, "the record has no version"),
        ({"content": {"revision": "x"}}, "SessionMemory.revision: expected a whole number, found 'x'"),
        ({"content": 5}, "expected a SessionMemory, found 5"),
    ],
)
async def test_a_record_that_json_can_read_and_we_cannot_is_kept_aside_in_the_store(
    change: dict[str, Any], complaint: str
) -> None:
    store = await saved(OPEN)
    for number in ("1", "2"):
        record = await store.read(SIGNAL) | change
        await store.write(SIGNAL, record)
        aside: Key = ("live", "demo", "aside", "signal", "sma", "BTCUSDT", number)
        with pytest.raises(CorruptRecordError) as refused:
            await a_journal(store).recall()
        assert complaint in str(refused.value)
        assert str(refused.value).endswith(f"; it was moved to {'/'.join(aside)}")
        assert await store.read(aside) == record


async def test_modes_exchanges_strategies_and_symbols_keep_apart() -> None:
    store = MemoryStore()
    names = [
        NAMES,
        ("paper", *NAMES[1:]),
        ("live", "other", *NAMES[2:]),
        ("live", "demo", "s", "B"),
        ("live", "demo", "s", "C"),
    ]
    for number, session in enumerate(names, 1):
        made = SessionMemory(revision=number, dust=float(number))
        await a_journal(store, session).save(made, [a_trade(minutes=number)])
    for number, session in enumerate(names, 1):
        memory = await a_journal(store, session).recall()
        assert memory is not None
        assert memory.dust == number
        (trade,) = await a_journal(store, session).trades()
        assert trade == a_trade(minutes=number)
    assert await sessions_in(store, "live", "demo") == [("s", "B"), ("s", "C"), ("sma", "BTCUSDT")]


async def test_trades_come_in_the_order_they_closed_and_booking_one_twice_is_booking_it_once() -> None:
    store = MemoryStore()
    made = [a_trade(opened_at_ms=at_ms, minutes=minutes) for at_ms, minutes in ((5, 1), (1, 9), (3, 2))]
    for trade in [*made, made[0]]:
        await a_journal(store).save(SessionMemory(), [trade])
    assert await a_journal(store).trades() == (made[0], made[2], made[1])


async def test_a_damaged_trade_is_told_of_once_and_the_others_are_still_there() -> None:
    store = MemoryStore()
    made = [a_trade(opened_at_ms=at_ms) for at_ms in (1, 2, 3)]
    for trade in made:
        await a_journal(store).save(SessionMemory(), [trade])
    damage(store, ("live", "demo", "trade", "sma", "BTCUSDT", "2"))
    with pytest.raises(CorruptRecordError, match="trade/sma/BTCUSDT/2: the record is no JSON"):
        await a_journal(store).trades()
    assert await a_journal(store).trades() == (made[0], made[2])


async def test_an_order_that_cannot_be_saved_leaves_the_session_as_it_was() -> None:
    store = await saved(OPEN)
    journal = SessionJournal(store, *NAMES, resolver=lambda module, name: None)
    await journal.recall()
    own = WAITING._replace(order=values.OwnOrder(1.0))
    with pytest.raises(StoreError, match="OwnOrder cannot be saved: it is not found by its name"):
        await journal.save(SessionMemory(revision=7, state=own))
    assert await journal.recall() == SessionMemory(revision=1, tick_ms=60_000, state=OPEN)

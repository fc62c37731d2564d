"""What a shelf with leases promises of those who have lost one: nothing they send late is kept."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from backtestkit_cli.errors import CorruptRecordError, LeaseLostError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import LeasingShelf
from backtestkit_cli.ports import Key
from backtestkit_cli.testing.lease_hooks import FIRST, KEY, LONG_SECONDS, SECOND, SUBJECT, THIRD, LeaseHooks


class FencingContract(LeaseHooks):
    """The tests of what is sent under a lease."""

    async def test_nothing_that_a_loser_sends_late_is_kept(self, shelf: LeasingShelf, rival: LeasingShelf) -> None:
        loser, _ = await self.replaced(shelf, rival)
        for call in (
            lambda: shelf.put({KEY: b"late"}, loser),
            lambda: shelf.put({KEY: b"late", (*SUBJECT, "new"): b"late"}, loser),
            lambda: shelf.delete([KEY], loser),
            lambda: shelf.set_aside(KEY, b"old", loser),
            lambda: shelf.renew(loser, LONG_SECONDS),
        ):
            with pytest.raises(LeaseLostError, match="demo"):
                await call()
            assert await rival.get([KEY]) == [b"old"]

    async def test_what_a_loser_writes_late_is_refused_also_after_the_next_has_written(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser, owner = await self.replaced(shelf, rival)
        await rival.put({KEY: b"new"}, owner)
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, loser)
        assert await rival.get([KEY]) == [b"new"]

    async def test_what_a_loser_writes_late_where_there_was_nothing_is_no_state_of_the_next(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser, owner = await self.replaced(shelf, rival)
        new = (*SUBJECT, "schedule", "sma", "BTCUSDT")
        with suppress(LeaseLostError):  # some places can only make sure that nobody ever finds it
            await shelf.put({new: b"late"}, loser)
        assert await rival.get([new]) == [None]
        assert list(await rival.names(SUBJECT)) == [KEY]
        assert dict(await rival.scan(SUBJECT)) == {KEY: b"old"}
        await rival.put({new: b"mine"}, owner)
        assert await rival.get([new]) == [b"mine"]

    async def test_what_a_tenant_writes_while_he_is_replaced_is_kept_or_refused_but_never_comes_later(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        written: list[int] = []
        begun = asyncio.Event()

        async def write_on() -> None:
            for number in range(1000):
                try:
                    await shelf.put({KEY: b"%d" % number}, loser)
                except LeaseLostError:
                    return
                written.append(number)
                begun.set()
                await asyncio.sleep(0)

        async def take_over() -> Sequence[bytes | None]:
            await begun.wait()
            await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=loser.fence)
            return await rival.get([KEY])

        (found,), _ = await asyncio.gather(take_over(), write_on())
        assert len(written) < 1000
        assert await rival.get([KEY]) == [found]
        assert found is not None
        assert int(found) >= written[-1]  # what was acknowledged is there; of the one under way nobody was told

    async def test_what_a_loser_gives_back_stays_with_who_has_it(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser, owner = await self.replaced(shelf, rival)
        await shelf.give_back(loser)
        assert await shelf.take(SUBJECT, THIRD, LONG_SECONDS) == owner
        assert list(await shelf.leases()) == [owner]
        await rival.put({KEY: b"new"}, owner)

    @pytest.mark.parametrize(
        "neighbour",
        [("live", "demo2"), ("live", "dem"), ("live", "Demo"), ("live", "d%"), ("live/demo",)],
        ids="/".join,
    )
    async def test_leases_on_other_subjects_are_not_touched(
        self, shelf: LeasingShelf, rival: LeasingShelf, neighbour: Key
    ) -> None:
        other = await shelf.take(neighbour, THIRD, LONG_SECONDS)
        await shelf.put({(*neighbour, "note"): b"1"}, other)
        await self.replaced(shelf, rival)
        await shelf.put({(*neighbour, "note"): b"2"}, other)
        await shelf.renew(other, LONG_SECONDS)
        assert await rival.get([(*neighbour, "note")]) == [b"2"]
        assert other in await rival.leases()

    async def test_who_has_no_lease_may_write_what_is_nobodys_and_what_is_somebodys(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        """Whoever moves records from place to place asks for leases himself."""
        owner = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"1"}, owner)
        await rival.put({KEY: b"2", ("own", "log", "1"): b"x"})
        assert await shelf.get([KEY]) == [b"2"]
        await shelf.put({KEY: b"3"}, owner)
        assert await rival.delete([KEY]) == 1
        await shelf.put({KEY: b"4"}, owner)
        assert await rival.get([KEY]) == [b"4"]

    async def test_an_owner_writes_and_removes_all_he_finds_whoever_wrote_it(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        keys = [(*SUBJECT, "note", str(number)) for number in range(4)]
        await shelf.put(dict.fromkeys(keys, b"old"), loser)
        owner = await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=loser.fence)
        assert set(await rival.names(SUBJECT)) == set(keys)
        await rival.put({keys[0]: b"new"}, owner)
        assert await rival.delete(keys[1:3], owner) == 2
        await rival.set_aside(keys[3], b"old", owner)
        assert dict(await shelf.scan(SUBJECT)) == {keys[0]: b"new"}

    async def test_a_store_of_a_loser_keeps_nothing_and_moves_nothing(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser, owner = await self.replaced(shelf, rival)
        lost, kept = RecordStore(shelf, loser), RecordStore(rival, owner)
        for call in (lambda: lost.write(KEY, {"n": 1}), lambda: lost.remove(KEY), lambda: lost.read(KEY)):
            with pytest.raises(LeaseLostError):
                await call()
        assert await rival.get([KEY]) == [b"old"]
        with pytest.raises(CorruptRecordError, match="moved to"):
            await kept.read(KEY)
        await kept.write(KEY, {"n": 2})
        assert await kept.read(KEY) == {"n": 2}

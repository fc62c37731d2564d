"""What every shelf promises that many machines trade by: a class of tests, run on it by a subclass that makes one.

class TestMyLeases(LeaseContract):
    @pytest.fixture
    def shelf(self) -> LeasingShelf:
        return MyShelf("place", ...)

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        return MyShelf("place", ...)
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress

import pytest

from backtestkit_cli.errors import CorruptRecordError, LeaseLostError
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.ports import Key

SUBJECT = ("live", "demo")
NEIGHBOUR = ("live", "demo2")
KEY = (*SUBJECT, "signal", "sma", "BTCUSDT")
FIRST = Tenant("main", 101, "one.example", 1_700_000_000_000, "boot-1")
SECOND = Tenant("main", 202, "two.example", 1_700_000_060_000, "boot-2")
THIRD = Tenant("spare", 303, "three.example", 1_700_000_120_000)
LONG_SECONDS = 60.0


class LeaseContract:
    """The tests; each gets a shelf of an empty place, which is open."""

    seconds = 0.5
    """How long those leases last whose end is awaited."""

    @pytest.fixture
    def shelf(self) -> LeasingShelf:
        """Return a shelf of an empty place."""
        raise NotImplementedError("say how a shelf is made")

    def again(self, shelf: LeasingShelf) -> LeasingShelf:
        """Return a shelf of the same place as another machine would have it; it is closed after the test."""
        raise NotImplementedError("say how another machine makes a shelf of the same place")

    async def let_pass(self, seconds: float) -> None:
        """Let *seconds* pass: by waiting, or by another clock where the shelf has one."""
        await asyncio.sleep(seconds)

    @pytest.fixture(autouse=True)
    async def _ready(self, shelf: LeasingShelf) -> AsyncIterator[None]:
        await shelf.open()
        yield
        await shelf.close()

    @pytest.fixture
    async def rival(self, shelf: LeasingShelf) -> AsyncIterator[LeasingShelf]:
        """The same place as another machine has it."""
        rival = self.again(shelf)
        await rival.open()
        yield rival
        await rival.close()

    async def taken_over(self, shelf: LeasingShelf, tenant: Tenant) -> Lease:
        """Return the lease of *tenant* once that before has ended, which some places only tell by looking twice."""
        await shelf.take(SUBJECT, tenant, self.seconds)
        await self.let_pass(self.seconds * 1.2)
        return await shelf.take(SUBJECT, tenant, LONG_SECONDS)

    async def test_a_lease_that_nobody_has_is_had_by_who_takes_it(self, shelf: LeasingShelf) -> None:
        lease = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        assert lease == Lease(SUBJECT, lease.fence, FIRST)
        assert lease.fence >= 1

    async def test_whoever_comes_second_is_told_who_has_it(self, shelf: LeasingShelf, rival: LeasingShelf) -> None:
        lease = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        assert await rival.take(SUBJECT, SECOND, LONG_SECONDS) == lease
        await shelf.put({KEY: b"1"}, lease)
        assert await rival.get([KEY]) == [b"1"]

    async def test_of_many_who_race_exactly_one_gets_it(self, shelf: LeasingShelf, rival: LeasingShelf) -> None:
        told = await self._race((shelf, rival))
        assert len(set(told)) == 1

    async def test_of_many_who_race_for_what_has_ended_exactly_one_gets_it(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        ended = await shelf.take(SUBJECT, FIRST, self.seconds)
        assert set(await self._race((shelf, rival))) == {ended}
        await self.let_pass(self.seconds * 1.2)
        (won,) = set(await self._race((shelf, rival)))
        assert won.fence > ended.fence
        assert won.tenant != FIRST

    async def _race(self, shelves: Sequence[LeasingShelf]) -> list[Lease]:
        """Return what each of twelve is told who all want the lease at once."""
        return await asyncio.gather(
            *(
                shelves[number % len(shelves)].take(SUBJECT, SECOND._replace(pid=1000 + number), LONG_SECONDS)
                for number in range(12)
            )
        )

    async def test_who_has_it_gets_it_again_because_an_answer_can_be_lost(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        first = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        again = await rival.take(SUBJECT, FIRST, LONG_SECONDS)
        assert (again.tenant, again.subject) == (FIRST, SUBJECT)
        assert again.fence >= first.fence
        await rival.put({KEY: b"1"}, again)
        assert [lease.tenant for lease in await shelf.leases()] == [FIRST]

    @pytest.mark.parametrize(
        "other",
        [FIRST._replace(pid=1), FIRST._replace(node="x"), FIRST._replace(since_ms=1), FIRST._replace(origin="x")],
        ids=["pid", "node", "since", "origin"],
    )
    async def test_another_process_is_another_tenant(self, shelf: LeasingShelf, other: Tenant) -> None:
        lease = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        assert await shelf.take(SUBJECT, other, LONG_SECONDS) == lease

    async def test_what_was_renewed_is_not_to_be_had_when_it_would_have_ended(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        lease = await shelf.take(SUBJECT, FIRST, self.seconds)
        assert await rival.take(SUBJECT, SECOND, self.seconds) == lease
        await self.let_pass(self.seconds / 2)
        await shelf.renew(lease, LONG_SECONDS)
        await self.let_pass(self.seconds)
        assert await rival.take(SUBJECT, SECOND, self.seconds) == lease
        await shelf.put({KEY: b"1"}, lease)

    async def test_what_has_ended_is_had_by_the_next_who_takes_it(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        ended = await shelf.take(SUBJECT, FIRST, self.seconds)
        lease = await self.taken_over(rival, SECOND)
        assert lease == Lease(SUBJECT, lease.fence, SECOND)
        assert lease.fence > ended.fence
        assert await shelf.take(SUBJECT, FIRST, LONG_SECONDS) == lease
        with pytest.raises(LeaseLostError):
            await shelf.renew(ended, LONG_SECONDS)
        await rival.put({KEY: b"2"}, lease)

    async def test_what_was_given_back_is_to_be_had_at_once(self, shelf: LeasingShelf, rival: LeasingShelf) -> None:
        given = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        assert await rival.take(SUBJECT, SECOND, LONG_SECONDS) == given
        await shelf.give_back(given)
        assert await rival.leases() == []
        lease = await rival.take(SUBJECT, SECOND, LONG_SECONDS)
        assert lease.tenant == SECOND
        assert lease.fence > given.fence

    async def test_fences_grow_with_each_tenant_however_the_one_before_went(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        fences = []
        for tenant in (FIRST, SECOND, FIRST, THIRD):
            lease = await shelf.take(SUBJECT, tenant, LONG_SECONDS)
            fences.append(lease.fence)
            await shelf.give_back(lease)
        before = await rival.take(SUBJECT, SECOND, LONG_SECONDS)
        ousting = await rival.take(SUBJECT, THIRD, LONG_SECONDS, ousted=before.fence)
        fences += [before.fence, ousting.fence]
        assert fences == sorted(set(fences))

    async def test_a_tenant_that_is_known_to_be_no_more_is_ousted(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        dead = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        assert await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=dead.fence - 1) == dead
        lease = await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=dead.fence)
        assert lease.tenant == SECOND
        assert lease.fence > dead.fence
        assert await shelf.take(SUBJECT, THIRD, LONG_SECONDS, ousted=dead.fence) == lease
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, dead)

    async def _lost(self, shelf: LeasingShelf, rival: LeasingShelf) -> tuple[Lease, Lease]:
        """Return the lease of a loser, who has written `b"old"` at `KEY`, and that of who took over."""
        loser = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"old"}, loser)
        return loser, await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=loser.fence)

    async def test_nothing_that_a_loser_sends_late_is_kept(self, shelf: LeasingShelf, rival: LeasingShelf) -> None:
        loser, _ = await self._lost(shelf, rival)
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
        loser, owner = await self._lost(shelf, rival)
        await rival.put({KEY: b"new"}, owner)
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, loser)
        assert await rival.get([KEY]) == [b"new"]

    async def test_what_a_loser_writes_late_where_there_was_nothing_is_no_state_of_the_next(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        loser, owner = await self._lost(shelf, rival)
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
        loser, owner = await self._lost(shelf, rival)
        await shelf.give_back(loser)
        assert await shelf.take(SUBJECT, THIRD, LONG_SECONDS) == owner
        assert list(await shelf.leases()) == [owner]
        await rival.put({KEY: b"new"}, owner)

    async def test_the_leases_in_force_are_listed_and_are_no_records(
        self, shelf: LeasingShelf, rival: LeasingShelf
    ) -> None:
        assert await shelf.leases() == []
        leases = [await shelf.take(subject, FIRST, LONG_SECONDS) for subject in (SUBJECT, NEIGHBOUR)]
        assert sorted(await rival.leases()) == sorted(leases)
        assert list(await rival.names(())) == []
        assert list(await rival.scan(())) == []
        await shelf.give_back(leases[0])
        assert list(await rival.leases()) == leases[1:]

    @pytest.mark.parametrize(
        "neighbour",
        [NEIGHBOUR, ("live", "dem"), ("live", "Demo"), ("live", "d%"), ("live/demo",)],
        ids="/".join,
    )
    async def test_leases_on_other_subjects_are_not_touched(
        self, shelf: LeasingShelf, rival: LeasingShelf, neighbour: Key
    ) -> None:
        other = await shelf.take(neighbour, THIRD, LONG_SECONDS)
        await shelf.put({(*neighbour, "note"): b"1"}, other)
        await self._lost(shelf, rival)
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
        loser, owner = await self._lost(shelf, rival)
        lost, kept = RecordStore(shelf, loser), RecordStore(rival, owner)
        for call in (lambda: lost.write(KEY, {"n": 1}), lambda: lost.remove(KEY), lambda: lost.read(KEY)):
            with pytest.raises(LeaseLostError):
                await call()
        assert await rival.get([KEY]) == [b"old"]
        with pytest.raises(CorruptRecordError, match="moved to"):
            await kept.read(KEY)
        await kept.write(KEY, {"n": 2})
        assert await kept.read(KEY) == {"n": 2}

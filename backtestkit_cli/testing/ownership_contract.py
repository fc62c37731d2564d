"""What a shelf with leases promises of who has one: never two, and none for longer than it was taken for."""

import asyncio
from collections.abc import Sequence

import pytest

from backtestkit_cli.errors import LeaseLostError
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.testing.lease_hooks import FIRST, KEY, LONG_SECONDS, SECOND, SUBJECT, THIRD, LeaseHooks

NEIGHBOUR = ("live", "demo2")


class OwnershipContract(LeaseHooks):
    """The tests of taking, renewing and giving back."""

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
        for looking in (shelf, rival):  # some places only tell that a lease has ended by looking twice
            await looking.take(SUBJECT, THIRD, self.seconds)
        await self.let_pass(self.seconds * 1.2)
        told = await self._race((shelf, rival))
        assert len(set(told)) == 1
        assert told[0].fence > ended.fence
        assert told[0].tenant.node == SECOND.node

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
        await shelf.renew(lease, LONG_SECONDS)
        assert await rival.take(SUBJECT, SECOND, self.seconds) == lease
        await self.let_pass(self.seconds * 1.2)
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

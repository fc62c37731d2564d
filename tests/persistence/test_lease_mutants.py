"""The contract of leases finds what is subtly wrong: where one promise is broken, the test of that promise fails."""

import asyncio
import inspect
from collections.abc import Iterable, Mapping, Sequence

import pytest

from backtestkit_cli.errors import LeaseLostError, StoreError
from backtestkit_cli.persistence.shelf import Lease, Tenant
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.ports import Key
from backtestkit_cli.testing.lease_contract import LeaseContract
from backtestkit_cli.testing.lease_hooks import FIRST


class Forgetful(MemoryShelf):
    """Counts fences anew once a lease was given back."""

    async def give_back(self, lease: Lease) -> None:
        if self._leases[lease.subject][0] == lease:
            del self._leases[lease.subject]


class Unfenced(MemoryShelf):
    """Puts whatever it is given."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        await super().put(contents)


class Removing(MemoryShelf):
    """Removes whatever it is told to."""

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        return await super().delete(keys)


class Moving(MemoryShelf):
    """Moves aside whatever it is told to."""

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        return await super().set_aside(key, content)


class Idle(MemoryShelf):
    """Makes no lease longer."""

    async def renew(self, lease: Lease, seconds: float) -> None:
        self._demand(lease)


class Eternal(MemoryShelf):
    """Lets no lease end."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        return await super().take(subject, tenant, 1e9, ousted=ousted)


class Slow(MemoryShelf):
    """Looks who has a lease, and then takes it, in two steps."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        known = [lease for lease in await self.leases() if lease.subject == subject and lease.tenant != tenant]
        await asyncio.sleep(0)
        if known and known[0].fence != ousted:
            return known[0]
        return await super().take(subject, tenant, seconds, ousted=known[0].fence if known else self._fence(subject))

    def _fence(self, subject: Key) -> int | None:
        return self._leases[subject][0].fence if subject in self._leases else None


class Obedient(MemoryShelf):
    """Lets whoever asks oust a tenant, whichever he means."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        known = self._leases.get(subject)
        return await super().take(subject, tenant, seconds, ousted=ousted and known and known[0].fence)


class Vacating(MemoryShelf):
    """Ends whatever lease there is when one is given back."""

    async def give_back(self, lease: Lease) -> None:
        await super().give_back(self._leases[lease.subject][0])


class Careless(MemoryShelf):
    """Tells processes apart by their ids alone."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        alike = Tenant(tenant.account, tenant.pid, "", 0)
        return (await super().take(subject, alike, seconds, ousted=ousted))._replace(tenant=tenant)


class Jealous(MemoryShelf):
    """Refuses a tenant what he has already."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        if any(lease.tenant == tenant for lease in await self.leases()):
            raise LeaseLostError("it is taken")
        return await super().take(subject, tenant, seconds, ousted=ousted)


class Broad(MemoryShelf):
    """Holds a lease on whatever begins alike."""

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        lease = await super().take(subject, tenant, seconds, ousted=ousted)
        for other in [other for other in self._leases if "/".join(other).startswith("/".join(subject))]:
            self._leases[other] = lease, self._leases[other][1]
        return lease


class Guarding(MemoryShelf):
    """Lets nobody write who has no lease."""

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        if lease is None:
            raise LeaseLostError("a lease is needed")
        await super().put(contents, lease)


class Listing(MemoryShelf):
    """Keeps leases among the records."""

    async def names(self, prefix: Key) -> Iterable[Key]:
        return [*await super().names(prefix), *(("lease", *subject) for subject in self._leases)]


FAILED = (AssertionError, pytest.fail.Exception, StoreError, LeaseLostError)
LATE = "test_nothing_that_a_loser_sends_late_is_kept"
LEASES: list[tuple[type[MemoryShelf], str]] = [
    (Forgetful, "test_fences_grow_with_each_tenant_however_the_one_before_went"),
    (Forgetful, "test_what_was_given_back_is_to_be_had_at_once"),
    (Unfenced, LATE),
    (Unfenced, "test_what_a_loser_writes_late_is_refused_also_after_the_next_has_written"),
    (Unfenced, "test_what_a_loser_writes_late_where_there_was_nothing_is_no_state_of_the_next"),
    (Unfenced, "test_what_a_tenant_writes_while_he_is_replaced_is_kept_or_refused_but_never_comes_later"),
    (Removing, LATE),
    (Moving, LATE),
    (Moving, "test_a_store_of_a_loser_keeps_nothing_and_moves_nothing"),
    (Idle, "test_what_was_renewed_is_not_to_be_had_when_it_would_have_ended"),
    (Eternal, "test_what_has_ended_is_had_by_the_next_who_takes_it"),
    (Slow, "test_of_many_who_race_exactly_one_gets_it"),
    (Slow, "test_of_many_who_race_for_what_has_ended_exactly_one_gets_it"),
    (Obedient, "test_a_tenant_that_is_known_to_be_no_more_is_ousted"),
    (Vacating, "test_what_a_loser_gives_back_stays_with_who_has_it"),
    (Careless, "test_another_process_is_another_tenant"),
    (Jealous, "test_who_has_it_gets_it_again_because_an_answer_can_be_lost"),
    (Broad, "test_leases_on_other_subjects_are_not_touched"),
    (Guarding, "test_who_has_no_lease_may_write_what_is_nobodys_and_what_is_somebodys"),
    (Listing, "test_the_leases_in_force_are_listed_and_are_no_records"),
]
CASES: dict[str, object] = {"other": FIRST._replace(node="x"), "neighbour": ("live", "demo2")}


class Machines(LeaseContract):
    """The contract of a shelf that all share."""

    def __init__(self) -> None:
        self.now_s = 0.0

    async def let_pass(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.mark.parametrize(("mutant", "promise"), LEASES)
async def test_a120_leases_that_break_a_promise_fail_the_test_of_it(mutant: type[MemoryShelf], promise: str) -> None:
    suite = Machines()
    shelf = mutant(lambda: suite.now_s)
    known = {"shelf": shelf, "rival": shelf, **CASES}
    test = getattr(suite, promise)
    with pytest.raises(FAILED):
        await test(**{name: known[name] for name in inspect.signature(test).parameters})

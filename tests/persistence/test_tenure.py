"""The leases of one process in virtual time: how they are taken, how long they are trusted, how they are lost."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from backtestkit_cli.errors import LeaseLostError, LockedError, StoreError, StoreUnavailableError, StoreUnreachableError
from backtestkit_cli.persistence.guarded_shelf import guarded
from backtestkit_cli.persistence.shelf import Lease, Tenant
from backtestkit_cli.persistence.shelves.memory import MemoryShelf
from backtestkit_cli.persistence.tenants import this_process
from backtestkit_cli.persistence.tenure import Tenure
from backtestkit_cli.ports import Key
from tests.persistence.processes import ended_process
from tests.warp import warped

SUBJECT = ("live", "binance")
KEY = (*SUBJECT, "signal", "s", "BTC/USDT")
SECONDS = 20.0


class Machine(MemoryShelf):
    """A shelf on a server that can be away, or slow; times are those of the loop that leaps."""

    def __init__(self, name: str = "redis") -> None:
        super().__init__(lambda: asyncio.get_running_loop().time())
        self._name = name
        self.failure: StoreError | None = None
        self.slow_s = 0.0

    @property
    def name(self) -> str:
        return self._name

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        await self._reached()
        return await super().take(subject, tenant, seconds, ousted=ousted)

    async def renew(self, lease: Lease, seconds: float) -> None:
        await self._reached()
        await super().renew(lease, seconds)

    async def give_back(self, lease: Lease) -> None:
        await self._reached()
        await super().give_back(lease)

    async def _reached(self) -> None:
        await asyncio.sleep(self.slow_s)
        if self.failure is not None:
            raise self.failure


def tenant(number: int) -> Tenant:
    """Return a process of a machine of which nothing is known here."""
    return Tenant("account", number, f"node-{number}", 0, f"origin-{number}")


class Process:
    """One tenure, and what it said."""

    def __init__(self, *shelves: Machine, who: Tenant | None = None) -> None:
        self.notes: list[str] = []
        self.losses = 0
        self.tenure = Tenure(
            shelves, SUBJECT, who or tenant(1), SECONDS, steady_s=lambda: asyncio.get_running_loop().time()
        )
        self.tenure.on_lost = self._lose
        self._keeping: asyncio.Task[None] | None = None

    def _lose(self) -> None:
        self.losses += 1

    async def begin(self, *, waits: bool = False) -> float:
        """Return how long it took, in seconds."""
        begun_s = asyncio.get_running_loop().time()
        await self.tenure.begin(waits=waits, tell=self.notes.append)
        self._keeping = asyncio.create_task(self.tenure.keep())
        return asyncio.get_running_loop().time() - begun_s

    async def stops_renewing(self) -> None:
        """Be cut off, stand still, or be dead, as others see it."""
        assert self._keeping is not None
        self._keeping.cancel()
        with suppress(asyncio.CancelledError):
            await self._keeping

    async def end(self) -> None:
        await self.stops_renewing()
        await self.tenure.end()


def lived(life: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Live *life* in virtual time."""
    warped(life())


def test_a_lease_is_trusted_for_three_quarters_from_when_it_was_asked_for() -> None:
    async def life() -> None:
        shelf, process = Machine(), None
        shelf.slow_s = 4.0
        process = Process(shelf)
        await process.begin()
        assert process.tenure.why_not() == ""
        await process.stops_renewing()
        await asyncio.sleep(SECONDS * 0.75 - 4.0 - 0.01)
        assert process.tenure.why_not() == ""
        assert process.tenure.lease_on(shelf).fence == 1
        await asyncio.sleep(0.02)
        assert "live/binance was not renewed in time" in process.tenure.why_not()
        with pytest.raises(StoreUnavailableError, match="redis: the lease on live/binance was not renewed in time"):
            process.tenure.lease_on(shelf)

    lived(life)


def test_a_lease_is_trusted_no_longer_than_it_lasts_for_others() -> None:
    """Between the last order of one and the first of another there is time for it to arrive."""

    async def life() -> None:
        shelf = Machine()
        first, second = Process(shelf), Process(shelf, who=tenant(2))
        await first.begin()
        await first.stops_renewing()
        taking = asyncio.create_task(second.begin(waits=True))
        while first.tenure.why_not() == "":
            assert not taking.done()
            await asyncio.sleep(0.1)
        untrusted_s = asyncio.get_running_loop().time()
        await taking
        assert asyncio.get_running_loop().time() - untrusted_s >= 2.9
        assert asyncio.get_running_loop().time() <= SECONDS
        await second.end()

    lived(life)


def test_while_it_is_renewed_nobody_else_has_it() -> None:
    async def life() -> None:
        shelf = Machine()
        first, second = Process(shelf), Process(shelf, who=tenant(2))
        await first.begin()
        taking = asyncio.create_task(second.begin(waits=True))
        for _ in range(200):
            await asyncio.sleep(SECONDS / 7)
            assert first.tenure.why_not() == ""
            assert not second.tenure.leases
        await first.end()
        await asyncio.sleep(SECONDS / 20)
        assert taking.done()
        assert [lease.fence for lease in second.tenure.leases.values()] == [2]
        assert len(second.notes) == 1
        assert "redis: live on 'binance' is traded by another process already (pid 1 on node-1" in second.notes[0]
        assert second.notes[0].endswith("waiting until it ends")
        await second.end()

    lived(life)


def test_who_does_not_stand_by_is_refused_after_the_time_of_a_lease() -> None:
    async def life() -> None:
        shelf = Machine()
        first, second = Process(shelf), Process(shelf, who=tenant(2))
        await first.begin()
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(LockedError, match=r"pid 1 on node-1.*--standby"):
            await second.begin()
        assert SECONDS < asyncio.get_running_loop().time() - begun_s < SECONDS * 1.1
        assert len(second.notes) == 1
        assert second.notes[0].endswith("waiting for up to 20 s, in case it is no more")
        assert first.tenure.why_not() == ""
        await first.end()

    lived(life)


def test_one_that_starts_again_after_its_machine_was_lost_needs_not_stand_by() -> None:
    async def life() -> None:
        shelf = Machine()
        first, second = Process(shelf), Process(shelf, who=tenant(2))
        await first.begin()
        await first.stops_renewing()
        assert await second.begin() <= SECONDS
        await second.end()

    lived(life)


def test_a_process_of_this_machine_that_has_ended_is_not_waited_for() -> None:
    async def life() -> None:
        shelf = Machine()
        dead = Process(shelf, who=ended_process())
        await dead.begin()
        await dead.stops_renewing()
        alive = Process(shelf, who=this_process("account", 0))
        assert await alive.begin() == 0.0
        assert alive.notes == []
        with pytest.raises(LeaseLostError):
            await shelf.put({KEY: b"late"}, next(iter(dead.tenure.leases.values())))
        await alive.end()

    lived(life)


def test_a_process_of_this_machine_that_lives_is_not_waited_for_either() -> None:
    async def life() -> None:
        shelf = Machine()
        first = Process(shelf, who=this_process("account", 0))
        await first.begin()
        second = Process(shelf)
        begun_s = asyncio.get_running_loop().time()
        with pytest.raises(LockedError, match="is traded by another process already"):
            await second.begin()
        assert asyncio.get_running_loop().time() == begun_s
        await first.end()

    lived(life)


def test_of_several_places_all_are_taken_or_none() -> None:
    async def life() -> None:
        one, two = Machine("postgres"), Machine("redis")
        other, both = Process(two, who=tenant(2)), Process(two, one)
        await other.begin()
        taking = asyncio.create_task(both.begin(waits=True))
        await asyncio.sleep(SECONDS * 3)
        assert await one.leases() == []
        assert not both.tenure.leases
        assert both.tenure.why_not()
        await other.end()
        await asyncio.wait_for(taking, SECONDS)
        assert sorted(both.tenure.leases) == ["postgres", "redis"]
        assert both.tenure.why_not() == ""
        await both.end()
        assert [*await one.leases(), *await two.leases()] == []

    lived(life)


@pytest.mark.parametrize("failure", [StoreError("redis: no permission"), StoreUnreachableError("redis: not reached")])
def test_what_was_taken_is_given_back_where_another_place_fails(failure: StoreError) -> None:
    async def life() -> None:
        one, two = Machine("postgres"), Machine("redis")
        two.failure = failure
        process = Process(one, two)
        with pytest.raises(type(failure), match=str(failure)):
            await process.begin()
        assert await one.leases() == []

    lived(life)


def test_who_stands_by_goes_on_waiting_while_the_place_is_not_reached() -> None:
    async def life() -> None:
        one, two = Machine("postgres"), Machine("redis")
        two.failure = StoreUnreachableError("redis: not reached")
        process = Process(one, two)
        taking = asyncio.create_task(process.begin(waits=True))
        await asyncio.sleep(SECONDS * 10)
        assert not taking.done()
        assert await one.leases() == []
        assert process.notes == ["redis: not reached; waiting until it ends"]
        two.failure = None
        await asyncio.wait_for(taking, SECONDS)
        await process.end()

    lived(life)


def test_who_is_stopped_while_it_stands_by_holds_nothing() -> None:
    async def life() -> None:
        one, two = Machine("postgres"), Machine("redis")
        other, both = Process(two, who=tenant(2)), Process(one, two)
        two.slow_s = 0.5
        await other.begin()
        taking = asyncio.create_task(both.begin(waits=True))
        for _ in range(100):
            await asyncio.sleep(0.1)
            if await one.leases():
                break  # it is in the midst of asking for the other one
        taking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taking
        assert await one.leases() == []
        await other.end()

    lived(life)


def test_a_place_that_is_back_in_time_gets_the_lease_renewed() -> None:
    """Also after it was not trusted any more, unless somebody has it."""

    async def life() -> None:
        shelf = Machine()
        process = Process(shelf)
        await process.begin()
        shelf.failure = StoreUnreachableError("redis: not reached")
        await asyncio.sleep(SECONDS * 5)
        assert process.tenure.why_not()
        shelf.failure = None
        await asyncio.sleep(SECONDS / 4)
        assert process.tenure.why_not() == ""
        assert process.losses == 0
        await process.end()

    lived(life)


def test_all_places_have_to_be_renewed() -> None:
    async def life() -> None:
        one, two = Machine("postgres"), Machine("redis")
        process = Process(one, two)
        await process.begin()
        two.failure = StoreUnreachableError("redis: not reached")
        await asyncio.sleep(SECONDS)
        assert process.tenure.why_not()
        with pytest.raises(StoreUnavailableError):
            process.tenure.lease_on(one)
        await process.end()

    lived(life)


def test_a_lease_that_another_has_is_found_out_by_the_renewal_and_told_once() -> None:
    async def life() -> None:
        shelf = Machine()
        first, second = Process(shelf), Process(shelf, who=tenant(2))
        await first.begin()
        shelf.failure = StoreUnreachableError("redis: not reached")
        await asyncio.sleep(SECONDS)
        shelf.failure = None
        await second.begin()
        await asyncio.sleep(SECONDS * 3)
        assert first.losses == 1
        with pytest.raises(LeaseLostError, match=r"fence 1.*pid 2 on node-2"):
            first.tenure.demand()
        with pytest.raises(LeaseLostError):
            first.tenure.lease_on(shelf)
        assert "pid 2 on node-2" in first.tenure.why_not()
        await first.end()
        assert [lease.tenant.pid for lease in await shelf.leases()] == [2], "what is another's is not given back"
        await second.end()

    lived(life)


def test_a_late_write_is_refused_and_tells_that_the_lease_is_lost() -> None:
    async def life() -> None:
        shelf = Machine()
        first = Process(shelf)
        await first.begin()
        before = guarded(shelf, first.tenure)
        await before.put({KEY: b"mine"})
        await shelf.take(SUBJECT, tenant(2), SECONDS, ousted=1)
        for change in (before.put({KEY: b"late"}), before.delete([KEY]), before.set_aside(KEY, b"mine")):
            with pytest.raises(LeaseLostError):
                await change
        assert first.losses == 1
        assert shelf.contents == {KEY: b"mine"}
        await first.end()

    lived(life)


def test_nothing_is_written_under_a_lease_that_may_be_over() -> None:
    async def life() -> None:
        shelf = Machine()
        process = Process(shelf)
        await process.begin()
        await process.stops_renewing()
        await asyncio.sleep(SECONDS * 0.8)
        with pytest.raises(StoreUnavailableError):
            await guarded(shelf, process.tenure).put({KEY: b"late"})
        assert shelf.contents == {}

    lived(life)

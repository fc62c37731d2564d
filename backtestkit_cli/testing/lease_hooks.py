"""What the suites for leases are told by the class that runs them."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant

SUBJECT = ("live", "demo")
KEY = (*SUBJECT, "signal", "sma", "BTCUSDT")
FIRST = Tenant("main", 101, "one.example", 1_700_000_000_000, "boot-1")
SECOND = Tenant("main", 202, "two.example", 1_700_000_060_000, "boot-2")
THIRD = Tenant("spare", 303, "three.example", 1_700_000_120_000)
LONG_SECONDS = 60.0


class LeaseHooks:
    """A subclass overrides `shelf` and `again`, and `let_pass` where time need not pass for leases to end."""

    pytestmark = pytest.mark.asyncio(loop_scope="function")  # also where plain pytest wants every test marked

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

    @pytest_asyncio.fixture(autouse=True, loop_scope="function")
    async def _ready(self, shelf: LeasingShelf) -> AsyncIterator[None]:
        await shelf.open()
        yield
        await shelf.close()

    @pytest_asyncio.fixture(loop_scope="function")
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

    async def replaced(self, shelf: LeasingShelf, rival: LeasingShelf) -> tuple[Lease, Lease]:
        """Return the lease of a loser, who has written `b"old"` at `KEY`, and that of who took over."""
        loser = await shelf.take(SUBJECT, FIRST, LONG_SECONDS)
        await shelf.put({KEY: b"old"}, loser)
        return loser, await rival.take(SUBJECT, SECOND, LONG_SECONDS, ousted=loser.fence)

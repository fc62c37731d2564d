"""A shelf that asks again when its place was not reached, for as long as its options allow."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from random import Random
from typing import TypeVar

from backtestkit_cli.errors import StoreUnreachableError
from backtestkit_cli.persistence.shelf import Lease, LeasingShelf, Tenant
from backtestkit_cli.ports import Key

T = TypeVar("T")

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 1.0


def _unheard(_: StoreUnreachableError | None = None) -> None:
    """Tell nobody."""


class PatientShelf:
    """Another shelf, asked again after growing, jittered waits where it raises `StoreUnreachableError`.

    A call is given up after `patience_seconds` (and the attempt under way then, which its own timeout ends). Those
    that follow are tried once, until one succeeds, and not at all for as long as the last attempt took: whoever has to
    get out of a position must not wait at each step for a place that does not answer.

    Whether a failed attempt has done its work nobody knows, so each is one that can be done twice: the same contents
    are put, the same lease is returned to the same tenant. Of keys that are deleted again nobody can tell any more
    what was there: all of them count as removed. A lease that was lost, a full disk or a missing permission stays so:
    that is raised at once.
    """

    def __init__(
        self,
        shelf: LeasingShelf,
        patience_seconds: float,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        steady_s: Callable[[], float] = time.monotonic,
        rng: Random | None = None,
        on_trouble: Callable[[StoreUnreachableError], object] = _unheard,
        on_recovery: Callable[[], object] = _unheard,
    ) -> None:
        """Ask *shelf*; *on_trouble* hears once that a call was given up, *on_recovery* once that one succeeded then."""
        self._shelf = shelf
        self._patience_seconds = patience_seconds
        self._sleep = sleep
        self._steady_s = steady_s
        self._rng = rng or Random()
        self._on_trouble = on_trouble
        self._on_recovery = on_recovery
        self._is_lost = False
        self._last = StoreUnreachableError("never asked")
        self._asked_again_s = 0.0

    @property
    def name(self) -> str:
        """Return the name of the place."""
        return self._shelf.name

    @property
    def is_atomic(self) -> bool:
        """Say what the shelf says."""
        return self._shelf.is_atomic

    def place(self, key: Key) -> str:
        """Return what messages call the place of *key*."""
        return self._shelf.place(key)

    async def open(self) -> None:
        """Open the shelf."""
        await self._asking(self._shelf.open)

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the content of each of *keys*."""
        return await self._asking(lambda: self._shelf.get(keys))

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there."""
        await self._asking(lambda: self._shelf.put(contents, lease))

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*; return how many there were, all if an answer was lost."""
        attempts = 0

        async def attempt() -> int:
            nonlocal attempts
            attempts += 1
            return await self._shelf.delete(keys, lease)

        removed = await self._asking(attempt)
        return removed if attempts == 1 else len(set(keys))

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*."""
        return await self._asking(lambda: self._shelf.names(prefix))

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return the keys that begin with *prefix* and their contents."""
        return await self._asking(lambda: self._shelf.scan(prefix))

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content*, which is damaged, from *key* to a free place."""
        return await self._asking(lambda: self._shelf.set_aside(key, content, lease))

    async def close(self) -> None:
        """Let go of connections."""
        await self._shelf.close()

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject* that is in force now."""
        return await self._asking(lambda: self._shelf.take(subject, tenant, seconds, ousted=ousted))

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now."""
        await self._asking(lambda: self._shelf.renew(lease, seconds))

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        await self._asking(lambda: self._shelf.give_back(lease))

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force."""
        return await self._asking(self._shelf.leases)

    async def _asking(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of *ask*, which is called again until there is one or patience has run out."""
        from tenacity import (  # noqa: PLC0415 - only who has a server pays for its import
            AsyncRetrying,
            RetryCallState,
            retry_if_exception_type,
            wait_exponential,
        )

        growing = wait_exponential(multiplier=FIRST_WAIT_SECONDS, max=LONGEST_WAIT_SECONDS)
        began_s = self._steady_s()
        if self._is_lost and began_s < self._asked_again_s:
            raise StoreUnreachableError(str(self._last))

        def left_s() -> float:
            return began_s + self._patience_seconds - self._steady_s()

        def wait(state: RetryCallState) -> float:
            return max(0.0, min(growing(state) * self._rng.uniform(0.5, 1.0), left_s()))

        async def attempt() -> T:
            asked_s = self._steady_s()
            try:
                return await ask()
            except StoreUnreachableError:
                now_s = self._steady_s()
                self._asked_again_s = now_s + (now_s - asked_s)
                raise

        retrying = AsyncRetrying(
            stop=lambda _: self._is_lost or left_s() <= 0,
            wait=wait,
            retry=retry_if_exception_type(StoreUnreachableError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            answer: T = await retrying(attempt)
        except StoreUnreachableError as last:
            raise self._given_up(last, retrying.statistics["attempt_number"], self._steady_s() - began_s) from last
        if self._is_lost:
            self._is_lost = False
            self._on_recovery()
        return answer

    def _given_up(self, last: StoreUnreachableError, attempts: int, seconds: float) -> StoreUnreachableError:
        """Note that a call was given up; return the error that says so."""
        tried = "once" if attempts == 1 else f"{attempts} times"
        error = self._last = StoreUnreachableError(f"{last} (tried {tried}, for {seconds:.1f} s)")
        if not self._is_lost:
            self._is_lost = True
            self._on_trouble(error)
        return error

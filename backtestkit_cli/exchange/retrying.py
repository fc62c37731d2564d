"""Asking again: how often, after which waits, and when to give up."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import VenueError

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How patient a source is: *attempts* in all, the first wait, which doubles, and the longest one.

    `timeout_seconds` is how long one request may take. A venue that asks for a longer wait than
    `max_wait_seconds` is not waited for.
    """

    attempts: int = 8
    first_wait_seconds: float = 0.5
    max_wait_seconds: float = 60.0
    timeout_seconds: float = 10.0


class UnansweredError(Exception):
    """A request brought no usable answer, and asking again may: never leaves this folder.

    `is_limit` says that the venue limits all requests; `wait_seconds` is how long it asked to wait.
    """

    def __init__(self, reason: str, *, is_limit: bool = False, wait_seconds: float | None = None) -> None:
        super().__init__(reason)
        self.is_limit = is_limit
        self.wait_seconds = wait_seconds


class BarredError(Exception):
    """The venue lets nobody in for longer than anybody waits: never leaves this folder."""


class Pause:
    """The time until which a venue wants no requests, shared by all that ask it."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        """Count in seconds of *clock*."""
        self._clock = clock
        self._sleep = sleep
        self._until = clock()

    @property
    def left_seconds(self) -> float:
        """Return how long the pause still lasts; 0 when there is none."""
        return max(0.0, self._until - self._clock())

    def extend(self, seconds: float) -> None:
        """Let nobody ask for *seconds* from now; a longer pause stays as it is."""
        self._until = max(self._until, self._clock() + seconds)

    async def over(self, longest_seconds: float) -> bool:
        """Wait until the pause is over and say whether there was one.

        Raises:
            BarredError: it lasts longer than *longest_seconds*.
        """
        waited = False
        while (left := self.left_seconds) > 0:
            if left > longest_seconds:
                raise BarredError
            waited = True
            await self._sleep(left)
        return waited


class Patience:
    """Asks a venue until it answers, within the limits of a `Retry`."""

    def __init__(
        self,
        name: str,
        retry: Retry,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_wait: Callable[[str], None] | None = None,
    ) -> None:
        """Ask for the source *name*; *now_ms* only dates the end of a long pause, *on_wait* hears of each wait."""
        self._name = name
        self._retry = retry
        self._now_ms = now_ms
        self._sleep = sleep
        self._on_wait = on_wait

    async def asking(self, ask: Callable[[], Awaitable[T]], pause: Pause) -> T:
        """Return the answer of *ask*, which is called again whenever it raises `UnansweredError`.

        Raises:
            VenueError: no attempt brought an answer, or the venue asks for too long a wait.
        """
        from tenacity import (  # noqa: PLC0415 - only who fetches pays for its import
            AsyncRetrying,
            RetryCallState,
            retry_if_exception_type,
            stop_after_attempt,
            wait_exponential,
            wait_random,
        )

        retry = self._retry
        growing = wait_exponential(multiplier=retry.first_wait_seconds, max=retry.max_wait_seconds)
        jittered = growing + wait_random(0, retry.first_wait_seconds)

        def wait(state: RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome else None
            seconds = min(jittered(state), retry.max_wait_seconds)
            if isinstance(error, UnansweredError):
                seconds = max(seconds, error.wait_seconds or 0.0)
                if error.is_limit:
                    pause.extend(seconds)
            if self._on_wait is not None and state.attempt_number < retry.attempts:
                told = f"attempt {state.attempt_number} of {retry.attempts}"
                self._on_wait(f"{self._name}: {error}; asking again in {seconds:.1f} s ({told})")
            return seconds

        async def attempt() -> T:
            try:
                return await ask()
            except UnansweredError as error:
                if error.wait_seconds is None or error.wait_seconds <= retry.max_wait_seconds:
                    raise
                pause.extend(error.wait_seconds)
                raise self._barred(pause, f": {error}") from None
            except BarredError:
                raise self._barred(pause, "") from None

        retrying = AsyncRetrying(
            stop=stop_after_attempt(retry.attempts),
            wait=wait,
            retry=retry_if_exception_type(UnansweredError),
            sleep=self._sleep,
            reraise=True,
        )
        try:
            return await retrying(attempt)
        except UnansweredError as last:
            attempts = f"{retry.attempts} attempt{'' if retry.attempts == 1 else 's'}"
            raise VenueError(f"{self._name}: no answer after {attempts}: {last}") from None

    def _barred(self, pause: Pause, reason: str) -> VenueError:
        seconds = pause.left_seconds
        until = utc_text(self._now_ms() + round(seconds * 1000) + 59_999)
        return VenueError(
            f"{self._name}: the venue wants no requests until {until} UTC, for {seconds:,.0f} s;"
            f" waits of at most {self._retry.max_wait_seconds:g} s are allowed{reason}"
        )

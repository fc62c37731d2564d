"""The messages that wait for one place: in memory in order, and saved until they have arrived."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace

from backtestkit_cli.alerts.message import Message, message_from, record_of
from backtestkit_cli.alerts.room import fitted
from backtestkit_cli.errors import MissingRecordError, StoreError
from backtestkit_cli.ports import Key, Store

_LOG = logging.getLogger("btk.alerts")


class Pending:
    """What waits for one place, at most `limit` messages (see `fitted`), under *prefix* of *store*.

    A message is saved before it can be sent. Where it cannot be, that is logged once and it waits in memory alone.
    """

    def __init__(self, store: Store, prefix: Key, limit: int, scrub: Callable[[str], str]) -> None:
        """Wait for nothing yet; *scrub* takes secrets out of what is logged."""
        self._store = store
        self._prefix = prefix
        self._limit = limit
        self._scrub = scrub
        self._waiting: list[Message] = []
        self._is_first_underway = False
        self._lost = 0
        self._newest = 0
        self._saved: set[int] = set()
        self._outdated: set[int] = set()
        self._is_loaded = False
        self._is_failing = False
        self._adding = asyncio.Lock()

    @property
    def messages(self) -> tuple[Message, ...]:
        """Return what waits, the oldest first."""
        return tuple(self._waiting)

    async def load(self) -> None:
        """Take up what an earlier process left; may be called twice."""
        async with self._adding:
            await self._load()

    async def add(self, message: Message) -> None:
        """Save *message* and put it behind the others."""
        async with self._adding:
            await self._load()
            number = self._newest = max(self._newest + 1, message.posted_ms)
            message = replace(message, number=number, dropped=self._lost)
            self._lost = 0
            try:
                await self._write(message)
            finally:  # also where the caller ran out of time
                self._waiting.append(message)
                self._fit()

    def begin(self) -> Message | None:
        """Return the message that is sent next, which stays until it is `done`; None if there is none."""
        self._is_first_underway = bool(self._waiting)
        return self._waiting[0] if self._waiting else None

    def put_back(self) -> None:
        """Let the message that was begun wait again."""
        self._is_first_underway = False

    async def done(self, *, is_lost: bool) -> None:
        """Forget the message that was begun: it has arrived, or *is_lost*, which the next one tells."""
        self._is_first_underway = False
        message = self._waiting.pop(0)
        if is_lost:
            self._lost += 1 + message.dropped
            if self._waiting:
                first = self._waiting[0]
                self._waiting[0] = replace(first, dropped=first.dropped + self._lost)
                self._outdated.add(first.number)
                self._lost = 0
        await self._remove(message.number)
        await self.tidy()

    async def tidy(self) -> None:
        """Bring the saved messages up to what waits: some were dropped, and others tell of it."""
        while self._outdated:
            number = self._outdated.pop()
            message = next((one for one in self._waiting if one.number == number), None)
            if message is None:
                await self._remove(number)
            elif number in self._saved:
                await self._write(message)

    def _fit(self) -> None:
        if len(self._waiting) <= self._limit:
            return
        kept = fitted(self._waiting, self._limit, is_first_underway=self._is_first_underway)
        before, after = ({(one.number, one.dropped) for one in messages} for messages in (self._waiting, kept))
        self._outdated |= {number for number, _ in before ^ after}
        self._waiting = kept

    async def _load(self) -> None:
        if self._is_loaded:
            return
        self._is_loaded = True
        try:
            keys = await self._store.keys(self._prefix)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, trading goes on
            self._warn_once("those of an earlier run cannot be read", error)
            return
        for key in keys:
            await self._load_one(key)
        self._fit()

    async def _load_one(self, key: Key) -> None:
        try:
            message = message_from(await self._store.read(key))
        except Exception as error:  # noqa: BLE001 - as above
            self._warn("one of an earlier run cannot be read", error)
            return
        self._saved.add(message.number)
        self._newest = max(self._newest, message.number)
        self._waiting.append(message)

    async def _write(self, message: Message) -> None:
        self._saved.add(message.number)
        try:
            await self._store.write(self._key(message.number), record_of(message))
            self._is_failing = False
        except Exception as error:  # noqa: BLE001 - as above
            self._saved.discard(message.number)
            self._warn_once("they cannot be saved, and are sent from memory", error)

    async def _remove(self, number: int) -> None:
        if number not in self._saved:
            return
        self._saved.discard(number)
        try:
            await self._store.remove(self._key(number))
        except MissingRecordError:
            pass  # nothing is left to be removed
        except Exception as error:  # noqa: BLE001 - as above
            self._warn_once("one that was sent cannot be removed, and comes again after a restart", error)

    def _key(self, number: int) -> Key:
        return (*self._prefix, str(number))

    def _warn_once(self, text: str, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            self._warn(text, error)

    def _warn(self, text: str, error: Exception) -> None:
        reason = str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
        _LOG.warning("%s", self._scrub(f"alerts to {self._prefix[-1]}: {text}: {reason}"))

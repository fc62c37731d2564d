"""What goes wrong on the way to a venue and there, drawn by seed."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection
from enum import StrEnum


class Mishap(StrEnum):
    """One thing that goes wrong with one call."""

    LOST_BEFORE = "the request is lost"
    LOST_AFTER = "the answer is lost"
    LATE = "an order arrives later, and its answer never"
    REJECTED = "the venue refuses"
    TRANSIENT = "the venue has no time"
    PARTIAL = "only half is there to be had"
    CANCELLED_OUTSIDE = "somebody cancels an order"
    SOLD_OUTSIDE = "somebody sells everything"


ON_THE_WIRE = (Mishap.LOST_BEFORE, Mishap.LOST_AFTER, Mishap.LATE, Mishap.TRANSIENT)
OF_THE_VENUE = (*ON_THE_WIRE, Mishap.PARTIAL, Mishap.CANCELLED_OUTSIDE)
ALL = tuple(Mishap)


class Mishaps:
    """Draws what goes wrong with each call: with a share of *rate* of them one of *kinds*, until it is calm.

    A share of *outages* of the calls begins a time in which hardly any gets through.
    """

    def __init__(
        self, seed: int, rate: float, kinds: tuple[Mishap, ...] = OF_THE_VENUE, *, outages: float = 0.0
    ) -> None:
        self._rng = random.Random(seed)
        self._rate = rate
        self._kinds = kinds
        self._outages = outages
        self._left = 0
        self.happened: Counter[Mishap] = Counter()
        self.is_calm = False

    def next(self) -> Mishap | None:
        """Return what goes wrong with the next call, if anything."""
        if self.is_calm or not self._kinds:
            return None
        if self._outages and self._rng.random() < self._outages:
            self._left = self._rng.randrange(4, 40)
        self._left -= 1
        if self._rng.random() >= (0.95 if self._left > 0 else self._rate):
            return None
        mishap = self._rng.choice(ON_THE_WIRE if self._left > 0 else self._kinds)
        self.happened[mishap] += 1
        return mishap

    def delay_ms(self, most_ms: float) -> int:
        """Return by how much a late order is late."""
        return round(self._rng.uniform(0, most_ms))


class Steps:
    """Counts what a process does one after the other; at each of *fatal* it is dead, and goes no further."""

    def __init__(self, fatal: Collection[int] = ()) -> None:
        self._fatal = set(fatal)
        self.count = 0
        self.died = asyncio.Event()

    async def take(self) -> None:
        """Take the next step."""
        self.count += 1
        if self.count in self._fatal:
            self.died.set()
        if self.died.is_set():
            await asyncio.Event().wait()

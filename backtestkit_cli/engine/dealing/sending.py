"""One order on its way: never sent again before the venue was asked whether it has it."""

import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from backtestkit_cli.domain.trading import TradingOptions
from backtestkit_cli.domain.venue import Answer, Gone, Transient, VenueOrder
from backtestkit_cli.ports import Broker

Ask: TypeAlias = Callable[[VenueOrder], Awaitable[Answer]]

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_MS_PER_SECOND = 1000
_UNKNOWN = "the venue does not know the order"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What it takes to talk to a venue: the broker, real time, and how patient to be.

    While there are `hindrances`, each by a name of its own, nothing new is opened.
    """

    broker: Broker
    options: TradingOptions
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    rng: random.Random
    hindrances: Mapping[str, str] = field(default_factory=dict)

    @property
    def patience_ms(self) -> float:
        """Return for how long one order may keep its session busy."""
        return self.options.max_lateness_seconds * _MS_PER_SECOND

    async def send(
        self,
        order: VenueOrder,
        how: Ask,
        saving: Callable[[int], Awaitable[None]],
        sent_ms: int | None = None,
        until_ms: float | None = None,
    ) -> Answer:
        """Send *order* by *how* and return the answer; `Transient` once attempts or patience are over.

        *saving* is awaited before each attempt with the time of it. An order that may have been sent before, at
        *sent_ms*, is asked for first, and sent again only once it cannot arrive any more. After *until_ms* nothing is
        sent. `may_have_arrived` of the answer says whether the venue must be asked before anything else is done.
        """
        answer: Answer = Transient("it was not sent", may_have_arrived=False)
        begun_ms, sends, unheard = self.now_ms(), 0, 0
        while True:
            now_ms = self.now_ms()
            if sent_ms is None:
                if sends == self.options.attempts or (until_ms is not None and now_ms > until_ms):
                    return answer
                sends, sent_ms = sends + 1, now_ms
                await saving(now_ms)
                answer = await how(order)
            else:
                answer = await self.broker.check(order)
                unheard += isinstance(answer, Transient)
                if isinstance(answer, Gone):
                    answer = Transient(_UNKNOWN, self.may_arrive(sent_ms), self.arrival_s(sent_ms))
                elif isinstance(answer, Transient):
                    answer = answer._replace(may_have_arrived=True)
            if not isinstance(answer, Transient):
                return answer
            sent_ms = sent_ms if answer.may_have_arrived else None
            pause_s = self._pause_s(sends + unheard, answer)
            busy_ms = self.now_ms() + pause_s * _MS_PER_SECOND - begun_ms
            if unheard == self.options.attempts or busy_ms > self.patience_ms:
                return answer
            await self.sleep(pause_s)

    def may_arrive(self, sent_ms: int) -> bool:
        """Say whether an order sent at *sent_ms* that the venue does not know may still be on its way."""
        return self.arrival_s(sent_ms) > 0

    def arrival_s(self, sent_ms: int) -> float:
        """Return for how long an order sent at *sent_ms* may still be on its way."""
        return max(0.0, sent_ms / _MS_PER_SECOND + self.broker.arrival_window_s - self.now_ms() / _MS_PER_SECOND)

    async def ask(self, order: VenueOrder, how: Ask) -> Answer:
        """Return the answer to a question that may be asked as often as one likes."""
        answer = await how(order)
        for attempt in range(1, self.options.attempts):
            if not isinstance(answer, Transient):
                break
            await self.sleep(min(self._pause_s(attempt, answer), 2 * _LONGEST_PAUSE_S))
            answer = await how(order)
        return answer

    def _pause_s(self, attempt: int, answer: Transient) -> float:
        backoff_s: float = min(_FIRST_PAUSE_S * 2 ** max(attempt - 1, 0), _LONGEST_PAUSE_S) * self.rng.uniform(0.5, 1.5)
        return max(backoff_s, answer.retry_after_s or 0.0)

"""One order on its way: never sent again before the venue was asked whether it has it."""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from backtestkit_cli.domain.trading import TradingOptions
from backtestkit_cli.domain.venue import Answer, Gone, Transient, VenueOrder
from backtestkit_cli.ports import Broker

Ask: TypeAlias = Callable[[VenueOrder], Awaitable[Answer]]

_FIRST_PAUSE_S = 0.2
_LONGEST_PAUSE_S = 5.0
_MS_PER_SECOND = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Wire:
    """What it takes to talk to a venue: the broker, real time, and how patient to be."""

    broker: Broker
    options: TradingOptions
    now_ms: Callable[[], int]
    sleep: Callable[[float], Awaitable[None]]
    rng: random.Random

    async def send(
        self, order: VenueOrder, how: Ask, saving: Callable[[int], Awaitable[None]], sent_ms: int | None = None
    ) -> Answer:
        """Send *order* by *how* and return the answer; `Transient` after the last attempt.

        *saving* is awaited before each attempt with the time of it. An order that may have been sent before, at
        *sent_ms*, is asked for first.
        """
        answer: Answer = Transient("it was not sent", may_have_arrived=False)
        for attempt in range(self.options.attempts):
            if sent_ms is None:
                sent_ms = self.now_ms()
                await saving(sent_ms)
                answer = await how(order)
                if isinstance(answer, Transient) and not answer.may_have_arrived:
                    sent_ms = None
            else:
                answer = await self.broker.check(order)
                if isinstance(answer, Gone):
                    answer = Transient("the venue does not know the order", self.may_arrive(sent_ms))
                    sent_ms = sent_ms if answer.may_have_arrived else None
            if not isinstance(answer, Transient):
                return answer
            if attempt + 1 < self.options.attempts:
                await self._pause(attempt, answer)
        return answer

    def may_arrive(self, sent_ms: int) -> bool:
        """Say whether an order sent at *sent_ms* that the venue does not know may still be on its way."""
        return self.now_ms() < sent_ms + self.broker.arrival_window_s * _MS_PER_SECOND

    async def ask(self, order: VenueOrder, how: Ask) -> Answer:
        """Return the answer to a question that may be asked as often as one likes."""
        answer = await how(order)
        for attempt in range(self.options.attempts - 1):
            if not isinstance(answer, Transient):
                break
            await self._pause(attempt, answer)
            answer = await how(order)
        return answer

    async def _pause(self, attempt: int, answer: Transient) -> None:
        backoff_s = min(_FIRST_PAUSE_S * 2**attempt, _LONGEST_PAUSE_S) * self.rng.uniform(0.5, 1.5)
        await self.sleep(max(backoff_s, min(answer.retry_after_s or 0.0, _LONGEST_PAUSE_S * 2)))

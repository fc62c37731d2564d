"""The outbox of a run: what happens is saved as a message and brought to each place by a task of its own."""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence

from backtestkit_cli.alerts.courier import Courier, Limits
from backtestkit_cli.alerts.levels import alert_level
from backtestkit_cli.alerts.message import Message, message_of
from backtestkit_cli.alerts.pending import Pending
from backtestkit_cli.alerts.scrubbing import Scrubber
from backtestkit_cli.alerts.sinks import Sink
from backtestkit_cli.events.bus import Audience, Listener
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.ports import Store

ALERT = "alert"
"""The kind of the records of messages: their keys are (mode, exchange, kind, place, number)."""

_LOG = logging.getLogger("btk.alerts")


class Outbox:
    """Tells *sinks* what happens, each at its own pace; neither a sink nor the store can hold up or end trading.

    Every message arrives at least once, in order, also after a crash: `id` tells doubles.
    """

    def __init__(  # noqa: PLR0913 - all of the outside world comes in by name
        self,
        store: Store,
        mode: str,
        exchange: str,
        sinks: Iterable[Sink],
        *,
        now_ms: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]],
        rng: random.Random,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        secrets: Sequence[str] = (),
    ) -> None:
        """Keep messages in *store*; besides those of *sinks*, *secrets* appear in no message, record or log."""
        places = tuple(sinks)
        self._mode = mode
        self._exchange = exchange
        self._now_ms = now_ms
        self._scrubber = Scrubber([*secrets, *(secret for sink in places for secret in sink.secrets)])
        scrub = self._scrubber.text
        self._couriers = tuple(
            Courier(
                sink,
                Pending(store, (mode, exchange, ALERT, sink.name), limits.max_waiting, scrub),
                limits,
                sleep,
                rng,
                scrub,
            )
            for sink in places
        )
        self._has_failed = False

    async def start(self) -> None:
        """Begin to send, first of all what an earlier process left; `post` works before it, too."""
        for courier in self._couriers:
            await courier.pending.load()
            courier.start()

    async def post(self, event: Event) -> None:
        """Save what is told about *event* and return; it is sent later. Never raises."""
        try:
            message = self._message(event)
            if message is None:
                return
            for courier in self._couriers:
                if courier.sink.interest.includes(message.event, message.level):
                    await courier.take(message)
        except Exception as error:  # noqa: BLE001 - a message is never worth a trade
            if not self._has_failed:
                self._has_failed = True
                text = f"alerts: {type(event).__name__} could not be told: {type(error).__name__}: {error}"
                _LOG.warning("%s", self._scrubber.text(text))

    async def close(self, timeout_seconds: float) -> None:
        """Send what can be sent within *timeout_seconds* and end all tasks; the rest is sent after the next start."""
        await asyncio.gather(*(courier.close(timeout_seconds) for courier in self._couriers))

    @property
    def waiting(self) -> dict[str, int]:
        """Return how many messages wait for each place."""
        return {courier.sink.name: len(courier.pending.messages) for courier in self._couriers}

    def _message(self, event: Event) -> Message | None:
        """Return what is told about *event*, None where nobody wants to hear it."""
        kind, level = event_kind(type(event)), alert_level(event)
        if not any(courier.sink.interest.includes(kind, level) for courier in self._couriers):
            return None
        return message_of(event, self._mode, self._exchange, self._now_ms()).scrubbed(self._scrubber)


def listener(outbox: Outbox) -> Listener:
    """Return what lets *outbox* hear every recorded event of a bus."""
    return Listener(Event, outbox.post, Audience(), None, once=False)

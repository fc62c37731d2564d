"""A broker that sends nothing while another process may trade the same."""

from collections.abc import Callable
from typing import Any, cast

from backtestkit_cli.domain.venue import Answer, Transient, VenueOrder
from backtestkit_cli.ports import Broker


class GatedBroker:
    """A broker that only answers questions as long as *why_not* gives a reason: what is to be sent is not."""

    def __init__(self, broker: Broker, why_not: Callable[[], str]) -> None:
        """Stand before *broker*."""
        self._broker = broker
        self._why_not = why_not

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the broker has
        return getattr(self._broker, name)

    async def open(self, order: VenueOrder) -> Answer:
        """Send an order that enters or adds."""
        return self._stopped() or await self._broker.open(order)

    async def close(self, order: VenueOrder) -> Answer:
        """Send an order that reduces."""
        return self._stopped() or await self._broker.close(order)

    async def amend(self, resting: VenueOrder, wanted: VenueOrder) -> Answer:
        """Put *wanted* in the place of *resting*."""
        return self._stopped() or await self._broker.amend(resting, wanted)

    async def cancel(self, order: VenueOrder) -> Answer:
        """Take *order* back."""
        return self._stopped() or await self._broker.cancel(order)

    def _stopped(self) -> Transient | None:
        reason = self._why_not()
        return Transient(f"not sent: {reason}", may_have_arrived=False) if reason else None


def gated(broker: Broker, why_not: Callable[[], str]) -> Broker:
    """Return *broker*, which sends nothing while *why_not* gives a reason."""
    return cast("Broker", GatedBroker(broker, why_not))

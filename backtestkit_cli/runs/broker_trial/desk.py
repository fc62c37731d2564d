"""The calls of the test, and what they leave at the venue."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from backtestkit_cli.domain.venue import Answer, Confirmed, Gone, OrderState, Transient, VenueOrder, VenueRules
from backtestkit_cli.errors import VenueError
from backtestkit_cli.ports import Broker
from backtestkit_cli.runs.broker_trial.wording import answer_text, order_text

_ATTEMPTS = 3
_NOT_SENT = "not sent: this is a dry run"


class Step(NamedTuple):
    """One call: what it is, what was asked and what came back; `is_ok` where that is what it should be."""

    name: str
    request: str
    answer: str
    is_ok: bool = True


class Desk:
    """Makes the calls, and keeps in mind what may rest at the venue and what is held."""

    def __init__(self, broker: Broker, rules: VenueRules, *, is_dry: bool) -> None:
        """Make no calls at all where *is_dry*."""
        self.broker = broker
        self.rules = rules
        self.is_dry = is_dry
        self._doubtful: dict[str, VenueOrder] = {}
        self._fills: dict[str, float] = {}

    @property
    def in_doubt(self) -> list[VenueOrder]:
        """Return the orders that rest, or may."""
        return list(self._doubtful.values())

    @property
    def held(self) -> float:
        """Return how much of the base asset the test owns."""
        return sum(self._fills.values())

    def is_doubtful(self, order: VenueOrder) -> bool:
        """Say whether *order* rests, or may, though nothing was heard of it."""
        return order.client_id in self._doubtful

    async def balances(self) -> Step:
        """Ask for the balances of both assets."""
        if self.is_dry:
            return Step("balances", "of the account", _NOT_SENT)
        try:
            found = await self.broker.balances()
        except VenueError as error:
            return Step("balances", "of the account", str(error), is_ok=False)
        assets = (self.rules.base, self.rules.quote)
        texts = [f"{found[asset].free:.12g} {asset}" if asset in found else f"no {asset}" for asset in assets]
        return Step("balances", "of the account", f"free: {', '.join(texts)}")

    async def do(
        self, name: str, call: Callable[[VenueOrder], Awaitable[Answer]], order: VenueOrder, expected: OrderState
    ) -> Step:
        """Return what *call* brings, which is as it should be where *order* is then in the state *expected*."""
        request = order_text(order, self.rules)
        if self.is_dry:
            if expected is OrderState.FILLED:
                self._fills[order.client_id] = order.quantity if order.is_buy else -order.quantity
            return Step(name, request, _NOT_SENT)
        was_there = self.is_doubtful(order)
        self._doubtful[order.client_id] = order
        answer = await call(order)
        self._note(order, answer)
        if not was_there and _never_arrived(answer):
            self.forget(order)
        is_ok = isinstance(answer, Confirmed) and answer.state is expected
        return Step(name, request, answer_text(answer, self.rules), is_ok)

    async def take_back(self, order: VenueOrder) -> Step:
        """Cancel *order*, which may rest."""
        answer: Answer = Gone("")
        for _ in range(_ATTEMPTS):
            answer = await self.broker.cancel(order)
            self._note(order, answer)
            if isinstance(answer, Confirmed | Gone):
                self.forget(order)
                break
        request = f"take back {order_text(order, self.rules)}"
        return Step("clean up", request, answer_text(answer, self.rules), not self.is_doubtful(order))

    def forget(self, order: VenueOrder) -> None:
        """Take note that *order* does not rest."""
        self._doubtful.pop(order.client_id, None)

    def _note(self, order: VenueOrder, answer: Answer) -> None:
        if not isinstance(answer, Confirmed):
            return
        if answer.fill is not None:
            fill = answer.fill
            self._fills[order.client_id] = fill.quantity - fill.fee_base if order.is_buy else -fill.quantity
        if answer.state is not OrderState.RESTING:
            self.forget(order)


def _never_arrived(answer: Answer) -> bool:
    return not isinstance(answer, Confirmed) and not (isinstance(answer, Transient) and answer.may_have_arrived)

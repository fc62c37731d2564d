"""Control over HTTP, for a venue that runs in another process than the test: `/control/...`, JSON in and out.

These are no part of Binance: no key, no fault and no weight applies to them.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from decimal import Decimal
from typing import Any, Protocol

from tests.venue.faults import ODD_ROWS, Fault, Faults, lost_before, rejected, stall, taken_late
from tests.venue.matching.matcher import Matcher
from tests.venue.outside import MEDDLINGS, ON_THE_WIRE, TIMEOUTS, cancel_newest, fill_oldest, sell_everything
from tests.venue.sockets import Sockets

KINDS: Mapping[str, Fault] = {
    fault.name: fault
    for fault in (*ON_THE_WIRE, *ODD_ROWS, *MEDDLINGS, *TIMEOUTS, stall(), lost_before(), taken_late(), rejected())
}
"""Every kind of fault by the name that requests for faults use."""


class Controlled(Protocol):
    """What is controlled."""

    faults: Faults
    sockets: Sockets
    answered: int

    @property
    def matcher(self) -> Matcher: ...

    @property
    def now_ms(self) -> int: ...

    async def advance(self, by_ms: int = ..., *, to_ms: int | None = None) -> int: ...

    async def catch_up(self) -> None: ...

    def halt(self, symbol: str) -> None: ...

    def set_skew(self, ms: int) -> None: ...


class Control:
    """Answers requests for control; `stopped` is set by the one that wants the program to end."""

    def __init__(self, venue: Controlled) -> None:
        self.stopped = asyncio.Event()
        self._venue = venue
        self._deeds: Mapping[str, Callable[..., object]] = {
            "state": self._state,
            "book": self._book,
            "faults": self._faults,
            "cancel": self._meddling(cancel_newest),
            "sell": self._meddling(sell_everything),
            "fill": self._meddling(fill_oldest),
            "change": self._change,
            "halt": venue.halt,
            "skew": venue.set_skew,
            "sockets": self._sockets,
            "stop": self.stopped.set,
        }

    async def answer(self, what: str, asked: Mapping[str, Any]) -> object:
        """Do *what*, the last part of the path, and return what comes of it, or else the state of things.

        Raises:
            KeyError, TypeError, ValueError: it makes no sense.
        """
        if what == "advance":
            await self._venue.advance(**asked)
            return self._state()
        await self._venue.catch_up()
        answer = self._deeds[what](**asked)
        return self._state() if answer is None else answer

    def _state(self) -> object:
        venue = self._venue
        return {"now_ms": venue.now_ms, "requests": venue.answered, "happened": dict(venue.faults.happened)}

    def _faults(self, **asked: Any) -> None:
        self._venue.faults = faults_of(asked)

    def _meddling(self, deed: Callable[[Matcher, str], bool]) -> Callable[[str], object]:
        return lambda symbol: {"did": deed(self._venue.matcher, symbol)}

    def _change(self, asset: str, amount: str | float) -> None:
        self._venue.matcher.change_balance(asset, Decimal(str(amount)))

    def _book(self) -> object:
        matcher = self._venue.matcher
        return {
            "now_ms": self._venue.now_ms,
            "orders": [_plain(asdict(order)) for order in matcher.book.orders.values()],
            "trades": [_plain(trade._asdict()) for trade in matcher.book.trades],
            "balances": {asset: _plain(holding._asdict()) for asset, holding in matcher.holdings.items()},
        }

    def _sockets(
        self, *, silent: bool | None = None, refuse: bool | None = None, skip: int | None = None, drop: bool = False
    ) -> None:
        sockets = self._venue.sockets
        sockets.silent = sockets.silent if silent is None else silent
        sockets.refuse = sockets.refuse if refuse is None else refuse
        sockets.skip = sockets.skip if skip is None else skip
        if drop:
            sockets.drop()


def faults_of(asked: Mapping[str, Any]) -> Faults:
    """Return the faults that a request describes.

    `{"script": {"POST /api/v3/order": ["reset", null]}}` is a script by call or path;
    `{"seed": 1, "share": 0.2, "kinds": ["reset", "500"], "paths": ["/api/v3/order"]}` is a share of all requests, or of
    those paths, where all kinds are meant if none are named; `{"share": 0}` is no faults.
    """
    if "script" in asked:
        return Faults.scripts({call: _named(names) for call, names in asked["script"].items()})
    kinds = [fault for fault in _named(asked.get("kinds", KINDS)) if fault is not None]
    return Faults.random(asked.get("seed", 1), asked["share"], kinds, asked.get("paths"))


def _named(names: Iterable[str | None]) -> list[Fault | None]:
    return [None if name is None else KINDS[name] for name in names]


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in values.items()}

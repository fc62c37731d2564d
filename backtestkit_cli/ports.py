"""What the core needs from the outside: a clock, a source of candles, a venue for orders, and a store."""

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.venue import Answer, Balance, RestingOrder, Transient, VenueOrder, VenueRules
from backtestkit_cli.errors import CorruptRecordError


class Clock(Protocol):
    """The one notion of now that all sessions of a run share."""

    @property
    def now_ms(self) -> int:
        """Return the instant of the tick under way, Unix milliseconds."""
        ...

    @property
    def takes_instants(self) -> bool:
        """Say whether a bare instant that a sleeper yields is a sleep too, for those who sleep very often."""
        ...

    def sleep_until(self, at_ms: int) -> Awaitable[None]:
        """Return at *at_ms* (a whole minute), or before it where all are woken; then `now_ms` is less.

        Sleepers wake in order of (time, session).
        """
        ...


class Time(Protocol):
    """Real time, or what stands for it where history is replayed."""

    def now_ms(self) -> int:
        """Return the present, Unix milliseconds."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        ...

    def jump(self, to_ms: int) -> bool:
        """Be at *to_ms* at once, where this time can; say so."""
        ...


class CandleSource(Protocol):
    """Historical candles by symbol and interval, and how the venue writes prices and quantities."""

    @property
    def name(self) -> str:
        """Return the name that reports and ids carry, such as `demo`."""
        ...

    @property
    def is_synthetic(self) -> bool:
        """Say whether the candles are made up; reports label them."""
        ...

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the closed candles that open in `[start_ms, end_ms)`, oldest first.

        They have passed the rules of the door. Candles the source does not have are left out:
        the caller decides what a gap means.

        Raises:
            MissingCandlesError: the symbol or its interval is not there at all.
            BadCandleError: a candle breaks a rule; the message names file, row and rule.
            VenueError: a venue refused, or could not be reached beyond the limit of retries.
        """
        ...

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it, on the nearest step of its grid."""
        ...

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* (base asset) as the venue takes it, never more than was given."""
        ...

    async def close(self) -> None:
        """Let go of connections; a later fetch opens them again."""
        ...


class RemoteSource(CandleSource, Protocol):
    """A source whose candles cost requests, so that its answers are worth keeping."""

    @property
    def page_candles(self) -> int:
        """Return how many candles one request brings at most; a fetch of that many is one request."""
        ...

    def now_ms(self) -> int:
        """Return the present by the venue's clock, as far as its answers have told it, and never later than ours."""
        ...

    def cache_name(self, symbol: str) -> str:
        """Return the one name that all spellings of *symbol* share in the cache; asks nobody."""
        ...


class Broker(Protocol):
    """A venue that executes orders, or what stands for one. No method raises for what a venue does: it answers.

    `VenueError` is raised only by `rules` and `balances`, where there is no order to answer about.
    """

    @property
    def name(self) -> str:
        """Return what messages call it."""
        ...

    @property
    def arrival_window_s(self) -> float:
        """Return for how many seconds after it was sent an order without an answer may still arrive.

        Until then `Gone` does not say that it never will.
        """
        ...

    async def rules(self, symbol: str) -> VenueRules:
        """Return what may be done with *symbol*; asks the venue once.

        Raises:
            VenueError: the venue does not have the symbol, refused, or was not reached.
        """
        ...

    async def open(self, order: VenueOrder) -> Answer:
        """Send an order that enters a position or adds to it; what breaks the rules of the symbol is rejected here."""
        ...

    async def close(self, order: VenueOrder) -> Answer:
        """Send an order that reduces a position: at the market, or the exits that rest."""
        ...

    async def amend(self, resting: VenueOrder, wanted: VenueOrder) -> Answer:
        """Put *wanted* in the place of *resting*; the answer is about *wanted*.

        Where *resting* was filled meanwhile nothing is sent, and the answer is `Gone`: `check` tells the rest. Where
        the two are one order on the venue's grid, *resting* stays, and the answer has its id as `client_id`.
        """
        ...

    async def check(self, order: VenueOrder) -> Answer:
        """Return where *order* stands at the venue, by its client id; never `Rejected`, which would tell nothing."""
        ...

    async def cancel(self, order: VenueOrder) -> Answer:
        """Take *order* back; the answer is where it then stands, with what was filled of it before: as of `check`."""
        ...

    async def balances(self) -> Mapping[str, Balance]:
        """Return every asset of the account that is not empty.

        Raises:
            VenueError: the venue refused, or was not reached.
        """
        ...

    async def resting(self, symbol: str) -> Sequence[RestingOrder] | Transient:
        """Return the open orders of *symbol* at the venue, also those of others."""
        ...

    async def candle_closed(self, symbol: str, candles: Candles) -> None:
        """Take note of the newest 1m candle of *symbol*, given with those before it; a simulated venue fills by it."""
        ...

    async def disconnect(self) -> None:
        """Let go of connections."""
        ...


Key: TypeAlias = tuple[str, ...]
"""Where a record is: the parts of its name, such as mode, exchange, kind, strategy and symbol. No part is empty."""
Json: TypeAlias = dict[str, Any]
"""A record: a mapping that JSON can hold, without NaN."""


class Store(Protocol):
    """Durable JSON records by key. A write has happened in whole or not at all, and survives what comes after it.

    Every method may raise `StoreError`: the place of the records cannot be read or written.
    """

    @property
    def is_atomic(self) -> bool:
        """Say whether a write happens in whole or not at all; nothing else may keep what is traded with."""
        ...

    @property
    def name(self) -> str:
        """Return what messages call it, such as the folder."""
        ...

    async def wait_for_init(self) -> None:
        """Make sure that the place is there and can be written; may be called twice."""
        ...

    async def read(self, key: Key) -> Json:
        """Return the record of *key*.

        Raises:
            MissingRecordError: there is none.
            CorruptRecordError: there is one that cannot be read; it has been moved aside.
        """
        ...

    async def has(self, key: Key) -> bool:
        """Say whether there is a record of *key*."""
        ...

    async def write(self, key: Key, record: Json) -> None:
        """Put *record* in the place of what was there."""
        ...

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        """Put *records* in the place of what was there, in their order, in one round trip where the place can.

        Where it cannot, a crash leaves the first of them written.
        """
        ...

    async def remove(self, key: Key) -> None:
        """Remove the record of *key*.

        Raises:
            MissingRecordError: there is none.
        """
        ...

    async def remove_all(self, prefix: Key) -> int:
        """Remove all records whose keys begin with *prefix*; return how many there were."""
        ...

    async def keys(self, prefix: Key) -> Sequence[Key]:
        """Return the keys that begin with *prefix*, in natural order: "2" before "10"."""
        ...

    async def values(self, prefix: Key) -> Sequence[Json]:
        """Return the records of `keys(prefix)`, in their order; one that cannot be read is moved aside and left out."""
        ...

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        """Return `keys(prefix)` with their records; one that cannot be read is moved aside, and why is in its place."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

"""Where one session is kept: what it must not forget, in one record of two, and its trades, in one record each.

While a signal waits the record `schedule` holds the memory and `signal` says null; else it is the other way round. The
record that is to hold it is written first, and the other one made null after it: a crash in between leaves both, and
the higher revision is the newer one.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

from backtestkit_cli.domain.position import Trade
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.author_values import Resolver, loaded_class
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.records import Records
from backtestkit_cli.ports import Key, Store

SIGNAL, SCHEDULE, TRADE = "signal", "schedule", "trade"
_OTHER = {SIGNAL: SCHEDULE, SCHEDULE: SIGNAL}


class _Found(NamedTuple):
    """What became of one of the two records when it was read."""

    kind: str
    is_there: bool
    memory: SessionMemory | None = None
    damage: str = ""


class SessionJournal:
    """The `Journal` of a session in a store. Only one may write for the same session."""

    def __init__(
        self,
        store: Store,
        mode: str,
        exchange: str,
        strategy: str,
        symbol: str,
        *,
        resolver: Resolver = loaded_class,
    ) -> None:
        """Keep the session in *store*; *resolver* finds the classes of entry orders of the author's own."""
        owner = {"mode": mode, "exchange": exchange, "strategy": strategy, "symbol": symbol}
        self._records = Records(store, Codec(resolver), owner)
        self._revision = -1
        self._kind: str | None = None

    async def peek(self) -> SessionMemory | None:
        """Return what `recall` would, for those who only look: damage is told as `blocked`."""
        found = await self._look()
        if not any(one.memory for one in found):  # perhaps the two were read before and after they changed places
            found = await self._look()
        return _survivor(found)

    async def recall(self) -> SessionMemory | None:
        """Return what was saved last, None where nothing was.

        Raises:
            ForeignRecordError: what is there is of another session or of a newer version; it stays where it is.
            CorruptRecordError: a record cannot be read and is kept aside. What else is known is saved, `blocked`,
                and the next call returns it.
            StoreError: nothing can be read now.
        """
        found = await self._look()
        memory = _survivor(found)
        self._revision = -1 if memory is None else memory.revision
        damages = [one.damage for one in found if one.damage]
        if damages and memory is not None:
            with suppress(StoreError):  # what is lost then is the reason, but not the block
                await self.save(memory._replace(revision=memory.revision + 1))
            raise CorruptRecordError("\n".join(damages))
        if all(one.memory is not None for one in found):
            assert memory is not None  # noqa: S101 - it is one of the two
            await self._clear(_OTHER[_kind_of(memory)])
        return memory

    async def save(self, memory: SessionMemory, trades: Sequence[Trade] = ()) -> None:
        """Keep *memory* in the place of what was saved before, and positions that it has closed since, in one write.

        Where the store cannot write several records in one step, a crash leaves trades that are booked once more in
        their own place, or two memories of which the higher revision counts.

        Raises:
            StoreError: it could not be kept, and what was there before is intact; or its revision has not grown.
        """
        if memory.revision <= self._revision:
            expected = f"expected a revision above {self._revision}, found {memory.revision}"
            raise StoreError(f"{'/'.join(self._records.key(SIGNAL))}: somebody else saves this session: {expected}")
        kind = _kind_of(memory)
        values: dict[Key, tuple[object, type]] = {
            self._records.key(TRADE, trade.id): (trade, Trade) for trade in trades
        }
        values[self._records.key(kind)] = memory, SessionMemory
        if self._kind != kind:
            values[self._records.key(_OTHER[kind])] = None, SessionMemory
        self._kind = None
        await self._records.write(values)
        self._revision, self._kind = memory.revision, kind

    async def trades(self) -> tuple[Trade, ...]:
        """Return the closed positions, in the order they closed.

        Raises:
            CorruptRecordError: some cannot be read and are kept aside; the next call returns the others.
        """
        found, damages = await self._records.read_all(TRADE, Trade)
        if damages:
            raise CorruptRecordError("\n".join(damages))
        return tuple(sorted(found, key=lambda trade: (trade.closed_at_ms, trade.scheduled_at_ms)))

    async def _look(self) -> tuple[_Found, _Found]:
        return await self._found(SIGNAL), await self._found(SCHEDULE)

    async def _found(self, kind: str) -> _Found:
        try:
            return _Found(kind, True, await self._records.read(self._records.key(kind), SessionMemory))
        except MissingRecordError:
            return _Found(kind, False)
        except CorruptRecordError as error:
            return _Found(kind, False, damage=str(error))

    async def _clear(self, kind: str) -> None:
        await self._records.write({self._records.key(kind): (None, SessionMemory)})


async def sessions_in(store: Store, mode: str, exchange: str) -> Sequence[tuple[str, str]]:
    """Return strategy and symbol of each session that *store* keeps, in natural order."""
    return [(strategy, symbol) for *_, strategy, symbol in await store.keys((mode, exchange, SIGNAL))]


def _kind_of(memory: SessionMemory) -> str:
    return SCHEDULE if isinstance(memory.state, Waiting) else SIGNAL


def _survivor(found: Sequence[_Found]) -> SessionMemory | None:
    """Return the newest memory that was found, None where there never was one.

    It is blocked if a newer one may have been lost: where a record is damaged, or none holds a memory although there
    are records. Who saved once left either both records, or alone the one that holds the memory.
    """
    newest = max((one.memory for one in found if one.memory), key=lambda memory: memory.revision, default=None)
    damaged = [one.kind for one in found if one.damage]
    if newest is not None and not damaged:
        return newest
    if not damaged and not any(one.is_there for one in found):
        return None
    lost = " and ".join(damaged) or " or ".join(one.kind for one in found if not one.is_there) or SIGNAL
    reason = f"the {lost} record was lost: a position may be open at the venue that is not known here"
    return (newest or SessionMemory())._replace(blocked=reason, is_lost=newest is None or newest.state is None)

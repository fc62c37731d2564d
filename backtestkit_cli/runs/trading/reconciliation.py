"""Comparing our books with the venue's: when, with which questions, and who is told what must change."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.position import Position
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import Answer, Gone, RestingOrder, Transient
from backtestkit_cli.engine.lifecycle import id_prefix
from backtestkit_cli.engine.memory import OpenOrder, SessionMemory, Stage
from backtestkit_cli.engine.reconciling import (
    AllowEntries,
    BlockEntries,
    CancelOrphan,
    Correction,
    ExpectedOrder,
    OurBook,
    OurSession,
    VenueBook,
    reconcile,
)
from backtestkit_cli.errors import VenueError
from backtestkit_cli.ports import Broker, Store
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper

_GRACE_S = 5.0
"""How long all sessions wait for a comparison: a venue that does not answer must not keep them from their exits."""
_FIRST_GRACE_S = 30.0


class Resident(NamedTuple):
    """A session that has a record on this account, running or not."""

    strategy: str
    symbol: str
    prefix: str
    memory: SessionMemory


class Reconciliation:
    """Compares each symbol at the start, every so many minutes, and whenever a session has doubts about its coins.

    What moved while it was looked at is not judged, but looked at again a minute later. Corrections are applied by
    the dealers of the sessions, when their next ticks begin; they forget those that time has passed by.
    """

    def __init__(self, broker: Broker, store: Store, run: tuple[str, str], every_minutes: int) -> None:
        """Compare with *broker* the sessions of *run*, its mode and exchange; *store* has those of others too."""
        self._broker = broker
        self._store = store
        self._run = run
        self._every_ms = every_minutes * MINUTE_MS
        self._keepers: Sequence[SessionKeeper] = ()
        self._absent: tuple[Resident, ...] = ()
        self._due: set[str] = set()
        self._next_ms = 0
        self._comparing: asyncio.Task[None] | None = None

    async def begin(self, keepers: Sequence[SessionKeeper], at_ms: int) -> None:
        """Compare everything before the first tick of *keepers*, as far as the venue answers.

        Raises:
            StoreError: the records of other sessions cannot be read.
        """
        self._keepers = keepers
        self._absent = await self._others()
        await self._compare_at(at_ms, _FIRST_GRACE_S)

    async def reach(self, at_ms: int) -> None:
        """Compare what is due at *at_ms*, before the sessions wake."""
        await self._compare_at(at_ms, _GRACE_S)

    async def close(self) -> None:
        """Stop asking."""
        if self._comparing is not None:
            self._comparing.cancel()
            await asyncio.gather(self._comparing, return_exceptions=True)

    async def _compare_at(self, at_ms: int, grace_s: float) -> None:
        if at_ms >= self._next_ms:
            self._next_ms = at_ms + self._every_ms
            self._due |= {keeper.symbol for keeper in self._keepers}
        self._due |= {keeper.symbol for keeper in self._keepers if keeper.dealer.has_doubts}
        if self._comparing is None and self._due:
            self._comparing = asyncio.ensure_future(self._compare(sorted(self._due)))
        if self._comparing is not None:
            await asyncio.wait((self._comparing,), timeout=grace_s)
            if self._comparing.done():
                comparing, self._comparing = self._comparing, None
                comparing.result()

    async def _compare(self, symbols: Sequence[str]) -> None:
        for symbol in symbols:
            keepers = [keeper for keeper in self._keepers if keeper.symbol == symbol]
            revisions = [keeper.memory.revision for keeper in keepers]
            ours = self._book(symbol, keepers)
            theirs = await self._venue(symbol, keepers, needs_coins=self._needs_coins(ours))
            if theirs is None or revisions != [keeper.memory.revision for keeper in keepers]:
                continue
            corrections = reconcile(ours, theirs)
            for keeper in keepers:
                mine = [one for one in corrections if self._is_for(one, keeper, keepers)]
                keeper.dealer.correct(self._beside_loss(mine, keeper, ours, theirs), keeper.memory.revision)
            self._due.discard(symbol)

    async def _others(self) -> tuple[Resident, ...]:
        """Return the sessions of this account that do not run now: their orders are expected, their coins not free."""
        from backtestkit_cli.persistence.session_journal import SessionJournal, sessions_in

        running = {(keeper.spec.name, keeper.symbol) for keeper in self._keepers}
        found = []
        for strategy, symbol in await sessions_in(self._store, *self._run):
            if (strategy, symbol) not in running:
                memory = await SessionJournal(self._store, *self._run, strategy, symbol).peek()
                found.append(Resident(strategy, symbol, self._prefix(strategy, symbol), memory or SessionMemory()))
        return tuple(found)

    def _prefix(self, strategy: str, symbol: str) -> str:
        return id_prefix(*self._run, strategy, symbol)

    def _residents(self) -> Iterable[Resident]:
        yield from self._absent
        for keeper in self._keepers:
            name, symbol = keeper.spec.name, keeper.symbol
            yield Resident(name, symbol, self._prefix(name, symbol), keeper.memory)

    def _book(self, symbol: str, keepers: Sequence[SessionKeeper]) -> OurBook:
        """Return what we hold of *symbol*; an order of a session whose record was lost is nobody's orphan."""
        base = _base(symbol)
        here = [one for one in self._residents() if one.symbol == symbol]
        elsewhere = [one for one in self._residents() if one.symbol != symbol and _base(one.symbol) == base]
        return OurBook(
            symbol,
            keepers[0].dealing.rules,
            tuple(_session(one.strategy, one.memory) for one in here),
            frozenset(one.prefix for one in here if not one.memory.is_lost),
            sum(_held(one.memory) for one in elsewhere),
            next((keeper.memory.blocked for keeper in keepers if keeper.memory.blocked), ""),
        )

    @staticmethod
    def _needs_coins(ours: OurBook) -> bool:
        return bool(ours.blocked) or any(one.quantity or one.orders for one in ours.sessions)

    async def _venue(self, symbol: str, keepers: Sequence[SessionKeeper], *, needs_coins: bool) -> VenueBook | None:
        """Return what the venue says, None where it says nothing or anything moved meanwhile."""
        resting = await self._broker.resting(symbol)
        if isinstance(resting, Transient):
            return None
        answers = await self._answers(keepers)
        if not needs_coins:
            return VenueBook(0.0, tuple(resting), answers)
        try:
            balances = await self._broker.balances()
        except VenueError:
            return None
        again = await self._broker.resting(symbol)
        if isinstance(again, Transient) or list(again) != list(resting) or await self._answers(keepers) != answers:
            return None
        coins = balances.get(keepers[0].dealing.rules.base)
        return VenueBook(0.0 if coins is None else coins.total, tuple(resting), answers)

    async def _answers(self, keepers: Sequence[SessionKeeper]) -> Mapping[str, Answer]:
        """Return the venue's word on each order of *keepers*; on what may still arrive there is none."""
        found: dict[str, Answer] = {}
        for keeper in keepers:
            for known in keeper.memory.orders:
                answer = await self._broker.check(known.order)
                if not (isinstance(answer, Gone) and _is_under_way(keeper, known)):
                    found[known.order.client_id] = answer
        return found

    def _is_for(self, one: Correction, keeper: SessionKeeper, keepers: Sequence[SessionKeeper]) -> bool:
        """Say whether *keeper* is to apply *one*: an orphan goes to whose it was, else to the first."""
        if isinstance(one, CancelOrphan):
            owners = [it for it in keepers if one.order.client_id.startswith(self._prefix(it.spec.name, it.symbol))]
            return keeper is (owners or keepers)[0]
        if isinstance(one, BlockEntries | AllowEntries):
            return True
        return one.strategy == keeper.spec.name

    def _beside_loss(
        self, corrections: Sequence[Correction], keeper: SessionKeeper, ours: OurBook, theirs: VenueBook
    ) -> Sequence[Correction]:
        """Return *corrections*, but allow nothing to a session whose record was lost while something may be open."""
        if not keeper.memory.is_lost:
            return corrections
        prefix = self._prefix(keeper.spec.name, keeper.symbol)
        left = theirs.coins - ours.held_elsewhere - sum(one.side.sign * one.quantity for one in ours.sessions)
        explanation = _trace_of_loss(keeper.memory.dust, prefix, left, ours, theirs.resting)
        others = [one for one in corrections if not isinstance(one, AllowEntries)]
        if not explanation:
            return [*others, AllowEntries(f"{ours.symbol}: nothing of the session whose record was lost is there")]
        return others if keeper.memory.blocked == explanation else [*others, BlockEntries(explanation)]


def _trace_of_loss(dust: float, prefix: str, left: float, ours: OurBook, resting: Iterable[RestingOrder]) -> str:
    """Return what a session whose record was lost seems to have left at the venue, nothing where it left nothing."""
    orders = [order.client_id for order in resting if order.client_id.startswith(f"{prefix}-")]
    rules = ours.rules
    seen = [f"orders {', '.join(orders)} rest"] if orders else []
    if left > dust + max(rules.quantity_step, rules.min_quantity) + 1e-12:
        seen.append(f"the account has {left:.12g} {rules.base} that no session holds")
    if not seen:
        return ""
    return (
        f"{ours.symbol}: the record of the session was lost, and {' and '.join(seen)}: close that by hand, "
        "or remove the damaged records of the session where it is yours"
    )


def _session(strategy: str, memory: SessionMemory) -> OurSession:
    side = Side.LONG if memory.state is None else memory.state.side
    quantity = memory.state.quantity_left if isinstance(memory.state, Position) else 0.0
    return OurSession(strategy, side, quantity, tuple(map(_expected, memory.orders)))


def _expected(known: OpenOrder) -> ExpectedOrder:
    order = known.order
    booked = known.booked.quantity if known.booked else 0.0
    rests = known.stage is Stage.RESTING
    return ExpectedOrder(order.client_id, order.leg, order.is_buy, order.quantity, booked, rests)


def _held(memory: SessionMemory) -> float:
    return memory.state.side.sign * memory.state.quantity_left if isinstance(memory.state, Position) else 0.0


def _base(symbol: str) -> str:
    return symbol.partition("/")[0]


def _is_under_way(keeper: SessionKeeper, known: OpenOrder) -> bool:
    """Say whether *known*, which the venue does not know, may arrive yet, or is its dealer's to send or give up."""
    return known.stage is Stage.ATTEMPTED or keeper.dealing.wire.may_arrive(known.sent_ms)

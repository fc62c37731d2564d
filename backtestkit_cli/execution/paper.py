"""The venue of paper trading: a `Broker` with an account of its own that executes nothing but in its books."""

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Self

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.trading import PaperOptions
from backtestkit_cli.domain.venue import (
    Answer,
    Balance,
    RefusalKind,
    Rejected,
    RestingOrder,
    Transient,
    VenueOrder,
    VenueRules,
)
from backtestkit_cli.errors import MissingRecordError, StoreError, StoreUnavailableError
from backtestkit_cli.execution.account import Account, Terms, coins, reserved
from backtestkit_cli.execution.matching import after_candle, cancelled, placed
from backtestkit_cli.execution.record import account_of, record_of
from backtestkit_cli.ports import Key, Store


class PaperBroker:
    """Fills market orders at the price of the decision, or later and in parts where the options say so.

    The account is saved before it is told of: an answer that was lost is found by `check`, also after a restart, and
    an order that is sent twice has one answer. What could not be saved has not happened, but where the store is only
    out of reach for now: then what closes goes on as at any venue, and is saved as soon as it can be.
    """

    def __init__(
        self, options: PaperOptions, costs: Mapping[str, Costs], *, quote: str, store: Store, key: Key
    ) -> None:
        """Begin with the balance of *options* in the asset *quote*; the account is kept in *store* under *key*.

        *costs* are those of the settings, by strategy.
        """
        self._account = Account(options.balance)
        self._terms = Terms(costs, options.latency_ms, options.max_volume_pct)
        self._quote = quote
        self._store = store
        self._key = key
        self._is_due = False
        self._turn = asyncio.Lock()  # a save takes a while, and what comes meanwhile must build on what it saves

    @classmethod
    async def recalled(
        cls, options: PaperOptions, costs: Mapping[str, Costs], *, quote: str, store: Store, key: Key
    ) -> Self:
        """Return the broker with the account that was saved, or a new one.

        Raises:
            StoreError: the account is there and cannot be read.
        """
        broker = cls(options, costs, quote=quote, store=store, key=key)
        await broker.recall()
        return broker

    async def recall(self) -> None:
        """Go on with the account that was saved, if there is one.

        Raises:
            StoreError: it is there and cannot be read.
        """
        with contextlib.suppress(MissingRecordError):
            self._account = account_of(await self._store.read(self._key))

    @property
    def name(self) -> str:
        """Return what messages call it."""
        return "paper"

    @property
    def account(self) -> Account:
        """Return the account as it is saved."""
        return self._account

    @property
    def arrival_window_s(self) -> float:
        """Return how long an order may be on its way: what is not known here never comes."""
        return 0.0

    async def rules(self, symbol: str) -> VenueRules:
        """Return that shorts are possible, that nothing rests, and that quantities have no grid."""
        return VenueRules(_base(symbol), self._quote, can_short=True)

    async def open(self, order: VenueOrder) -> Answer:
        """Take an order that enters or adds; what the balance does not suffice for is rejected with both numbers."""
        return await self._place(order)

    async def close(self, order: VenueOrder) -> Answer:
        """Take an order that sells what is held of its signal, also while the store is not available."""
        return await self._answered(order, lambda account: placed(account, order, self._terms), may_wait=True)

    async def amend(self, resting: VenueOrder, wanted: VenueOrder) -> Answer:
        """Reject *wanted*: orders that could be amended do not rest here."""
        reason = f"nothing rests here that {wanted.client_id!r} could replace, not {resting.client_id!r} either"
        return Rejected(RefusalKind.OTHER, reason)

    async def check(self, order: VenueOrder) -> Answer:
        """Return what became of *order*."""
        return self._account.answer(order.client_id)

    async def cancel(self, order: VenueOrder) -> Answer:
        """Take *order* back, as far as it has not traded."""
        return await self._answered(order, lambda account: cancelled(account, order.client_id))

    async def balances(self) -> Mapping[str, Balance]:
        """Return the quote money, locked as far as resting entries need it, and coins; owed ones are below 0."""
        locked = reserved(self._account, self._terms)
        found = {self._quote: Balance(self._account.cash - locked, locked)}
        for symbol, quantity in coins(self._account).items():
            if quantity:
                free, bound = found.get(_base(symbol), Balance(0.0, 0.0))
                found[_base(symbol)] = Balance(free + quantity, bound)
        return found

    async def resting(self, symbol: str) -> Sequence[RestingOrder] | Transient:
        """Return the orders of *symbol* that are on their way or filled in part."""
        return [
            RestingOrder(
                order.client_id,
                order.client_id,
                symbol,
                order.is_buy,
                order.quantity,
                known.fill.quantity if known.fill else 0.0,
                None,
                None,
            )
            for known in self._account.resting()
            if (order := known.order).symbol == symbol
        ]

    async def candle_closed(self, symbol: str, candles: Candles) -> None:
        """Let orders trade in the newest candle of *symbol*, and in those before it that were missed meanwhile."""
        async with self._turn:
            account = self._account
            for candle in _unseen(account, symbol, candles):
                account = after_candle(account, symbol, candle, self._terms)
            if account.orders == self._account.orders and self._terms.max_volume_pct is None and not self._is_due:
                self._account = account  # what is lost in a crash is only that this candle was seen
                return
            # One that cannot be saved has not been seen: the next comes with it.
            with contextlib.suppress(StoreError):
                await self._save(account, may_wait=True)

    async def disconnect(self) -> None:
        """Save what is due, if that can be; the store is its owner's."""
        if self._is_due:
            with contextlib.suppress(StoreError):
                await self._save(self._account)

    async def _place(self, order: VenueOrder) -> Answer:
        return await self._answered(order, lambda account: placed(account, order, self._terms))

    async def _answered(
        self, order: VenueOrder, change: Callable[[Account], Account], *, may_wait: bool = False
    ) -> Answer:
        """Return the answer about *order* once what *change* makes of the account is saved, or due if it *may_wait*."""
        async with self._turn:
            account = change(self._account)
            if account is not self._account:
                try:
                    await self._save(account, may_wait=may_wait)
                except StoreError as error:
                    return Transient(f"the account cannot be saved: {error}", may_have_arrived=False)
            return account.answer(order.client_id)

    async def _save(self, account: Account, *, may_wait: bool = False) -> None:
        """Make *account* the one there is once it is saved, or due if that *may_wait* for a store that is away."""
        try:
            await self._store.write(self._key, record_of(account))
        except StoreUnavailableError:
            if not may_wait:
                raise
            self._is_due = True
        else:
            self._is_due = False
        self._account = account


def _unseen(account: Account, symbol: str, candles: Candles) -> Candles:
    """Return the newest candle, and before it those that orders of *symbol* wait for and have not seen."""
    waits_since = [known.order.at_ms for known in account.resting() if known.order.symbol == symbol]
    if not waits_since:
        return candles.slice(max(len(candles) - 1, 0), len(candles))
    seen = account.candles.get(symbol)
    since_ms = min(waits_since) - MINUTE_MS if seen is None else seen.ended_ms
    return candles.slice(int(candles.timestamp.searchsorted(since_ms)), len(candles))


def _base(symbol: str) -> str:
    return symbol.partition("/")[0]

"""What the sessions of a run share: places, trades, one account, and its stop."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from backtestkit_cli.domain.account import Valuation
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.risk import Account, Admitted, ClosedTrade, OpenPosition
from backtestkit_cli.engine.market import Market

Key: TypeAlias = tuple[str, str]
"""Symbol and strategy, the order of sessions in a run."""


class Stop(NamedTuple):
    """No entries until `until_ms`, or ever again where it is None."""

    rule: str
    action: StopAction
    reason: str
    until_ms: int | None


class Held(NamedTuple):
    """An open position of the run, what it is worth, and what it has moved in cash."""

    place: OpenPosition
    value: Valuation
    cash: float
    market: Market
    prices: Any


class Coordination:
    """Every open position of a run, its trades, its account. Sessions change it one at a time, through their gates.

    A position whose session fails is no trade, and nobody closes it any more: it gives its place back and counts as
    sold at the price of that tick, in `abandoned_net`. So it neither blocks others nor moves the equity for ever, and
    `balance + Σ net of trades and positions + abandoned_net = equity`. `closed_net` is that of all trades, and
    `changes` counts what has moved the account.
    """

    def __init__(self, portfolio: Portfolio | None, groups: Mapping[str, tuple[str, ...]]) -> None:
        """Start with nothing open and the balance of *portfolio*, if there is one."""
        self.portfolio = portfolio
        self.groups = dict(groups)
        self.held: dict[Key, Held] = {}
        self.trades: list[ClosedTrade] = []
        self.admitted: list[Admitted] = []
        self.stop: Stop | None = None
        self.abandoned_net = 0.0
        self.changes = 0
        self.closed_net = 0.0

    def account_at(self, when_ms: int) -> Account | None:
        """Return the account at the prices of *when_ms*, None without a portfolio."""
        if self.portfolio is None:
            return None
        equity = self._without_prices
        for held in self.held.values():
            equity += held.value.per_price * held.prices.item(held.market.row_at(when_ms))
        return Account(self.portfolio.balance, self.portfolio.reserve, self.cash, equity)

    def equity_between(self, start_ms: int, end_ms: int) -> Floats:
        """Return the equity at each minute of `[start_ms, end_ms)`, if nothing is bought or sold in it."""
        equity = np.full((end_ms - start_ms) // MINUTE_MS, self._without_prices)
        for held in self.held.values():
            equity += held.value.per_price * held.market.each_minute(held.prices, start_ms, end_ms)
        return equity

    @property
    def _without_prices(self) -> float:
        """Return the part of the equity that no price changes."""
        return self.cash + sum(held.value.fixed for held in self.held.values())

    @property
    def cash(self) -> float:
        """Return the money that is in no position; without a portfolio it starts at 0."""
        cash = (self.portfolio.balance if self.portfolio else 0.0) + self.closed_net + self.abandoned_net
        for held in self.held.values():
            cash += held.cash
        return cash

    def places(self) -> tuple[OpenPosition, ...]:
        """Return what is open, in the order it opened."""
        return tuple(held.place for held in self.held.values())

    def recall(self, trades: Iterable[ClosedTrade], admitted: Iterable[Admitted], abandoned_net: float) -> None:
        """Go on with what was closed and let through before, each in its order."""
        self.trades[:] = trades
        self.admitted[:] = admitted
        self.closed_net = sum(trade.net for trade in self.trades)
        self.abandoned_net = abandoned_net
        self.changes += 1

    def hold(self, key: Key, held: Held) -> None:
        """Take a position on, or its new ledger; it keeps its place in the order."""
        known = self.held.get(key)
        self.held[key] = held
        if known is None or known[:3] != held[:3]:
            self.changes += 1

    def release(self, key: Key, trade: Trade) -> None:
        """Give the place of a position back, and book its trade."""
        del self.held[key]
        net = trade.gain.net
        self.closed_net += net
        self.changes += 1
        self.trades.append(ClosedTrade(trade.closed_at_ms, trade.strategy, trade.symbol, net))

    def drop(self, key: Key) -> None:
        """Give the place of a position back that was never filled."""
        if self.held.pop(key, None) is not None:
            self.changes += 1

    def abandon(self, key: Key, price: float) -> None:
        """Give the place of a position of a failed session back, if it has one, and book its worth at *price*."""
        held = self.held.pop(key, None)
        if held is not None:
            self.abandoned_net += held.cash + held.value.at(price)
            self.changes += 1

    def stop_at(self, when_ms: int) -> Stop | None:
        """Return the stop in force at *when_ms*, if any."""
        stop = self.stop
        return stop if stop is not None and (stop.until_ms is None or when_ms < stop.until_ms) else None

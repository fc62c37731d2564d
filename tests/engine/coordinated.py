"""Runs whose sessions share limits and an account, and an independent account of what they did."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np

from backtestkit_cli import (
    Event,
    PositionOpened,
    Side,
    Signal,
    SignalRefused,
    Trade,
    add_risk,
    add_sizing,
    add_strategy,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.specs import RiskSpec, SizingSpec
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.plan import RunPlan
from tests.markets import START_MS, plan_for, registered

NINE = tuple("ABCDEFGHI")
FEE = SLIP = 0.001


def minute(count: int) -> int:
    """Return the instant *count* minutes after the candles begin."""
    return START_MS + count * MINUTE_MS


def minute_of(at_ms: int) -> int:
    """Return how many minutes after the candles begin it is."""
    return (at_ms - START_MS) // MINUTE_MS


def a_profile(*rules: Any, name: str = "careful", **callbacks: Any) -> RiskSpec:
    """Return a risk profile as it is registered."""
    return registered(lambda: add_risk(name, rules=rules, **callbacks)).risks[name]


def a_sizing(sizing: Any) -> SizingSpec:
    """Return a sizing as it is registered."""
    return registered(lambda: add_sizing("mine", sizing)).sizings["mine"]


def a_long(price: float, **changes: Any) -> Signal:
    """Return a long from *price* with exits far away."""
    parts: dict[str, Any] = {"position": "long", "take_profit": price * 1.5, "stop_loss": price * 0.81, "minutes": 1440}
    return Signal(**parts | changes)


def a_plan(
    candles: Mapping[str, Candles],
    get_signal: Any,
    *profiles: RiskSpec,
    strategies: Sequence[str] = ("s",),
    interval: str = "1m",
    sizing: Any = None,
    parts: Mapping[str, Any] | None = None,
    **changes: Any,
) -> RunPlan:
    """Return a run of *get_signal* under each of the names *strategies*, all of them under *profiles*."""

    def register() -> None:
        for name in strategies:
            add_strategy(name, interval=interval, get_signal=get_signal, **(parts or {}))

    sizings = {} if sizing is None else dict.fromkeys(strategies, a_sizing(sizing))
    risks = dict.fromkeys(strategies, profiles) if profiles else {}
    usual: dict[str, Any] = {"risks": risks, "sizings": sizings}
    return plan_for(registered(register), candles, **usual | changes)


def at(asked: Sequence[int], **changes: Any) -> Any:
    """Return a `get_signal` that wants a long of `a_long` at each of the minutes *asked*, whatever the symbol."""

    def get_signal(_symbol: str, when: datetime, price: float) -> Signal | None:
        now = minute_of(to_ms(when))
        return a_long(price, **changes) if now in asked else None

    return get_signal


def ran(plan: RunPlan, *, sees_ahead: bool = True, **changes: Any) -> RunOutcome:
    """Run *plan*."""
    return asyncio.run(run_backtest(replace(plan, **changes), sees_ahead=sees_ahead))


def ran_both_ways(plan: RunPlan) -> RunOutcome:
    """Run *plan* with foresight and without, which must be the same to the last bit."""
    skipped, stepped = ran(plan), ran(plan, sees_ahead=False)
    assert skipped.events == stepped.events
    assert skipped.account == stepped.account
    assert [s.trades for s in skipped.sessions] == [s.trades for s in stepped.sessions]
    return skipped


def opened(outcome: RunOutcome) -> list[tuple[int, str]]:
    """Return the minute and the symbol of each position that opened."""
    return [(minute_of(e.at_ms), e.symbol) for e in outcome.events if isinstance(e, PositionOpened)]


def refusals(outcome: RunOutcome) -> list[tuple[int, str, str, str, str]]:
    """Return minute, symbol, profile, rule and reason of each refusal."""
    return [(minute_of(e.at_ms), e.symbol, e.profile, e.rule, e.reason) for e in of_kind(outcome, SignalRefused)]


def of_kind(outcome: RunOutcome, kind: type[Event]) -> list[Any]:
    """Return the events of one kind."""
    return [event for event in outcome.events if isinstance(event, kind)]


def trades_of(outcome: RunOutcome) -> list[Trade]:
    """Return all trades of all sessions."""
    return [trade for session in outcome.sessions for trade in session.trades]


def prices_at(candles: Candles, model: FillModelName, minutes: int) -> np.ndarray[Any, Any]:
    """Return `price(when)` at each of the first *minutes*, from its definition; NaN where it has none."""
    price = np.full(minutes, np.nan)
    times = candles.timestamp
    for count in range(minutes):
        last = int(np.searchsorted(times, minute(count) - MINUTE_MS, side="right"))
        if model is FillModelName.CANDLE and last:
            price[count] = candles.close[last - 1]
        elif last >= 5:
            of = slice(last - 5, last)
            volume = candles.volume[of].sum()
            typical = (candles.high + candles.low + candles.close)[of] / 3
            price[count] = (typical * candles.volume[of]).sum() / volume if volume else candles.close[of].mean()
    return price


def equity_by_hand(
    outcome: RunOutcome, candles: Mapping[str, Candles], model: FillModelName, balance: float, minutes: int
) -> np.ndarray[Any, Any]:
    """Return the equity after each minute, from the fills of the trades: quantities bought and sold, and what is left.

    A long pays its cost and the fee, and brings its quantity times the price, less slippage twice and the fee; a short
    is the mirror of it.
    """
    equity = np.full(minutes, balance)
    prices = {symbol: prices_at(of_symbol, model, minutes) for symbol, of_symbol in candles.items()}
    for trade in trades_of(outcome):
        first, last = minute_of(trade.opened_at_ms), minute_of(trade.closed_at_ms)
        for count in range(first, min(last, minutes)):
            equity[count] += _worth(trade, minute(count), prices[trade.symbol].item(count))
        equity[last:] += _worth(trade, trade.closed_at_ms, 0.0)
    return equity


def _worth(trade: Trade, now_ms: int, price: float) -> float:
    is_long = trade.side is Side.LONG
    rate = (1 + SLIP) / (1 - SLIP)
    quantity = paid = brought = 0.0
    for what, amount, at_price in _fills(trade, now_ms):
        if what == "buy":
            quantity += amount / at_price
            paid += amount
        else:
            sold = quantity * amount / 100
            quantity -= sold
            brought += sold * at_price
    brought += quantity * price if now_ms < trade.closed_at_ms else 0.0
    if is_long:
        return brought / rate * (1 - FEE) - paid * (1 + FEE)
    return paid * (1 - FEE) - brought * rate * (1 + FEE)


def _fills(trade: Trade, now_ms: int) -> Iterator[tuple[str, float, float]]:
    """Yield the fills up to *now_ms* in their order."""
    partials = list(trade.partials)
    for index, entry in enumerate(trade.entries):
        while partials and partials[0].entries_before <= index:
            part = partials.pop(0)
            if part.at_ms <= now_ms:
                yield "sell", part.percent, part.price
        if entry.at_ms <= now_ms:
            yield "buy", entry.cost, entry.price
    for part in partials:
        if part.at_ms <= now_ms:
            yield "sell", part.percent, part.price
    if trade.closed_at_ms <= now_ms:
        yield "sell", 100.0, trade.price_close

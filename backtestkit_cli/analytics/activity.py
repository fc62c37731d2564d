"""How much of its time and money a run had at work, how much it traded, and what the trading cost."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from backtestkit_cli.analytics.arithmetic import added, finite, percent, ratio, total
from backtestkit_cli.analytics.capital import Fills
from backtestkit_cli.analytics.trade_columns import Times, TradeColumns
from backtestkit_cli.analytics.years import yearly
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.signal import Side


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFigures:
    """Figures of closed trades within a frame; None where undefined, never NaN or infinity.

    A position is open from its opening up to its close, not at it. `_pct` are percent, `_quote` is quote money.

    Attributes:
        exposure_pct: Time with an open position, summed over the sessions, of the time of all sessions.
        any_open_pct: Time with an open position of any session, of the frame.
        peak_open: Most positions open at once.
        avg_invested_quote, peak_invested_quote: What the positions held at each time had cost, over the whole frame
            and at its most: an entry adds its cost, and a sale takes off what the sold part had cost.
        turnover_quote: Money of all fills at prices before slippage: what went in and what came out, which is
            2 · invested + gross for a long and 2 · invested - gross for a short.
        turnover_ratio: turnover_quote / starting capital; `_yearly_` is stretched to 365 days, from 14 days on.
        fee_quote, slippage_quote, costs_quote: What the trading cost; the last is the sum.
        fee_of_turnover_pct, slippage_of_turnover_pct, costs_of_turnover_pct: The same in percent of turnover_quote.
        costs_of_gross_pct: costs_quote in percent of the gross profit, None unless all trades together have one.
    """

    exposure_pct: float | None = None
    any_open_pct: float | None = None
    peak_open: int = 0
    avg_invested_quote: float | None = None
    peak_invested_quote: float | None = None
    turnover_quote: float | None = None
    turnover_ratio: float | None = None
    turnover_yearly_ratio: float | None = None
    fee_quote: float | None = None
    slippage_quote: float | None = None
    costs_quote: float | None = None
    fee_of_turnover_pct: float | None = None
    slippage_of_turnover_pct: float | None = None
    costs_of_turnover_pct: float | None = None
    costs_of_gross_pct: float | None = None


class HeldMoney(NamedTuple):
    """By how much what all positions had cost grew or shrank, in quote money and in any order."""

    at_ms: Times
    change_quote: Floats

    @classmethod
    def joined(cls, parts: Iterable[Self]) -> Self:
        """Return the changes of all *parts*."""
        times, changes = zip(cls(np.empty(0, np.int64), np.empty(0)), *parts, strict=True)
        return cls(np.concatenate(times), np.concatenate(changes))


def held_money(trades: Iterable[Fills]) -> HeldMoney:
    """Return the changes that *trades* made: each ends where it began, at nothing."""
    rows: list[tuple[int, float]] = []
    for fills in trades:
        rows += [(entry.at_ms, entry.cost) for entry in fills.entries]
        *partials, closing = fills.sales
        rows += [(sale.at_ms, -sale.cost) for sale in partials]
        left = sum(entry.cost for entry in fills.entries) - sum(sale.cost for sale in partials)
        rows.append((closing.at_ms, -left))
    return HeldMoney(np.array([at_ms for at_ms, _ in rows], np.int64), np.array([change for _, change in rows], float))


def activity_of(
    trades: TradeColumns, held: HeldMoney, *, start_ms: int, end_ms: int, sessions: int, capital_quote: float | None
) -> ActivityFigures:
    """Return the figures of *trades* in the frame `[start_ms, end_ms)`.

    Args:
        trades: Those of all sessions; what of them lies outside the frame is not counted as time.
        held: The changes that they made.
        start_ms: Where the frame starts.
        end_ms: Where it ends.
        sessions: How many there were, those without trades included.
        capital_quote: What the account began with, or None where that is unknown.
    """
    span_ms = end_ms - start_ms
    opened, closed = _times_within(trades, start_ms, end_ms)
    ones = np.ones(len(trades))
    instants, open_count = _running(np.concatenate((opened, closed)), np.concatenate((ones, -ones)))
    any_open_ms = int(np.diff(instants)[open_count[:-1] > 0].sum())
    money_instants, money = _running(np.clip(held.at_ms, start_ms, end_ms), held.change_quote)
    gross, fee, slippage = (total(money) for money in (trades.gross_quote, trades.fee_quote, trades.slippage_quote))
    turnover, costs = total(_traded_quote(trades)), added(fee, slippage)
    turned = ratio(turnover, capital_quote) if capital_quote is not None and capital_quote > 0 else None
    with np.errstate(over="ignore", invalid="ignore"):
        invested_ms = total(money[:-1] * np.diff(money_instants))
    return ActivityFigures(
        exposure_pct=exposure_pct(trades, start_ms=start_ms, end_ms=end_ms, sessions=sessions),
        any_open_pct=percent(any_open_ms, span_ms),
        peak_open=int(open_count.max(initial=0.0)),
        avg_invested_quote=ratio(invested_ms, span_ms),
        peak_invested_quote=finite(money.max(initial=0.0)),
        turnover_quote=turnover,
        turnover_ratio=turned,
        turnover_yearly_ratio=yearly(turned, span_ms),
        fee_quote=fee,
        slippage_quote=slippage,
        costs_quote=costs,
        fee_of_turnover_pct=percent(fee, turnover),
        slippage_of_turnover_pct=percent(slippage, turnover),
        costs_of_turnover_pct=percent(costs, turnover),
        costs_of_gross_pct=percent(costs, gross) if gross is not None and gross > 0 else None,
    )


def exposure_pct(trades: TradeColumns, *, start_ms: int, end_ms: int, sessions: int) -> float | None:
    """Return the time with an open position, summed over *sessions*, of the time of all of them within the frame."""
    opened, closed = _times_within(trades, start_ms, end_ms)
    return percent(int((closed - opened).sum()), sessions * (end_ms - start_ms))


def _times_within(trades: TradeColumns, start_ms: int, end_ms: int) -> tuple[Times, Times]:
    return np.clip(trades.opened_at_ms, start_ms, end_ms), np.clip(trades.closed_at_ms, start_ms, end_ms)


def _traded_quote(trades: TradeColumns) -> Floats:
    sign = np.where(trades.side == Side.LONG.value, 1.0, -1.0)
    with np.errstate(over="ignore", invalid="ignore"):
        return 2 * trades.invested_quote + sign * trades.gross_quote


def _running(at_ms: Times, change: Floats) -> tuple[Times, Floats]:
    """Return the instants at which something changes, and the sum of all changes up to each of them.

    At one instant all that happens is taken together: a position that follows another does not stand beside it.
    """
    instants, places = np.unique(at_ms, return_inverse=True)
    level = np.zeros(len(instants))
    with np.errstate(over="ignore", invalid="ignore"):
        np.add.at(level, places, change)
        return instants, np.cumsum(level)

"""The trades of a run in groups, and the figures of each group: every trade is in exactly one."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeAlias

import numpy as np

from backtestkit_cli.analytics.monthly import months_of
from backtestkit_cli.analytics.trade_columns import Texts, Times, TradeColumns
from backtestkit_cli.analytics.trade_figures import TradeFigures, figures_of
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from backtestkit_cli.domain.signal import CloseReason, Side

Groups: TypeAlias = dict[str, TradeColumns]
FiguresByGroup: TypeAlias = dict[str, TradeFigures]

HOURS = tuple(f"{hour:02}" for hour in range(24))
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_WEEKDAY_OF_EPOCH = 3


def by_month(trades: TradeColumns) -> FiguresByGroup:
    """Return the figures of each month of closing (UTC, `2025-05`), oldest first; a month without trades is absent.

    Midnight ends its day, as in `monthly`: what closes where May ends is May's, and a frame up to 1 June has no June.
    """
    return _figures(split_by_month(trades))


def by_reason(trades: TradeColumns) -> FiguresByGroup:
    """Return the figures of each reason of closing, in the order of `CloseReason`."""
    return _figures(_split_by_text(trades, trades.reason, tuple(CloseReason)))


def by_side(trades: TradeColumns) -> FiguresByGroup:
    """Return the figures of longs, then of shorts."""
    return _figures(_split_by_text(trades, trades.side, tuple(Side)))


def by_hour(trades: TradeColumns) -> FiguresByGroup:
    """Return the figures of each hour of opening, `00` to `23` UTC."""
    return _figures(_split(trades, trades.opened_at_ms // HOUR_MS % 24, HOURS))


def by_weekday(trades: TradeColumns) -> FiguresByGroup:
    """Return the figures of each weekday of opening, UTC, from Monday on."""
    return _figures(_split(trades, (trades.opened_at_ms // DAY_MS + _WEEKDAY_OF_EPOCH) % 7, WEEKDAYS))


def split_by_month(trades: TradeColumns) -> Groups:
    """Return the trades that closed in each month, as in `by_month`."""
    months, codes = np.unique(months_of(trades.closed_at_ms), return_inverse=True)
    return _split(trades, codes, np.datetime_as_string(months).tolist())


def split_by_symbol(trades: TradeColumns) -> Groups:
    """Return the trades of each symbol, by name."""
    return _split_by_text(trades, trades.symbol)


def _figures(groups: Groups) -> FiguresByGroup:
    return {name: figures_of(trades) for name, trades in groups.items()}


def _split_by_text(trades: TradeColumns, column: Texts, order: Sequence[str] = ()) -> Groups:
    """Return the trades of each text of *column*: those of *order* first, then the others by name."""
    texts: list[str] = column.tolist()
    names = [*order, *sorted(set(texts).difference(order))]
    numbers = {name: number for number, name in enumerate(names)}
    return _split(trades, np.array([numbers[text] for text in texts], np.int64), names)


def _split(trades: TradeColumns, numbers: Times, names: Sequence[str]) -> Groups:
    """Return the trades of each number that occurs, under its name; within a group their order stays."""
    order = np.argsort(numbers, kind="stable")
    ordered = trades.where(order)
    found, starts = np.unique(numbers[order], return_index=True)
    bounds = [*starts.tolist(), len(numbers)]
    return {
        str(names[number]): ordered.where(slice(first, last))
        for number, (first, last) in zip(found.tolist(), pairwise(bounds), strict=True)
    }

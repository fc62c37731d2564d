"""The equity of an account at each midnight UTC and at the end of its frame: what account figures are made from."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import numpy as np

from backtestkit_cli.analytics.trade_columns import Times
from backtestkit_cli.domain.candle import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class DailyCurve:
    """Equity in quote money: `balance_quote` at `start_ms`, then `equity_quote` at each of `times_ms`, rising.

    Each mark ends a day. The first and the last may be only a part of one; they count as days like the others,
    and a day on which nothing was traded is there as well.
    """

    start_ms: int
    balance_quote: float
    times_ms: Times
    equity_quote: Floats

    @classmethod
    def pooled(cls, curves: Iterable[tuple[Times, Floats]], *, start_ms: int, balance_quote: float) -> Self:
        """Return the one account of several sessions.

        Args:
            curves: Times and equity of each session, rising in time. A session starts at 0; before its first mark it
                has won nothing, and after its last one it keeps what it had.
            start_ms: When the frame starts.
            balance_quote: The equity then.
        """
        known = list(curves)
        times = np.unique(np.concatenate([times for times, _ in known])) if known else np.empty(0, np.int64)
        equity = np.full(len(times), balance_quote)
        for marks, won in known:
            equity += np.concatenate(([0.0], won))[np.searchsorted(marks, times, side="right")]
        return cls(start_ms=start_ms, balance_quote=balance_quote, times_ms=times, equity_quote=equity)

    @property
    def days(self) -> int:
        """Return the number of days."""
        return len(self.times_ms)

    @property
    def span_ms(self) -> int:
        """Return how long the frame is, 0 without marks."""
        return int(self.times_ms[-1]) - self.start_ms if self.days else 0

    @property
    def moments_ms(self) -> Times:
        """Return the start and all marks."""
        return np.concatenate((np.array([self.start_ms], np.int64), self.times_ms))

    @property
    def values(self) -> Floats:
        """Return the equity at `moments_ms`."""
        return np.concatenate(([self.balance_quote], self.equity_quote))

    def returns(self) -> Floats:
        """Return what each day won as a share of the equity it began with.

        A day that began with nothing or less has no return: NaN. So has one whose return no double can hold.
        """
        before, after = self.values[:-1], self.values[1:]
        with np.errstate(all="ignore"):
            found = np.where(before > 0, after / before - 1, np.nan)
        found[~np.isfinite(found)] = np.nan
        return found

"""Which trades two runs have in common, and what those sum up to that only one of them made."""

from collections import Counter
from collections.abc import Hashable, Iterator
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from backtestkit_cli.analytics.trade_columns import Flags, TradeColumns
from backtestkit_cli.analytics.trade_figures import figures_of_pnl

# Results that differ by less, in percent, differ by rounding only.
_ROUNDING_PCT = 1e-9


class Match(StrEnum):
    """What a trade is to the other run."""

    SAME = "same"
    ENDED_OTHERWISE = "ended_otherwise"
    ONLY_A = "only_a"
    ONLY_B = "only_b"


class MatchGroup(NamedTuple):
    """Trades of one kind of match and their net results in percent; `delta_pct` = `pnl_b_pct` - `pnl_a_pct`."""

    match: Match
    trades: int
    pnl_a_pct: float | None
    pnl_b_pct: float | None

    @property
    def delta_pct(self) -> float | None:
        """Return what these trades add to the difference of the totals."""
        if self.pnl_a_pct is None or self.pnl_b_pct is None:
            return None
        return self.pnl_b_pct - self.pnl_a_pct


class MatchedTrades(NamedTuple):
    """Positions of trades in the columns of either run.

    `both_a` and `both_b` are the trades that both opened, pair by pair in the order of A; `is_same` says of each
    pair that it ended at the same time, for the same reason and at the same prices.
    """

    both_a: npt.NDArray[np.intp]
    both_b: npt.NDArray[np.intp]
    is_same: Flags
    only_a: npt.NDArray[np.intp]
    only_b: npt.NDArray[np.intp]


def matched(a: TradeColumns, b: TradeColumns, *, by_strategy: bool) -> MatchedTrades:
    """Return which trades of *a* and *b* are the same: opened on one symbol, at one time and on one side.

    *by_strategy* also asks for the same strategy; not so where one strategy is compared with another.
    """
    place_in_b = {key: row for row, key in enumerate(_keys(b, by_strategy=by_strategy))}
    found = [place_in_b.get(key, -1) for key in _keys(a, by_strategy=by_strategy)]
    in_b = np.array(found, np.intp)
    both_a = np.flatnonzero(in_b >= 0)
    both_b = in_b[both_a]
    return MatchedTrades(
        both_a=both_a,
        both_b=both_b,
        is_same=_ended_alike(a.where(both_a), b.where(both_b)),
        only_a=np.flatnonzero(in_b < 0),
        only_b=np.setdiff1d(np.arange(len(b)), both_b),
    )


def match_groups(a: TradeColumns, b: TradeColumns, matches: MatchedTrades) -> tuple[MatchGroup, ...]:
    """Return a row for each kind of match; their differences add up to that of the totals, if both have trades."""
    alike, other = matches.is_same, ~matches.is_same
    none = np.empty(0, np.intp)
    rows = {
        Match.SAME: (matches.both_a[alike], matches.both_b[alike]),
        Match.ENDED_OTHERWISE: (matches.both_a[other], matches.both_b[other]),
        Match.ONLY_A: (matches.only_a, none),
        Match.ONLY_B: (none, matches.only_b),
    }
    return tuple(
        MatchGroup(match, max(len(in_a), len(in_b)), _total(a, in_a), _total(b, in_b))
        for match, (in_a, in_b) in rows.items()
    )


def _keys(trades: TradeColumns, *, by_strategy: bool) -> Iterator[Hashable]:
    """Yield what a trade is known by; the second of a run that has the same is known as the second."""
    seen: Counter[Hashable] = Counter()
    strategies = trades.strategy if by_strategy else np.full(len(trades), "")
    for key in zip(trades.symbol, strategies, trades.side, trades.opened_at_ms.tolist(), strict=True):
        seen[key] += 1
        yield key, seen[key]


def _ended_alike(a: TradeColumns, b: TradeColumns) -> Flags:
    """Say of each pair whether it ended alike; the gross result tells of prices, whatever the costs and the size."""
    with np.errstate(all="ignore"):
        apart_pct = np.abs(100 * a.gross_quote / a.invested_quote - 100 * b.gross_quote / b.invested_quote)
    is_same: Flags = (a.closed_at_ms == b.closed_at_ms) & (a.reason == b.reason) & ~(apart_pct > _ROUNDING_PCT)
    return is_same


def _total(trades: TradeColumns, rows: npt.NDArray[np.intp]) -> float | None:
    return figures_of_pnl(trades.pnl_pct[rows]).total_pnl_pct if len(rows) else 0.0

"""Two saved runs held against each other: what they share, what they were computed from, and how they differ."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from backtestkit_cli.analytics.account_comparison import compare_accounts
from backtestkit_cli.analytics.arithmetic import finite
from backtestkit_cli.analytics.comparison import Delta, compare_trades, deltas, trade_values
from backtestkit_cli.analytics.daily_curve import DailyCurve
from backtestkit_cli.analytics.matching import MatchedTrades, MatchGroup, match_groups, matched
from backtestkit_cli.analytics.resampling import seed_of
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.reports.account import daily_curve
from backtestkit_cli.reports.comparison.input_differences import InputDifference, input_differences
from backtestkit_cli.reports.saved.record import RunRecord


class Side(NamedTuple):
    """A run, or one strategy of it where `strategy` is not None."""

    record: RunRecord
    strategy: str | None = None

    @property
    def name(self) -> str:
        """Return how the side is told from the other."""
        return self.record.run_id if self.strategy is None else f"{self.record.run_id}:{self.strategy}"

    @property
    def sole_strategy(self) -> str | None:
        """Return the one strategy that the side is about, None where there are several."""
        names = list(self.record.facts.settings)
        return names[0] if self.strategy is None and len(names) == 1 else self.strategy


class Exit(NamedTuple):
    """How a trade ended; `pnl_pct` is net, NaN where it is unknown."""

    closed_at_ms: int
    reason: str
    pnl_pct: float


class PairedTrade(NamedTuple):
    """A trade that is not the same in both runs; None on the side that did not make it."""

    symbol: str
    strategy: str
    side: str
    opened_at_ms: int
    a: Exit | None
    b: Exit | None

    @property
    def delta_pct(self) -> float:
        """Return what the trade adds to the difference of the totals."""
        return (self.b.pnl_pct if self.b else 0.0) - (self.a.pnl_pct if self.a else 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """What two runs come to on what they share.

    Attributes:
        a, b: What is compared.
        start_ms, end_ms: The span that both runs saw; only trades that opened and closed in it count.
        symbols: Those that both runs finished; only these count.
        left_out: Other symbols of either run, and why they do not count.
        inputs: Where the runs were computed from different things.
        figures: Over all trades pooled, with intervals.
        account: Of the accounts, as in `reports.account`; nothing where the frames differ, for they began at
            different times.
        balances: What the accounts began with, in quote money; None where no double can hold it.
        by_symbol: The same for each symbol, without intervals.
        matches: What the trades sum up to by what they are to the other run.
        unlike: Trades that are not the same in both, those that differ most first.
    """

    a: Side
    b: Side
    start_ms: int
    end_ms: int
    symbols: tuple[str, ...]
    left_out: Mapping[str, str]
    inputs: tuple[InputDifference, ...]
    figures: tuple[Delta, ...]
    account: tuple[Delta, ...]
    balances: tuple[float | None, float | None]
    by_symbol: Mapping[str, tuple[Delta, ...]]
    matches: tuple[MatchGroup, ...]
    unlike: tuple[PairedTrade, ...]

    @property
    def is_of_whole_frames(self) -> bool:
        """Say whether both runs have the same frame, so that all their trades on `symbols` count."""
        return _have_one_frame(self.a, self.b)


def compare_runs(a: Side, b: Side) -> RunComparison:
    """Compare *b* with *a*, over the span and the symbols that they share.

    Raises:
        UnknownNameError: a run has no such strategy.
        ConfigError: they share no time or no symbol that both finished.
    """
    _check_strategies(a, b)
    start_ms, end_ms = _common_span(a, b)
    symbols, left_out = _common_symbols(a, b)
    trades_a, trades_b = (_trades(side, symbols, start_ms, end_ms) for side in (a, b))
    sole = (a.sole_strategy, b.sole_strategy)
    one_each = None if sole[0] is None or sole[1] is None else (sole[0], sole[1])
    matches = matched(trades_a, trades_b, by_strategy=one_each is None)
    curves = _curves(a, b, symbols)
    seed = seed_of(a.record.run_id, b.record.run_id)
    return RunComparison(
        a=a,
        b=b,
        start_ms=start_ms,
        end_ms=end_ms,
        symbols=symbols,
        left_out=left_out,
        inputs=input_differences(a.record.manifest, b.record.manifest, one_each),
        figures=compare_trades(trades_a, trades_b, start_ms=start_ms, end_ms=end_ms, seed=seed),
        account=() if curves is None else compare_accounts(*curves, seed=seed),
        balances=(None, None) if curves is None else (finite(curves[0].balance_quote), finite(curves[1].balance_quote)),
        by_symbol={
            symbol: deltas(_values(trades_a, symbol), _values(trades_b, symbol), "of one symbol alone")
            for symbol in symbols
        },
        matches=match_groups(trades_a, trades_b, matches),
        unlike=tuple(_unlike(trades_a, trades_b, matches)),
    )


def _check_strategies(*sides: Side) -> None:
    for record, strategy in sides:
        if strategy is not None:
            record.require_strategy(strategy)


def _common_span(a: Side, b: Side) -> tuple[int, int]:
    facts = [side.record.facts for side in (a, b)]
    start_ms, end_ms = max(one.start_ms for one in facts), min(one.end_ms for one in facts)
    if start_ms >= end_ms:
        frames = " and ".join(f"{utc_text(one.start_ms)} to {utc_text(one.end_ms)}" for one in facts)
        raise ConfigError(f"{_both(a, b)}: expected frames that overlap, found {frames} UTC")
    return start_ms, end_ms


def _common_symbols(a: Side, b: Side) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the symbols that both sides finished, and why the others are left out."""
    in_a, in_b = (_finished(side) for side in (a, b))
    if not in_a.keys() & in_b.keys():
        lists = " and ".join(", ".join(list(one)[:5]) or "none" for one in (in_a, in_b))
        raise ConfigError(f"{_both(a, b)}: expected a symbol in both, found {lists}")
    left_out = {}
    for symbol in sorted(in_a.keys() | in_b.keys()):
        if symbol not in in_a or symbol not in in_b:
            left_out[symbol] = f"only in {'A' if symbol in in_a else 'B'}"
        elif not in_a[symbol] or not in_b[symbol]:
            failed = [name for name, one in (("A", in_a), ("B", in_b)) if not one[symbol]]
            left_out[symbol] = f"failed in {' and '.join(failed)}"
    symbols = tuple(symbol for symbol in in_a if symbol not in left_out)
    if not symbols:
        reasons = "; ".join(f"{symbol} {why}" for symbol, why in list(left_out.items())[:5])
        raise ConfigError(f"{_both(a, b)}: expected a symbol that both finished, found none: {reasons}")
    return symbols, left_out


def _finished(side: Side) -> dict[str, bool]:
    """Return the symbols of *side*, and whether each was finished by all strategies."""
    found: dict[str, bool] = {}
    for session in side.record.sessions_of(side.strategy):
        found[session.symbol] = found.get(session.symbol, True) and session.failure is None
    return found


def _trades(side: Side, symbols: tuple[str, ...], start_ms: int, end_ms: int) -> TradeColumns:
    trades = side.record.trades_of(side.strategy)
    is_within = (trades.opened_at_ms >= start_ms) & (trades.closed_at_ms <= end_ms)
    is_shared = np.array([symbol in symbols for symbol in trades.symbol], np.bool_)
    return trades.where(is_within & is_shared)


def _curves(a: Side, b: Side, symbols: tuple[str, ...]) -> tuple[DailyCurve, DailyCurve] | None:
    """Return the accounts of both on *symbols*, None where the frames differ."""
    if not _have_one_frame(a, b):
        return None
    return _curve(a, symbols), _curve(b, symbols)


def _curve(side: Side, symbols: tuple[str, ...]) -> DailyCurve:
    names = list(side.record.facts.settings)
    is_all = set(symbols) == {session.symbol for session in side.record.sessions}
    record = side.record if is_all else side.record.only(symbols)
    return daily_curve(record, None if names == [side.strategy] else side.strategy)


def _have_one_frame(a: Side, b: Side) -> bool:
    first, second = a.record.facts, b.record.facts
    return (first.start_ms, first.end_ms) == (second.start_ms, second.end_ms)


def _values(trades: TradeColumns, symbol: str) -> dict[str, float | None]:
    return trade_values(trades.where(trades.symbol == symbol))


def _unlike(a: TradeColumns, b: TradeColumns, matches: MatchedTrades) -> Iterator[PairedTrade]:
    other = ~matches.is_same
    pairs = [
        *(_pair(a, row_a, b, row_b) for row_a, row_b in zip(matches.both_a[other], matches.both_b[other], strict=True)),
        *(_pair(a, row, b, None) for row in matches.only_a),
        *(_pair(a, None, b, row) for row in matches.only_b),
    ]
    known = [pair for pair in pairs if np.isfinite(pair.delta_pct)]
    yield from sorted(known, key=lambda pair: (-abs(pair.delta_pct), pair.opened_at_ms, pair.symbol, pair.strategy))
    yield from (pair for pair in pairs if not np.isfinite(pair.delta_pct))


def _pair(a: TradeColumns, row_a: "np.intp | None", b: TradeColumns, row_b: "np.intp | None") -> PairedTrade:
    trades, row = (a, row_a) if row_a is not None else (b, row_b)
    return PairedTrade(
        symbol=str(trades.symbol[row]),
        strategy=str(trades.strategy[row]),
        side=str(trades.side[row]),
        opened_at_ms=int(trades.opened_at_ms[row]),
        a=None if row_a is None else _exit(a, row_a),
        b=None if row_b is None else _exit(b, row_b),
    )


def _exit(trades: TradeColumns, row: np.intp) -> Exit:
    return Exit(int(trades.closed_at_ms[row]), str(trades.reason[row]), float(trades.pnl_pct[row]))


def _both(a: Side, b: Side) -> str:
    return f"cannot compare {a.name} and {b.name}"

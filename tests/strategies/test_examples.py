"""What the example strategies promise, seen in what they traded on the built-in market."""

from collections import Counter
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import Candles, CloseReason, Side, Trade
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.interval import interval_ms
from tests.laws import ALL_LAWS
from tests.strategies.demo_run import START_MS, SYMBOLS, demo_candles, run_on_demo, strategies_of, the_strategy

FOLDER = Path(__file__).parents[2] / "strategies"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))
SYMBOLS_OF = {"btc_eth_ratio": ("BTCUSDT", "ETHUSDT")}
MODELS = ("vwap", "candle")
QUARTER_MS = interval_ms("15m")

in_both_models = pytest.mark.parametrize("model", MODELS)


@cache
def outcome(example: str, model: str) -> RunOutcome:
    return run_on_demo(FOLDER / f"{example}.py", symbols=SYMBOLS_OF.get(example, SYMBOLS), fill_model=model)


def trades_of(example: str, model: str) -> list[Trade]:
    return [trade for session in outcome(example, model).sessions for trade in session.trades]


def test_there_are_ten_examples() -> None:
    assert EXAMPLES == [
        "ab_variants",
        "breakout_batch",
        "btc_eth_ratio",
        "dca",
        "ladder",
        "news",
        "own_exchange",
        "portfolio_cap",
        "scale_out",
        "sma_cross",
    ]


@in_both_models
@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_trades_each_symbol_a_sensible_number_of_times(example: str, model: str) -> None:
    sessions = outcome(example, model).sessions
    assert [session.error for session in sessions] == [None] * len(sessions)
    assert all(5 <= len(session.trades) <= 100 for session in sessions)
    failed = {"ErrorOccurred", "CommandRefused"}
    assert failed.isdisjoint(type(event).__name__ for event in outcome(example, model).events)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_trades_the_same_minute_by_minute(example: str) -> None:
    """Over the whole frame by `make laws`, else over its first week: a minute that is stepped costs as much as ten."""
    entry, symbols = FOLDER / f"{example}.py", SYMBOLS_OF.get(example, SYMBOLS)
    frame: dict[str, Any] = {} if ALL_LAWS else {"to": "2025-03-08"}
    stepped, skipped = (
        run_on_demo(entry, symbols=symbols, fill_model="candle", sees_ahead=sees_ahead, **frame)
        for sees_ahead in (False, True)
    )
    assert stepped.events == skipped.events
    assert sum(len(session.trades) for session in stepped.sessions) > 1


def test_every_example_says_what_it_is() -> None:
    assert all(spec.note for example in EXAMPLES for spec in strategies_of(FOLDER / f"{example}.py"))


def is_same_row_by_row(left: Any, right: Any) -> bool:
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k], equal_nan=True) for k in left)


def rows(columns: Any, start: int, stop: int) -> dict[str, Any]:
    return {name: column[start:stop] for name, column in columns.items()}


def column_functions() -> list[tuple[str, Callable[[Candles], Any], int]]:
    """Return interval, function and warm-up of each example that computes columns."""
    cross, breakout = the_strategy(FOLDER / "sma_cross.py"), the_strategy(FOLDER / "breakout_batch.py")
    assert breakout.entries is not None
    return [
        ("15m", cross.indicators["15m"], cross.warm_up["15m"]),
        ("1h", breakout.entries, breakout.warm_up["1h"]),
    ]


@pytest.mark.parametrize(("interval", "columns", "warm_up"), column_functions(), ids=["sma_cross", "breakout_batch"])
def test_columns_are_causal(interval: str, columns: Callable[[Candles], Any], warm_up: int) -> None:
    candles = demo_candles("BTCUSDT", interval, before=warm_up)
    whole = columns(candles)
    for stop in (*range(warm_up, warm_up + 60), len(candles) // 2, len(candles) - 1):
        assert is_same_row_by_row(columns(candles.slice(0, stop)), rows(whole, 0, stop)), f"cut at row {stop}"


@pytest.mark.parametrize(("interval", "columns", "warm_up"), column_functions(), ids=["sma_cross", "breakout_batch"])
def test_columns_need_no_more_history_than_the_warm_up(
    interval: str, columns: Callable[[Candles], Any], warm_up: int
) -> None:
    candles = demo_candles("BTCUSDT", interval, before=3 * warm_up)
    whole = columns(candles)
    for start in (1, 7, 2 * warm_up):
        late = columns(candles.slice(start, len(candles)))
        first = warm_up - 1
        assert is_same_row_by_row(rows(late, first, len(candles)), rows(whole, start + first, len(candles)))


@in_both_models
def test_sma_cross_trades_both_ways_and_no_signal_of_it_breaks_a_rule(model: str) -> None:
    run = outcome("sma_cross", model)
    sides = Counter(trade.side for trade in trades_of("sma_cross", model))
    assert min(sides[Side.LONG], sides[Side.SHORT]) >= 10
    assert {type(event).__name__ for event in run.events} == {"PositionOpened", "PositionClosed"}


@in_both_models
def test_sma_cross_opens_once_a_slot_where_the_closed_candles_have_just_crossed(model: str) -> None:
    for session in outcome("sma_cross", model).sessions:
        closes = demo_candles(session.symbol, "15m", before=61).close.tolist()
        freed_at_ms = START_MS
        for trade in session.trades:
            slot_ms = trade.opened_at_ms - trade.opened_at_ms % QUARTER_MS
            assert trade.opened_at_ms in {slot_ms, freed_at_ms}, "asked at the start of a slot, or once it is free"
            seen = closes[: 61 + (slot_ms - START_MS) // QUARTER_MS]
            before, after = (fmean(c[-20:]) - fmean(c[-60:]) for c in (seen[:-1], seen))
            assert before <= 0 < after if trade.side is Side.LONG else before >= 0 > after
            is_level = model == "candle" and trade.reason in {CloseReason.STOP_LOSS, CloseReason.TAKE_PROFIT}
            freed_at_ms = trade.closed_at_ms + (0 if is_level else 60_000)
        slots = [trade.opened_at_ms // QUARTER_MS for trade in session.trades]
        assert len(set(slots)) == len(slots)


@in_both_models
def test_sma_cross_risks_half_of_what_it_aims_for(model: str) -> None:
    for trade in trades_of("sma_cross", model):
        assert trade.take_profit == pytest.approx(trade.price_open * (1 + 0.03 * trade.side.sign))
        assert trade.stop_loss == pytest.approx(trade.price_open * (1 - 0.015 * trade.side.sign))


@in_both_models
def test_dca_buys_at_most_ten_rungs_each_a_dip_below_the_last(model: str) -> None:
    trades = trades_of("dca", model)
    assert {trade.side for trade in trades} == {Side.LONG}
    assert max(len(trade.entries) for trade in trades) == 10
    for trade in trades:
        assert {entry.cost for entry in trade.entries} == {100.0}
        assert all(after.price <= before.price * 0.99 for before, after in pairwise(trade.entries))


@in_both_models
def test_dca_leaves_above_the_average_cost_at_the_hard_stop_or_at_the_end(model: str) -> None:
    reasons = set()
    for trade in trades_of("dca", model):
        reasons.add(trade.reason)
        average = trade.invested / sum(entry.cost / entry.price for entry in trade.entries)
        assert trade.price_effective == pytest.approx(average)
        match trade.reason:
            case CloseReason.TAKE_PROFIT | CloseReason.CLOSED:
                assert trade.price_close >= average * 1.03 * (1 - 1e-12)
                assert trade.pnl_pct > 2.5
            case CloseReason.STOP_LOSS:
                assert trade.price_close <= trade.price_open * 0.75
            case reason:
                assert reason is CloseReason.FRAME_END
    assert {CloseReason.TAKE_PROFIT, CloseReason.CLOSED, CloseReason.FRAME_END} <= reasons


def test_dca_misses_no_dip_and_no_target() -> None:
    """At every minute of a position the price leaves nothing to do."""
    for session in outcome("dca", "candle").sessions:
        closes = demo_candles(session.symbol, "1m").close
        for trade in session.trades:
            ends = [entry.at_ms for entry in trade.entries[1:]] + [trade.closed_at_ms]
            for rungs, (entry, until_ms) in enumerate(zip(trade.entries, ends, strict=True), start=1):
                first, last = ((at_ms - START_MS) // 60_000 for at_ms in (entry.at_ms, until_ms))
                waited = closes[first : last - 1]  # row k closes at minute k + 1
                held = trade.entries[:rungs]
                average = sum(e.cost for e in held) / sum(e.cost / e.price for e in held)
                assert (waited < average * 1.03).all()
                assert rungs == 10 or (waited > entry.price * 0.99).all()


@in_both_models
def test_breakout_trades_both_ways_beyond_the_range_that_closed(model: str) -> None:
    sides = Counter(trade.side for trade in trades_of("breakout_batch", model))
    assert min(sides[Side.LONG], sides[Side.SHORT]) >= 10
    for session in outcome("breakout_batch", model).sessions:
        candles = demo_candles(session.symbol, "1h", before=25)
        for trade in session.trades:
            newest = 24 + (trade.opened_at_ms - START_MS) // interval_ms("1h")
            close, reach = candles.close[newest], trade.take_profit - trade.stop_loss
            if trade.side is Side.LONG:
                assert close > candles.high[newest - 24 : newest].max()
            else:
                assert close < candles.low[newest - 24 : newest].min()
            assert trade.stop_loss + reach * 0.4 == pytest.approx(close), "stop and target are 2 and 3 ranges away"
            assert abs(reach) / 5 > close * 0.005

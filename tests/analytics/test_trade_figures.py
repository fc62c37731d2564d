import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.activity import HeldMoney, activity_of
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.analytics.trade_figures import TradeFigures, expected_yearly_trades, figures_of, figures_of_pnl
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from tests.builders import START_MS, a_trade, trades_of
from tests.trades_as_columns import columns_of

TRADES5 = [2.0, -1.0, 3.0, -2.0, 1.0]
COUNTS = {"trades", "wins", "losses", "breakevens", "longest_win_streak", "longest_loss_streak"}

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
CASES = sorted(GOLDEN.glob("*.json"))


def test_five_trades_with_known_figures() -> None:
    figures = figures_of_pnl(TRADES5)
    assert (figures.trades, figures.wins, figures.losses) == (5, 3, 2)
    assert figures.win_rate_pct == pytest.approx(60)
    assert figures.avg_pnl_pct == pytest.approx(0.6)
    assert figures.total_pnl_pct == pytest.approx(3)
    assert (figures.best_pnl_pct, figures.worst_pnl_pct) == (3, -2)
    assert (figures.avg_win_pct, figures.avg_loss_pct) == (2, -1.5)
    assert figures.std_dev_pct == pytest.approx(2.07364, abs=5e-6)
    assert figures.sharpe_ratio == pytest.approx(0.28935, abs=5e-6)
    assert figures.sharpe_annualized == pytest.approx(5.5280, abs=1e-4)  # the table multiplied a rounded ratio
    assert figures.certainty_ratio == pytest.approx(4 / 3)
    assert figures.profit_factor == pytest.approx(2)
    assert figures.expectancy_pct == pytest.approx(0.6)
    assert (figures.longest_win_streak, figures.longest_loss_streak) == (1, 1)
    assert figures.max_drawdown_pct == pytest.approx(2)


@pytest.mark.parametrize("case", CASES or [None], ids=lambda case: case.stem if case else "none")
def test_the_figures_of_the_golden_cases(case: Path | None) -> None:
    if case is None:
        pytest.skip("the golden cases are not here")
    expected = json.loads(case.read_text(encoding="utf-8"))["expected"]
    closed = [event["pnl"] for event in expected["events"] if event["action"] == "closed"]
    found = asdict(figures_of_pnl(closed))
    for name, value in expected["stats"].items():
        assert found[name] == (None if value is None else pytest.approx(value, rel=1e-9, abs=1e-12)), name


def test_no_trades_have_counts_and_no_figures() -> None:
    for figures in (figures_of_pnl([]), figures_of(columns_of([]))):
        assert figures == TradeFigures()
        values = asdict(figures)
        assert {name for name, value in values.items() if value is not None} == COUNTS
        assert {values[name] for name in COUNTS} == {0}


def test_one_trade_has_no_deviation() -> None:
    figures = figures_of_pnl([1.5])
    assert (figures.avg_pnl_pct, figures.total_pnl_pct, figures.expectancy_pct) == (1.5, 1.5, 1.5)
    assert figures.std_dev_pct is None
    assert figures.sharpe_ratio is None
    assert figures.certainty_ratio is None
    assert figures.profit_factor is None


@pytest.mark.parametrize("pnl", [[0.7, 0.7, 0.7], [-0.3996003, -0.3996003 - 5e-17, -0.3996003], [0.0, 0.0]])
def test_equal_trades_have_no_sharpe_ratio_whatever_their_rounding(pnl: list[float]) -> None:
    figures = figures_of_pnl(pnl)
    assert figures.std_dev_pct == 0
    assert figures.sharpe_ratio is None
    assert figures.sharpe_annualized is None


def test_only_wins_have_no_ratio_to_losses() -> None:
    figures = figures_of_pnl([1.0, 2.0])
    assert (figures.win_rate_pct, figures.avg_loss_pct) == (100, None)
    assert figures.certainty_ratio is None
    assert figures.profit_factor is None
    assert figures.max_drawdown_pct == 0


def test_only_losses_have_a_profit_factor_of_nothing() -> None:
    figures = figures_of_pnl([-1.0, -2.0])
    assert (figures.win_rate_pct, figures.avg_win_pct) == (0, None)
    assert figures.certainty_ratio is None
    assert figures.profit_factor == 0


def test_a_drawdown_may_begin_at_the_start() -> None:
    assert figures_of_pnl([-1.0, -2.0, 5.0]).max_drawdown_pct == 3


def test_a_trade_of_nothing_is_neither_won_nor_lost_and_ends_a_streak() -> None:
    figures = figures_of_pnl([1.0, 1.0, 0.0, 1.0, -1.0, -1.0, -1.0])
    assert (figures.trades, figures.wins, figures.losses) == (7, 3, 3)
    assert (figures.longest_win_streak, figures.longest_loss_streak) == (2, 3)


def test_lists_and_arrays_give_the_same() -> None:
    assert figures_of_pnl(np.array(TRADES5)) == figures_of_pnl(TRADES5)


def test_money_adds_up_and_time_is_averaged() -> None:
    trades = [a_trade(minutes=30, price_close=102.0), a_trade(minutes=90, price_close=99.0)]
    figures = figures_of(columns_of(trades))
    assert figures.gross_quote == pytest.approx(1.0)
    assert figures.fee_quote == pytest.approx(sum(trade.gain.fee for trade in trades))
    assert figures.slippage_quote == pytest.approx(sum(trade.gain.slippage for trade in trades))
    assert figures.net_quote == pytest.approx(
        figures.gross_quote - figures.slippage_quote - figures.fee_quote  # type: ignore[operator]
    )
    assert figures.avg_minutes == 60


def test_figures_of_trades_are_those_of_their_results_in_closing_order() -> None:
    trades = trades_of(*TRADES5)
    figures = figures_of(columns_of(reversed(trades)))
    of_results = figures_of_pnl([trade.pnl_pct for trade in trades])
    assert figures.max_drawdown_pct == of_results.max_drawdown_pct == pytest.approx(2)
    assert figures.net_quote == pytest.approx(3)


def test_pooled_trades_do_not_depend_on_the_order_of_the_symbols() -> None:
    at_ms = START_MS + 5 * MINUTE_MS
    pool = [a_trade(symbol=s, opened_at_ms=at_ms, price_close=p) for s, p in (("A", 99.0), ("B", 102.0), ("C", 100.3))]
    assert figures_of(columns_of(pool)) == figures_of(columns_of(pool[::-1]))


any_float = st.floats(allow_nan=True, allow_infinity=True)


@given(st.lists(any_float, max_size=30) | st.lists(st.sampled_from([0.0, 1e-320, -1e-320, 1e308, -1e308, 0.1])))
def test_no_figure_is_ever_nan_or_infinite(pnl: list[float]) -> None:
    for name, value in asdict(figures_of_pnl(pnl)).items():
        assert value is None or math.isfinite(value), name


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=50))
def test_figures_agree_with_each_other(pnl: list[float]) -> None:
    figures = figures_of_pnl(pnl)
    assert figures.wins + figures.losses <= figures.trades == len(pnl)
    assert figures.avg_pnl_pct == pytest.approx(figures.expectancy_pct, abs=1e-9)
    assert figures.total_pnl_pct == pytest.approx(math.fsum(pnl))
    assert figures.max_drawdown_pct is not None
    assert figures.max_drawdown_pct >= max(0.0, -math.fsum(pnl)) - 1e-9
    assert max(figures.longest_win_streak, figures.longest_loss_streak) <= len(pnl)


def with_paths(*trades: tuple[float, float, float, bool]) -> TradeColumns:
    """Return trades of `(pnl, mae, mfe, is_ambiguous)`."""
    pnl, mae, mfe, doubts = zip(*trades, strict=True)
    return replace(
        columns_of(trades_of(*pnl)), mae_pct=np.array(mae), mfe_pct=np.array(mfe), is_ambiguous=np.array(doubts)
    )


def test_five_trades_have_sums_of_both_kinds_and_a_median() -> None:
    figures = figures_of(columns_of(trades_of(*TRADES5)))
    assert (figures.sum_wins_pct, figures.sum_losses_pct) == pytest.approx((6, -3))
    assert (figures.sum_wins_quote, figures.sum_losses_quote) == pytest.approx((6, -3))
    assert figures.median_pnl_pct == pytest.approx(1)
    assert figures.breakevens == 0
    assert figures_of_pnl([0.0, 1.0, 0.0]).breakevens == 2


def test_time_is_averaged_over_wins_and_losses_apart() -> None:
    trades = [a_trade(minutes=m, price_close=p) for m, p in ((30, 102.0), (50, 103.0), (90, 90.0))]
    figures = figures_of(columns_of(trades))
    assert (figures.avg_win_minutes, figures.avg_loss_minutes) == (40, 90)
    assert figures.avg_minutes == pytest.approx(170 / 3)
    assert figures_of(columns_of(trades[:2])).avg_loss_minutes is None


def test_excursions_are_averaged_and_the_worst_is_named() -> None:
    figures = figures_of(with_paths((2.0, -1.0, 3.0, False), (-2.0, -4.0, 1.0, False)))
    assert (figures.avg_mae_pct, figures.avg_mfe_pct, figures.worst_mae_pct) == (-2.5, 2, -4)
    assert (figures.ambiguous_exits, figures.ambiguous_pnl_pct, figures.ambiguous_share_pct) == (0, 0, 0)


def test_ambiguous_exits_are_counted_with_their_result_and_their_share_of_all_that_was_won_and_lost() -> None:
    figures = figures_of(with_paths((2.0, 0.0, 3.0, False), (-2.0, -4.0, 1.0, True), (1.0, 0.0, 1.0, True)))
    assert figures.ambiguous_exits == 2
    assert figures.ambiguous_pnl_pct == pytest.approx(-1)
    assert figures.ambiguous_share_pct == pytest.approx(60)


def test_one_unknown_path_leaves_excursions_and_doubts_unknown() -> None:
    figures = figures_of(with_paths((2.0, 0.0, 3.0, True), (-2.0, math.nan, math.nan, False)))
    assert {figures.avg_mae_pct, figures.avg_mfe_pct, figures.worst_mae_pct} == {None}
    assert {figures.ambiguous_exits, figures.ambiguous_pnl_pct, figures.ambiguous_share_pct} == {None}


def test_where_nothing_was_won_or_lost_doubtful_exits_have_no_share() -> None:
    figures = figures_of(with_paths((0.0, -1.0, 1.0, True)))
    assert (figures.ambiguous_exits, figures.ambiguous_share_pct) == (1, None)


def test_trades_a_year_follow_the_pace_of_the_frame() -> None:
    assert expected_yearly_trades(27, 27 * DAY_MS) == pytest.approx(365)
    assert expected_yearly_trades(0, DAY_MS) == 0
    assert expected_yearly_trades(5, 0) is None


def test_two_thousand_trades_are_all_counted() -> None:
    figures = figures_of(columns_of(trades_of(*[1.0] * 1500, *[-1.0] * 500)))
    assert (figures.trades, figures.wins, figures.losses) == (2000, 1500, 500)
    assert (figures.longest_win_streak, figures.longest_loss_streak) == (1500, 500)
    assert figures.total_pnl_pct == pytest.approx(1000)


@given(st.lists(st.tuples(any_float, any_float, any_float, st.booleans()), min_size=1, max_size=12))
def test_no_figure_of_trades_is_nan_or_infinite_whatever_they_hold(
    rows: list[tuple[float, float, float, bool]],
) -> None:
    first, second, third, doubts = (np.array(column) for column in zip(*rows, strict=True))
    trades = replace(
        columns_of(trades_of(*[1.0] * len(rows))),
        **dict.fromkeys(("pnl_pct", "net_quote"), first),
        **dict.fromkeys(("mae_pct", "gross_quote", "fee_quote"), second),
        **dict.fromkeys(("mfe_pct", "slippage_quote", "invested_quote"), third),
        is_ambiguous=doubts,
    )
    for name, value in asdict(figures_of(trades)).items():
        assert value is None or math.isfinite(value), name
    frame = {"start_ms": START_MS, "end_ms": START_MS + 20 * DAY_MS}
    held = HeldMoney(trades.opened_at_ms, trades.invested_quote)
    for name, value in asdict(activity_of(trades, held, **frame, sessions=1, capital_quote=rows[0][0])).items():
        assert value is None or math.isfinite(value), name

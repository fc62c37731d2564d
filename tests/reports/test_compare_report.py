"""Two runs held against each other: over what they share, with what differs in them, as text and as a file."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtestkit_cli.analytics.matching import Match
from backtestkit_cli.analytics.outcome import Failure
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError, OutputError, UnknownNameError
from backtestkit_cli.reports.comparison.input_differences import InputDifference
from backtestkit_cli.reports.markdown.compare import SHOWN_TRADES, get_data, get_report, write_comparison
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import load_run
from tests.builders import START_MS, a_record, a_session, a_trade
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section

DAYS = 14


def daily(pnl: Sequence[float], *, first_day: int = 0, **trade: Any) -> list[Trade]:
    return [
        a_trade(
            opened_at_ms=START_MS + (first_day + day) * DAY_MS + HOUR_MS,
            price_close=100 + one,
            **trade,
        )
        for day, one in enumerate(pnl)
    ]


def a_run(*trades: Trade, run_id: str = "sma_cross-a", days: int = DAYS, first_day: int = 0, **facts: Any) -> RunRecord:
    names = sorted({(trade.symbol, trade.strategy) for trade in trades} or {("BTCUSDT", "sma_cross")})
    sessions = [
        a_session(
            *(trade for trade in trades if (trade.symbol, trade.strategy) == name),
            symbol=name[0],
            strategy=name[1],
            marks=tuple((START_MS + day * DAY_MS, 100.0) for day in range(first_day + 1, first_day + days + 1)),
        )
        for name in names
    ]
    frame = {"start_ms": START_MS + first_day * DAY_MS, "end_ms": START_MS + (first_day + days) * DAY_MS}
    return a_record(*sessions, run_id=run_id, **frame | facts)


PNL = np.random.default_rng(1).normal(0.5, 1.5, DAYS).tolist()
A = a_run(*daily(PNL))
B = a_run(*daily([one + 0.5 for one in PNL]), run_id="sma_cross-b")


def test_a_figure_is_a_row_with_both_values_the_difference_its_interval_and_what_it_says() -> None:
    figures = section(get_report(A, B), "Figures")
    assert cells_of(figures, "Figure") == ["Figure", "A", "B", "B - A", "95 % interval", "B above A", "What it says"]
    row = cells_of(figures, "Average PNL")
    assert row[3:] == ["+0.50 pp", "+0.50 to +0.50 pp", "100.00 %", "B is higher"]
    assert cells_of(figures, "Trades") == ["Trades", "14", "14", "0", "0 to 0", "50.00 %", "no difference"]
    assert cells_of(figures, "Max drawdown")[4:] == ["N/A", "N/A", ""]
    assert "No interval of Max drawdown: the order of days matters." in figures
    assert "drawn in blocks of consecutive days and for both runs together" in figures


def test_a_share_that_seems_sure_beside_a_difference_that_may_be_chance_is_explained() -> None:
    assert "a share near 0 % or 100 % may still be chance" in get_report(A, B)


def test_swapped_runs_differ_by_the_opposite() -> None:
    assert cells_of(get_report(B, A), "Average PNL")[3:] == [
        *("-0.50 pp", "-0.50 to -0.50 pp", "0.00 %", "B is lower"),
    ]


def test_a_run_against_itself_differs_in_nothing() -> None:
    data, text = get_data(A, A), get_report(A, A)
    assert {one.delta for one in (*data.figures, *data.account)} <= {0, None}
    assert {one.interval[:2] for one in data.figures if one.interval is not None} == {(0, 0)}
    assert (data.inputs, data.unlike) == ((), ())
    assert [group.trades for group in data.matches] == [DAYS, 0, 0, 0]
    assert "Nothing: both runs were computed from the same strategy" in text
    assert "## Trades that differ" not in text


def test_accounts_are_compared_where_the_frames_are_the_same() -> None:
    text = get_report(A, B)
    account = section(text, "Account")
    assert cells_of(account, "Return")[6] == "B is higher"
    assert "The accounts began with 100.10 and 100.10 in quote money." in account
    assert "## Account" not in get_report(A, a_run(*daily(PNL), days=DAYS + 1))


def test_what_the_runs_were_computed_from_is_named_where_it_differs() -> None:
    settings = {"sma_cross": Settings(fee_pct=0.05, fill_model=FillModelName.CANDLE)}
    other = a_run(run_id="sma_cross-b", settings=settings, strategies={"sma_cross": "cd" * 32}, version="0.2.0")
    assert get_data(A, other).inputs == (
        InputDifference("settings.fee_pct", 0.1, 0.05),
        InputDifference("settings.fill_model", "vwap", "candle"),
        InputDifference("strategies.source_sha256", "ab" * 32, "cd" * 32),
        InputDifference("versions.btk", "0.1.0", "0.2.0"),
    )
    inputs = section(get_report(A, other), "What differs in the inputs")
    assert cells_of(inputs, "settings.fee_pct") == ["settings.fee_pct", "0.1", "0.05"]
    assert cells_of(inputs, "strategies.source_sha256") == ["strategies.source_sha256", "ab" * 6, "cd" * 6]


def test_parts_of_a_coordinated_run_are_named_by_their_place() -> None:
    a, b = coordinated_record(), coordinated_record("risks.careful.max_open=2", "portfolio.balance=2000")
    found = {one.name: (one.a, one.b) for one in get_data(a, b).inputs}
    assert found == {"portfolio.balance": (1000, 2000), "risks.careful.max_open": (3, 2)}


def test_where_the_difference_comes_from_adds_up_to_the_total() -> None:
    shared, later = daily(PNL[:10]), daily(PNL[:2], first_day=12)
    b = a_run(*shared[:8], *daily([3.0], first_day=8), *later, run_id="sma_cross-b")
    data = get_data(a_run(*shared), b)
    assert [(group.match, group.trades) for group in data.matches] == [
        (Match.SAME, 8),
        (Match.ENDED_OTHERWISE, 1),
        (Match.ONLY_A, 1),
        (Match.ONLY_B, 2),
    ]
    (total,) = [one for one in data.figures if one.name == "total_pnl_pct"]
    assert sum(group.delta_pct or 0 for group in data.matches) == pytest.approx(total.delta)
    assert [(one.a is None, one.b is None) for one in data.unlike].count((True, False)) == 2
    sizes = [abs(one.delta_pct) for one in data.unlike]
    assert sizes == sorted(sizes, reverse=True)


def test_each_symbol_has_its_row() -> None:
    a = a_run(*daily(PNL), *daily(PNL, symbol="ETHUSDT"))
    b = a_run(*daily(PNL), *daily([one + 1 for one in PNL], symbol="ETHUSDT"), run_id="sma_cross-b")
    rows = section(get_report(a, b), "By symbol")
    assert cells_of(rows, "BTCUSDT")[7] == "0.00 pp"
    # A little less than 14: the exit costs a share of its own value.
    assert cells_of(rows, "ETHUSDT")[7] == "+13.96 pp"


def test_trades_that_differ_are_capped_in_the_text_and_all_count() -> None:
    pnl = np.random.default_rng(2).normal(0, 1, 120).tolist()
    data = get_data(
        a_run(*daily(pnl), days=120), a_run(*daily([one + 1 for one in pnl]), days=120, run_id="sma_cross-b")
    )
    assert len(data.unlike) == 120
    text = section(get_report(data.a.record, data.b.record), "Trades that differ")
    assert f"The {SHOWN_TRADES} of 120" in text
    assert text.count("| BTCUSDT |") == SHOWN_TRADES


def test_frames_that_overlap_are_compared_over_what_both_saw() -> None:
    later = a_run(*daily(PNL, first_day=2), first_day=2, run_id="sma_cross-b")
    data = get_data(A, later)
    assert (data.start_ms, data.end_ms) == (START_MS + 2 * DAY_MS, START_MS + DAYS * DAY_MS)
    assert {(one.a, one.b) for one in data.figures if one.name == "trades"} == {(12, 12)}
    assert data.account == ()
    assert "the frames differ: only trades count that opened and closed within" in get_report(A, later)


def test_symbols_that_only_one_run_has_or_that_failed_are_left_out_and_named() -> None:
    a = a_run(*daily(PNL), *daily(PNL, symbol="SOLUSDT"), *daily(PNL, symbol="XRPUSDT"))
    sessions = [
        a_session(*daily(PNL)),
        a_session(symbol="ETHUSDT"),
        a_session(symbol="XRPUSDT", error="no candles", failure=Failure.DATA),
    ]
    b = a_record(*sessions, run_id="sma_cross-b", end_ms=START_MS + DAYS * DAY_MS)
    data = get_data(a, b)
    assert data.symbols == ("BTCUSDT",)
    assert data.left_out == {"ETHUSDT": "only in B", "SOLUSDT": "only in A", "XRPUSDT": "failed in B"}
    assert {(one.a, one.b) for one in data.figures if one.name == "trades"} == {(14, 14)}
    assert "left out, failed in B: XRPUSDT" in get_report(a, b)


def test_two_strategies_of_one_run_are_compared_with_each_other() -> None:
    trades = [*daily(PNL, strategy="near"), *daily([one - 1 for one in PNL], strategy="far")]
    settings = {"near": Settings(), "far": Settings(max_minutes=60)}
    run = a_run(*trades, run_id="near_far-a", settings=settings)
    data = get_data(run, run, strategy_a="near", strategy_b="far")
    assert {one.name: one.delta for one in data.figures}["avg_pnl_pct"] == pytest.approx(-1, abs=0.01)
    assert [group.trades for group in data.matches] == [0, DAYS, 0, 0]
    assert [(one.name, one.a, one.b) for one in data.inputs] == [
        ("settings.max_minutes", 1440, 60),
        ("strategy", "near", "far"),
    ]
    text = get_report(run, run, strategy_a="near", strategy_b="far")
    assert text.startswith("# Comparison: near_far-a:near and near_far-a:far\n")
    assert {one.name: one.delta for one in get_data(run, run).figures}["trades"] == 0
    with pytest.raises(UnknownNameError, match="did you mean 'near'"):
        get_data(run, run, strategy_a="neer", strategy_b="far")


def test_runs_of_several_strategies_are_compared_strategy_by_strategy() -> None:
    trades = [*daily(PNL, strategy="near"), *daily(PNL, strategy="far")]
    a, b = a_run(*trades), a_run(*daily(PNL, strategy="far"), run_id="b", symbols=("BTCUSDT",))
    assert [group.trades for group in get_data(a, b).matches] == [DAYS, 0, DAYS, 0]
    assert "at the same time and on the same side, by the same strategy" in get_report(a, a)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (a_run(first_day=20, run_id="b"), r"expected frames that overlap, found 2025-05-04 00:00 to .* and 2025-05-24"),
        (a_run(*daily(PNL, symbol="ETHUSDT"), run_id="b"), "expected a symbol in both, found BTCUSDT and ETHUSDT"),
        (
            a_record(a_session(error="raised", failure=Failure.STRATEGY), run_id="b"),
            "expected a symbol that both finished, found none: BTCUSDT failed in B",
        ),
    ],
    ids=["frames", "symbols", "failed"],
)
def test_runs_with_nothing_in_common_are_one_clear_line(other: RunRecord, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^cannot compare sma_cross-a and b: {message}") as found:
        get_data(A, other)
    assert "\n" not in str(found.value)
    assert found.value.exit_code == 2


def test_a_run_without_trades_can_be_compared() -> None:
    text = get_report(a_run(), a_run(run_id="b"))
    assert cells_of(text, "Win rate")[1:4] == ["N/A", "N/A", "N/A"]
    assert cells_of(section(text, "Figures"), "Total PNL")[1:4] == ["N/A", "N/A", "N/A"]
    assert cells_of(text, "Net quote")[1:4] == ["0.00", "0.00", "0.00"]
    assert not {"nan", "inf", "-inf"} & set(text.lower().split())


def test_the_file_has_the_text_also_of_saved_runs_and_a_name_that_is_never_too_long(tmp_path: Path) -> None:
    path = write_comparison(get_data(A, B), tmp_path)
    assert path == tmp_path / "compare" / "sma_cross-a--sma_cross-b.md"
    assert path.read_text() == get_report(A, B)
    saved = [load_run(write_run(record, tmp_path)) for record in (A, B)]
    assert get_report(*saved) == get_report(A, B)
    long = [a_run(run_id=letter * 120) for letter in "xy"]
    paths = [write_comparison(get_data(*pair), tmp_path) for pair in (long, long[::-1])]
    assert len(set(paths)) == 2
    assert all(len(one.name) < 120 for one in paths)


def test_a_file_in_the_way_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "compare").write_text("")
    with pytest.raises(OutputError, match="expected a folder"):
        write_comparison(get_data(A, B), tmp_path)

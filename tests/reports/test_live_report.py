"""The report of a run under way: every event is a row, and the numbers above are those of the rows."""

import math
from dataclasses import asdict
from pathlib import Path

import pytest

from backtestkit_cli.analytics.trade_figures import figures_of
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.events.facts import ErrorOccurred, Event, LossLevelReached, PositionClosed, PositionOpened
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.markdown.live import get_data, get_report
from backtestkit_cli.reports.saved.record import RunRecord
from tests.builders import START_MS, a_position, a_record, a_session, a_trade, trades_of
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section

TRADES5 = (2.0, -1.0, 3.0, -2.0, 1.0)


def a_live_record(*events: Event, mode: str = "live", **facts: object) -> RunRecord:
    return a_record(a_session(), events=events, mode=mode, **facts)


def closings_of(*pnl_pct: float) -> list[Event]:
    return [PositionClosed(trade.closed_at_ms, "sma_cross", "BTCUSDT", trade) for trade in trades_of(*pnl_pct)]


def test_five_trades_with_known_figures_in_live_mode() -> None:
    data = get_data(a_live_record(*closings_of(*TRADES5)), "sma_cross")
    figures = data.figures
    assert (data.total_events, figures.trades, figures.wins, figures.losses) == (5, 5, 3, 2)
    assert figures.win_rate_pct == pytest.approx(60)
    assert figures.avg_pnl_pct == pytest.approx(0.6)
    assert figures.total_pnl_pct == pytest.approx(3)
    assert figures.avg_win_pct == pytest.approx(2)
    assert figures.avg_loss_pct == pytest.approx(-1.5)
    assert figures.certainty_ratio == pytest.approx(4 / 3)
    assert figures.profit_factor == pytest.approx(2)
    assert figures.expectancy_pct == pytest.approx(0.6)
    assert figures.std_dev_pct == pytest.approx(2.07364, abs=5e-6)
    assert figures.sharpe_ratio == pytest.approx(0.28935, abs=5e-6)
    assert figures.sharpe_annualized == pytest.approx(5.5280, abs=1e-4)
    assert figures.max_drawdown_pct == pytest.approx(2)
    assert (figures.longest_win_streak, figures.longest_loss_streak) == (1, 1)
    assert figures.avg_minutes == 60


def test_the_report_shows_the_known_figures_of_five_trades() -> None:
    results = section(get_report(a_live_record(*closings_of(*TRADES5)), "sma_cross") or "", "Results")
    shown = {
        "Total events": "5",
        "Closed": "5",
        "Win rate": "60.00 % (3W / 2L)",
        "Average PNL": "+0.60 %",
        "Total PNL": "+3.00 %",
        "Sharpe per trade": "0.29",
        "Sharpe per trade × √365": "5.53",
        "Certainty ratio": "1.33",
        "Profit factor": "2.00",
        "Max drawdown of the summed PNL": "2.00 %",
        "Average duration": "1 hour",
    }
    for title, value in shown.items():
        assert cells_of(results, title) == [title, value]


def test_the_numbers_above_are_those_of_the_rows_and_of_the_trades() -> None:
    record = coordinated_record()
    data = get_data(record, "sma_cross")
    closed = [row for row in data.rows if row.action == "closed"]
    pnl = [row.pnl_pct for row in closed if row.pnl_pct is not None]
    assert data.total_events == len(data.rows) > 250
    assert data.figures.trades == len(closed) == len(pnl)
    assert data.figures.wins == sum(one > 0 for one in pnl)
    assert data.figures.avg_pnl_pct == pytest.approx(math.fsum(pnl) / len(pnl))
    expected = asdict(figures_of(record.trades_of("sma_cross")))
    for name, value in asdict(data.figures).items():
        if value is not None:
            assert value == pytest.approx(expected[name]), name
    text = get_report(record, "sma_cross") or ""
    assert cells_of(text, "Total events") == ["Total events", f"{data.total_events:,}"]
    assert cells_of(text, "Win rate")[1].endswith(f"({data.figures.wins}W / {data.figures.losses}L)")


def test_an_event_is_a_row_with_the_documented_columns() -> None:
    trade = a_trade(note="breakout", reason=CloseReason.STOP_LOSS, price_close=98.0, minutes=90)
    opened = PositionOpened(START_MS, "sma_cross", "BTCUSDT", 100.0, a_position(note="breakout"))
    closed = PositionClosed(trade.closed_at_ms, "sma_cross", "BTCUSDT", trade)
    events = section(get_report(a_live_record(opened, closed), "sma_cross") or "", "Events")
    titles = [*("Timestamp (UTC)", "Action", "Symbol", "Signal ID", "Position", "Note", "Current price", "Open price")]
    titles += ["Take profit", "Stop loss", "PNL (net)", "Close reason", "Duration"]
    assert cells_of(events, "Timestamp (UTC)") == titles
    name = f"`{trade.id}`"
    assert cells_of(events, "2025-05-04 00:00") == [
        *("2025-05-04 00:00", "opened", "BTCUSDT", name, "long", "breakout"),
        *("100", "100", "102", "98", "", "", "0 minutes"),
    ]
    assert cells_of(events, "2025-05-04 01:30") == [
        *("2025-05-04 01:30", "closed", "BTCUSDT", name, "long", "breakout"),
        *("98", "100", "102", "98", "-2.39 %", "stop_loss", "90 minutes"),
    ]


def test_what_went_wrong_and_what_levels_were_reached_are_rows_too() -> None:
    level = LossLevelReached(START_MS, "sma_cross", "BTCUSDT", 99.0, 50, 50.1, a_position())
    error = ErrorOccurred(START_MS + MINUTE_MS, "sma_cross", "BTCUSDT", "listener", "no | such thing", "")
    rows = get_data(a_live_record(level, error), "sma_cross").rows
    assert [(row.action, row.note) for row in rows] == [("loss level 50 %", ""), ("error", "listener: no | such thing")]
    text = get_report(a_live_record(level, error), "sma_cross") or ""
    assert r"no \| such thing" in text
    assert cells_of(text, "Win rate") == ["Win rate", "N/A"]


def test_at_most_250_events_are_shown_newest_last_and_the_totals_count_all() -> None:
    text = get_report(a_live_record(*closings_of(*[1.0, -0.5] * 1_000)), "sma_cross") or ""
    events = section(text, "Events")
    assert "The last 250 of 2,000" in events
    times = [line[2:18] for line in events.splitlines() if line.startswith("| 2025")]
    assert len(times) == 250
    assert times == sorted(times)
    assert cells_of(text, "Closed") == ["Closed", "2,000"]


def test_a_live_run_writes_it_and_a_backtest_leaves_what_a_live_run_wrote(tmp_path: Path) -> None:
    live = a_live_record(*closings_of(1.0))
    file = tmp_path / "live" / "sma_cross.md"
    assert file in write_reports(live, tmp_path)
    assert file.read_text() == get_report(live, "sma_cross")
    backtest = a_live_record(*closings_of(1.0, 2.0), mode="backtest")
    assert file not in write_reports(backtest, tmp_path)
    assert file.read_text() == get_report(live, "sma_cross")
    assert "| Total events " in (get_report(backtest, "sma_cross") or "")


def test_the_report_of_a_live_run_is_another_file_after_each_close(tmp_path: Path) -> None:
    closings = closings_of(*TRADES5)
    file, before = tmp_path / "live" / "sma_cross.md", ""
    for count in range(1, len(closings) + 1):
        write_reports(a_live_record(*closings[:count]), tmp_path)
        assert cells_of(file.read_text(), "Closed") == ["Closed", str(count)]
        assert file.read_text() != before
        before = file.read_text()


def test_a_run_in_which_nothing_happened_has_no_report_and_an_unknown_strategy_is_named() -> None:
    assert get_report(a_live_record(), "sma_cross") is None
    with pytest.raises(UnknownNameError, match="did you mean 'sma_cross'"):
        get_report(a_live_record(), "sma_cros")

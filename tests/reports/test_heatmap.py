"""The heatmap report: its Markdown says what its numbers say, and so do its files."""

import json
import math
from pathlib import Path

import pytest

from backtestkit_cli.analytics.account_figures import account_figures
from backtestkit_cli.analytics.outcome import Failure
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import OutputError, UnknownNameError
from backtestkit_cli.reports.account import account_line, daily_curve
from backtestkit_cli.reports.figure_columns import ACCOUNT_COLUMNS
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS
from backtestkit_cli.reports.heat_tables import INK, ON_PAPER, WHITE, hex_text
from backtestkit_cli.reports.heatmap_file import write
from backtestkit_cli.reports.markdown.heatmap import get_data, get_document, get_report
from backtestkit_cli.reports.markdown.kinds import report, write_reports
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import load_run
from backtestkit_cli.reports.tables import Unit, number_text
from tests.builders import START_MS, a_record, a_session, a_trade, trades_of
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section

TRADES5 = (2.0, -1.0, 3.0, -2.0, 1.0)
FREE = {"sma_cross": Settings(fee_pct=0.0, slippage_pct=0.0)}


def three_symbols() -> RunRecord:
    return a_record(
        a_session(*trades_of(*TRADES5), symbol="BTCUSDT"),
        a_session(*trades_of(-2.0, 1.0, symbol="ETHUSDT"), symbol="ETHUSDT"),
        a_session(symbol="ADAUSDT"),
        settings=FREE,
    )


def text_of(record: RunRecord, strategy: str = "sma_cross", sort_by: str = "sharpe_ratio") -> str:
    text = get_report(record, strategy, sort_by=sort_by)
    assert text is not None
    return text


def test_the_text_has_all_metrics_of_each_symbol_sorted_by_sharpe() -> None:
    """A158, A159: the golden numbers of TRADES5, what is undefined last and as N/A, no NaN."""
    text = text_of(three_symbols(), "sma_cross")
    table = section(text, "Symbols")
    titles = cells_of(table, "Symbol")
    cells = dict(zip(titles, cells_of(table, "BTCUSDT"), strict=True))
    assert cells == {
        "Symbol": "BTCUSDT",
        "Trades": "5",
        "Win rate": "60.00 %",
        "Total PNL": "+3.00 %",
        "Avg PNL": "+0.60 %",
        "Deviation": "2.07 %",
        "Sharpe": "0.29",
        "Sharpe annualised": "5.53",
        "Profit factor": "2.00",
        "Expectancy": "+0.60 %",
        "Avg win": "+2.00 %",
        "Avg loss": "-1.50 %",
        "Certainty ratio": "1.33",
        "Max drawdown": "2.00 %",
        "Win streak": "1",
        "Loss streak": "1",
        "Net quote": "3.00",
        "Costs": "0.00",
        "Exposure": "10.42 %",
    }
    assert titles[1:] == [column.title for column in HEAT_COLUMNS]
    assert (
        table.index("| BTCUSDT") < table.index("| ETHUSDT") < table.index("| ADAUSDT") < table.index("**All pooled**")
    )
    assert cells_of(table, "ADAUSDT")[2:13] == ["N/A"] * 11
    assert "nan" not in text.lower().replace("binance", "")


def test_the_pooled_row_and_the_portfolio_row_are_of_all_together() -> None:
    """A159, A161: symbols, trades and total PNL, and the figures of the one account."""
    record = three_symbols()
    text, data = text_of(record, "sma_cross"), get_data(record, "sma_cross")
    pooled = cells_of(section(text, "Symbols"), "All pooled")
    assert pooled[1:4] == ["7", "57.14 %", "+2.00 %"]
    assert pooled[6] == number_text(data.pooled.figures.sharpe_ratio, Unit.RATIO)
    lines = section(text, "Portfolio").strip().splitlines()
    titles, cells = ([cell.strip() for cell in lines[number].strip("|").split(" | ")] for number in (0, 2))
    row = dict(zip(titles, cells, strict=True))
    assert (row["Symbols"], row["Trades"], row["Total PNL"]) == ("3", "7", "+2.00 %")
    figures = account_figures(daily_curve(record, "sma_cross"))
    assert data.portfolio == figures
    assert {title: row[title] for _, title, _ in ACCOUNT_COLUMNS} == {
        title: number_text(getattr(figures, key), unit) for key, title, unit in ACCOUNT_COLUMNS
    }


def test_the_portfolio_row_of_a_run_with_an_account_is_that_account() -> None:
    record = coordinated_record()
    data = get_data(record)
    assert record.account is not None
    assert data.balance_quote == record.account["balance"]
    assert data.portfolio.return_pct == pytest.approx(record.account["return_pct"])
    assert account_line(data.portfolio, data.balance_quote).startswith("Account of 1,000.00: Return ")


def test_months_sum_up_to_the_totals_in_the_text() -> None:
    trades = [
        a_trade(opened_at_ms=START_MS + day * DAY_MS, price_close=price) for day, price in ((1, 102.0), (40, 97.0))
    ]
    record = a_record(a_session(*trades, days=60), end_ms=START_MS + 60 * DAY_MS)
    months = section(text_of(record, "sma_cross"), "Months")
    assert cells_of(months, "Symbol") == ["Symbol", "2025-05", "2025-06", "2025-07", "Total"]
    numbers = [cell.removesuffix(" %") for cell in cells_of(months, "BTCUSDT")[1:]]
    assert numbers[2] == "N/A"
    assert float(numbers[0]) + float(numbers[1]) == pytest.approx(float(numbers[3]), abs=0.011)
    assert cells_of(months, "All pooled")[1:] == cells_of(months, "BTCUSDT")[1:]


def test_a_metric_to_sort_by_can_be_chosen_and_an_unknown_one_is_named() -> None:
    record = three_symbols()
    assert [row.symbol for row in get_data(record, sort_by="trades").rows] == ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
    assert [row.symbol for row in get_data(record, sort_by="costs_quote").rows] == ["BTCUSDT", "ETHUSDT", "ADAUSDT"]
    assert get_data(record, sort_by="longest_loss_streak").rows[0].symbol == "ADAUSDT"
    assert "by Max drawdown, the lowest first" in text_of(record, "sma_cross", sort_by="max_drawdown_pct")
    with pytest.raises(UnknownNameError, match=r"^unknown metric 'sharp_ratio'; did you mean 'sharpe_ratio'"):
        get_data(record, sort_by="sharp_ratio")
    with pytest.raises(UnknownNameError, match="unknown strategy 'no'"):
        text_of(record, "no")


def test_a_run_without_trades_has_no_files_and_those_of_an_earlier_run_are_gone(tmp_path: Path) -> None:
    assert len(write(three_symbols(), "sma_cross", tmp_path, chart_format="svg")) == 4
    assert report.heatmap.nothing == "no position was closed"
    assert get_report(a_record(a_session()), "sma_cross") is None
    assert write(a_record(a_session()), "sma_cross", tmp_path, chart_format="svg") == []
    assert list((tmp_path / "heatmap").iterdir()) == []


def test_a_failed_symbol_is_marked() -> None:
    failed = a_session(symbol="X", candles=None, error="X: no candles", failure=Failure.DATA)
    record = a_record(a_session(a_trade()), failed)
    assert cells_of(text_of(record, "sma_cross"), "X (failed)")[1] == "0"
    by_symbol = {one["symbol"]: one for one in get_document(record, "sma_cross")["symbols"]}
    assert (by_symbol["X"]["error"], by_symbol["BTCUSDT"]["error"]) == ("X: no candles", None)


def test_symbols_with_odd_characters_do_not_break_the_table() -> None:
    odd = ("A|B", "$5_x%", "测试/USDT", "`x`")
    text = text_of(a_record(*(a_session(a_trade(symbol=one), symbol=one) for one in odd)), "sma_cross")
    lines = section(text, "Symbols").split("\n\n")[1].splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(HEAT_COLUMNS) + 2}


def test_several_strategies_are_pooled_per_symbol_where_none_is_named() -> None:
    record = a_record(
        a_session(*trades_of(1.0, 2.0)),
        a_session(a_trade(strategy="other"), strategy="other"),
        settings=FREE | {"other": Settings()},
    )
    assert [row.figures.trades for row in get_data(record).rows] == [3]
    assert [row.figures.trades for row in get_data(record, "other").rows] == [1]


def test_the_json_file_has_the_numbers_of_the_data_and_the_run_writes_it(tmp_path: Path) -> None:
    """A150, A160: `heatmap/<strategy>.md` and `.json`, the same bytes from a saved run."""
    record = three_symbols()
    written = write_reports(record, tmp_path / "run")
    names = [str(path.relative_to(tmp_path / "run")) for path in written]
    assert {"heatmap/sma_cross.md", "heatmap/sma_cross.json"} <= set(names)
    again = write(load_run(write_run(record, tmp_path)), "sma_cross", tmp_path / "again")
    for path in again:
        assert path.read_bytes() == (tmp_path / "run" / path.relative_to(tmp_path / "again")).read_bytes()
    document = json.loads(again[1].read_text(encoding="utf-8"), parse_constant=pytest.fail)
    data = report.heatmap.get_data(record, "sma_cross")
    for row, saved in zip(data.rows, document["symbols"], strict=True):
        assert saved["symbol"] == row.symbol
        assert {column.key: saved[column.key] for column in HEAT_COLUMNS} == {
            column.key: row.metric(column.key) for column in HEAT_COLUMNS
        }
        assert tuple(saved["month_pnl_pct"]) == row.month_pnl_pct
    assert document["pooled"]["trades"] == 7
    assert document["portfolio"]["net_quote"] == data.portfolio.net_quote
    assert math.isclose(document["portfolio"]["balance_quote"], data.balance_quote or 0.0)
    assert report.heatmap.get_report(record) == again[0].read_text(encoding="utf-8")


def test_files_can_be_sorted_otherwise_and_an_unwritable_folder_is_one_line(tmp_path: Path) -> None:
    record = three_symbols()
    markdown, document = write(record, "sma_cross", tmp_path, sort_by="max_drawdown_pct")
    assert "by Max drawdown" in markdown.read_text(encoding="utf-8")
    assert json.loads(document.read_bytes())["sort_by"] == "max_drawdown_pct"
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*heatmap/sma_cross\.md: expected a folder"):
        write(record, "sma_cross", tmp_path / "file")


def test_the_colours_are_neutral_in_the_middle_and_letters_stand_out_on_all_of_them() -> None:
    assert ON_PAPER.colour(0.0) == ON_PAPER.neutral
    assert (ON_PAPER.colour(-1.0), ON_PAPER.colour(1.0)) == (ON_PAPER.worst, ON_PAPER.best)
    assert hex_text(ON_PAPER.colour(1.0)) == "#1f68b2"
    assert (ON_PAPER.letters(0.0), ON_PAPER.letters(1.0)) == (INK, WHITE)

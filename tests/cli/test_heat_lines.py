"""The heatmap on a terminal, in colour and without."""

import re

import pytest
from rich.cells import cell_len

from backtestkit_cli.cli.heat_lines import show_heatmap
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.reports.heat_columns import HEAT_COLUMNS
from backtestkit_cli.reports.markdown.heatmap import get_data
from backtestkit_cli.reports.saved.record import RunRecord
from tests.builders import a_record, a_session, trades_of


def a_run() -> RunRecord:
    return a_record(
        a_session(*trades_of(2.0, -1.0, 3.0, -2.0, 1.0)),
        a_session(*trades_of(-2.0, 1.0, symbol="ETHUSDT"), symbol="ETHUSDT"),
        a_session(symbol="ADAUSDT"),
    )


class Screen:
    """A terminal of some width in place of stdout."""

    encoding = "utf-8"

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return True


def on_a_screen(record: RunRecord, monkeypatch: pytest.MonkeyPatch, columns: int, **variables: str) -> str:
    screen = Screen()
    for name in ("NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"COLUMNS": str(columns), "TERM": "xterm", "COLORTERM": "truecolor", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", screen)
    show_heatmap(get_data(record))
    return screen.text


def test_without_a_terminal_the_tables_are_whole_and_plain_with_signs(capsys: pytest.CaptureFixture[str]) -> None:
    """A160."""
    show_heatmap(get_data(a_run(), "sma_cross"))
    text = capsys.readouterr().out
    assert "\033" not in text
    words = " ".join(text.split())
    assert all(word in words for column in HEAT_COLUMNS for word in column.title.split())
    metrics, months = text.split("\n\n")
    rows = {line.split("  ")[0]: line for line in metrics.splitlines() if line[0].isalpha()}
    assert list(rows)[1:5] == ["BTCUSDT", "ETHUSDT", "ADAUSDT", "All pooled"]
    assert "+3.00 %" in rows["BTCUSDT"]
    assert "-1.00 %" in rows["ETHUSDT"]
    assert rows["ADAUSDT"].split()[:3] == ["ADAUSDT", "0", "N/A"]
    assert rows["All pooled"].split()[2] == "7"
    assert metrics.splitlines()[-1].startswith("Account of ")
    assert [line.split()[0] for line in months.splitlines() if line[:1].isalpha()] == [
        "Symbol",
        "BTCUSDT",
        "ETHUSDT",
        "ADAUSDT",
        "All",
    ]


def test_a_terminal_shows_the_best_on_blue_and_the_worst_on_orange(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_a_screen(a_run(), monkeypatch, 200)
    months = text.split("\n\n")[-1]
    best, worst = (re.search(rf"\033\[([0-9;]*)m *{re.escape(cell)}", months) for cell in ("+3.00 %", "-1.00 %"))
    assert best
    assert worst
    assert "48;2;28;100;176" in best[1]
    assert "48;2;97;65;46" in worst[1]
    assert "\033[2m" in text


def test_no_color_leaves_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\033[" not in on_a_screen(a_run(), monkeypatch, 200, NO_COLOR="1")


def test_a_narrow_terminal_keeps_what_counts_most_and_names_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    text = on_a_screen(a_run(), monkeypatch, 60, NO_COLOR="1")
    table = text.split("(no room for ")[0].splitlines()
    assert max(map(len, table)) <= 60
    assert "Sharpe" in table[1]
    assert "Exposure" in text.split("(no room for ")[1]
    assert "…" not in text


def test_letters_of_two_places_fit_a_narrow_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = "测试测试测试测试/USDT"
    record = a_record(a_session(*trades_of(1.0, -2.0, symbol=wide), symbol=wide))
    table = on_a_screen(record, monkeypatch, 60, NO_COLOR="1").split("(no room for ")[0].splitlines()
    assert max(map(cell_len, table)) <= 60
    assert sum(line.startswith(wide) for line in table) == 1


def test_a_run_without_trades_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_heatmap(get_data(a_record(a_session())))
    assert capsys.readouterr().out == "No position was closed: there is nothing to compare.\n"


def test_an_unknown_metric_is_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown metric 'x'"):
        get_data(a_run(), sort_by="x")

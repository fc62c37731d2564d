import itertools
import re
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from time import perf_counter
from typing import Any

import orjson
import pytest

from backtestkit_cli.analytics.outcome import CandleFacts
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.events.facts import MovedBy, PositionOpened, StopMoved
from backtestkit_cli.reports.heat_tables import POOLED
from backtestkit_cli.reports.html.page import html_page
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import load_run
from backtestkit_cli.reports.tables import symbol_rows, total_row
from tests.builders import START_MS, a_position, a_record, a_session, a_trade, trades_of
from tests.coordinated_run import coordinated_record
from tests.reports.html.records import HOSTILE, a_long_record, a_varied_record, with_charts

ASSETS = Path(str(files("backtestkit_cli.reports.html"))) / "assets"


@lru_cache
def varied() -> RunRecord:
    return a_varied_record()


def content_of(record: RunRecord) -> dict[str, Any]:
    """Return the document inside the page of *record*, found the way a browser finds it."""
    after = html_page(record).decode().split('<script type="application/json" id="document">')[1]
    content: dict[str, Any] = orjson.loads(after.split("</script>")[0])
    return content


def card_of(content: dict[str, Any], title: str, group: str = "Trades") -> Any:
    cards = next(one["cards"] for one in content["figures"] if one["title"] == group)
    return next(card["value"] for card in cards if card["title"] == title)


def caution_of(content: dict[str, Any], title: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in content["warnings"] if title in one["title"])
    return found


def test_the_same_run_gives_the_same_bytes_and_so_does_the_saved_one(tmp_path: Path) -> None:
    record = a_varied_record()
    page = html_page(record)
    assert html_page(a_varied_record()) == page
    assert html_page(load_run(write_run(record, tmp_path))) == page


def test_what_an_author_wrote_cannot_end_a_script_or_become_markup() -> None:
    text = html_page(varied()).decode()
    assert HOSTILE not in text
    assert text.count("</script>") == text.count("<script") == 3
    assert text.count("<img") == 0
    content = content_of(varied())
    assert HOSTILE in content["trades"]["texts"]["note"]["names"]
    assert content["run"]["frame"].startswith(f"two {HOSTILE}")
    assert caution_of(content, "failed")["rows"] == [["FAILUSDT", "sma_cross", "strategy", "price() <failed>"]]


def test_a_name_of_a_strategy_is_escaped_in_the_title() -> None:
    name = "</title><b>"
    text = html_page(a_record(a_session(strategy=name), settings={name: Settings()}, strategies={name: ""})).decode()
    assert "<title>&lt;/title&gt;&lt;b&gt; · sma_cross-0123456789</title>" in text


def test_the_page_asks_for_nothing_and_allows_nothing_to_be_asked_for() -> None:
    text = html_page(varied()).decode()
    assert "default-src 'none'; script-src 'sha256-" in text
    assert re.findall(r"<(?:script|img|iframe|link)[^>]*(?:src|href)=\"?([^\" >]+)", text) == ["data:,"]
    assert "@import" not in text
    assert "url(" not in text.split("</style>")[0]
    own = text.rsplit("<script>", 1)[1]
    assert not re.findall("innerHTML|outerHTML|insertAdjacentHTML|document.write", own)


def test_the_chart_library_is_named_with_its_notice_and_licence() -> None:
    library = content_of(varied())["library"]
    assert library["name"] == "TradingView Lightweight Charts™"
    assert library["notice"] == "Copyright (c) 2026 TradingView, Inc. https://www.tradingview.com/"
    assert library["url"] == "https://www.tradingview.com/"
    assert "Licensed under Apache License 2.0" in html_page(varied()).decode()


def test_27_days_of_nine_symbols_are_less_than_five_megabytes_and_quickly_written() -> None:
    record = a_long_record(symbols=9, days=27, trades_each=200)
    assert (record.trades.height, record.candles.height) == (1800, 9 * 27 * 288)
    started = perf_counter()
    page = html_page(record)
    assert perf_counter() - started < 2  # the aim is 0.1 s on a machine that does nothing else
    assert len(page) < 2_000_000


def test_all_trades_are_in_the_page_with_their_numbers() -> None:
    content, record = content_of(varied())["trades"], varied()
    assert content["count"] == record.trades.height == 120
    row = record.trades["symbol"].to_list().index("ETHUSDT")
    column = {name: values[row] for name, values in content["columns"].items()}
    assert column["opened"] == START_MS + DAY_MS // 2
    assert column["minutes"] == 300
    assert (column["invested"], column["entry"], column["exit"]) == (200.0, 100.0, 101.0)
    assert column["net"] == pytest.approx(record.trades["pnl_cost"][row], rel=1e-9)
    assert column["gross"] - column["fee"] - column["slippage"] == pytest.approx(column["net"])
    texts = {name: one["names"][one["rows"][row]] for name, one in content["texts"].items()}
    assert texts == {
        "symbol": "ETHUSDT",
        "strategy": "sma_cross",
        "side": "long",
        "reason": "take_profit",
        "note": HOSTILE,
    }
    assert list(content["lists"]["fills"]) == [str(row)]
    assert content["lists"]["fills"][str(row)] == {
        "buys": [[column["opened"], 100.0, 100.0], [column["opened"] + 60 * MINUTE_MS, 99.0, 100.0]],
        "sells": [
            [column["opened"] + 120 * MINUTE_MS, 101.0, 50.0, 100.0],
            [column["opened"] + 300 * MINUTE_MS, 101.0, 100.0, 100.0],
        ],
    }


def test_a_stop_that_moved_has_all_its_places() -> None:
    position, trade = a_position(), a_trade()
    moved = START_MS + 10 * MINUTE_MS
    events = [
        PositionOpened(START_MS, "sma_cross", "BTCUSDT", 100.0, position),
        StopMoved(moved, "sma_cross", "BTCUSDT", 101.0, 99.5, MovedBy.COMMAND, position),
    ]
    record = a_record(a_session(trade, counts={"stop_moved": 1}), events=events)
    lists = content_of(record)["trades"]["lists"]
    assert lists == {"fills": {}, "stops": {"0": [[START_MS, 98.0], [moved, 99.5]]}, "targets": {}}


def test_the_figures_are_those_of_the_other_reports() -> None:
    content, record = content_of(varied()), varied()
    total = total_row(record)
    assert card_of(content, "Total PNL") == total["total_pnl_pct"]
    assert card_of(content, "Net", "Account") == pytest.approx(total["net_quote"])
    rows = content["symbols"]["rows"]
    assert [row[0] for row in rows] == ["BTCUSDT", "ETHUSDT", "FAILUSDT"]
    assert [row[4] for row in rows] == [row["total_pnl_pct"] for row in symbol_rows(record)]
    assert content["symbols"]["total"][1] == 120


def test_the_months_are_those_of_the_heatmap_and_a_month_without_trades_is_empty() -> None:
    early, late = a_trade(price_close=102.0), a_trade(symbol="ETHUSDT", opened_at_ms=START_MS + 70 * DAY_MS)
    record = a_record(a_session(early), a_session(late, symbol="ETHUSDT"), end_ms=START_MS + 80 * DAY_MS)
    months = content_of(record)["months"]
    assert months["titles"] == ["2025-05", "2025-06", "2025-07", "Total"]
    by_name = {row["name"]: row for row in months["rows"]}
    assert by_name["BTCUSDT"]["pnl_pct"] == [early.pnl_pct, None, None, early.pnl_pct]
    assert by_name["BTCUSDT"]["shades"] == [1.0, None, None, 1.0]
    assert months["rows"][-1]["name"] == POOLED
    assert by_name[POOLED]["pnl_pct"] == pytest.approx(
        [early.pnl_pct, None, late.pnl_pct, early.pnl_pct + late.pnl_pct]
    )


def test_equity_begins_with_the_money_that_was_needed_and_drawdown_is_below_its_peak() -> None:
    free = {"sma_cross": Settings(fee_pct=0, slippage_pct=0)}
    win = a_trade(price_close=110.0, minutes=60, costs=Costs(0.0, 0.0))
    loss = a_trade(symbol="ETHUSDT", price_close=80.0, opened_at_ms=START_MS + DAY_MS + 1, costs=Costs(0.0, 0.0))
    content = content_of(a_record(a_session(win), a_session(loss, symbol="ETHUSDT"), settings=free))
    equity = content["equity"]
    assert equity["at"] == [START_MS, START_MS + DAY_MS, START_MS + 2 * DAY_MS]
    assert equity["start"] == card_of(content, "Began with", "Account") == 100.0
    assert equity["equity"] == pytest.approx([100.0, 110.0, 90.0])
    assert equity["drawdown_pct"] == pytest.approx([0.0, 0.0, 100 * 20 / 110])
    assert card_of(content, "Max drawdown", "Account") == pytest.approx(100 * 20 / 110)
    assert card_of(content, "Turnover", "Activity and costs") == pytest.approx(100 + 110 + 100 + 80)
    assert "had no portfolio" in equity["basis"]


def test_a_portfolio_has_its_own_curve_cards_stops_and_refusals() -> None:
    record = coordinated_record()
    content = content_of(record)
    assert record.account is not None
    assert content["equity"]["start"] == record.account["balance"] == card_of(content, "Began with", "Account")
    assert content["equity"]["equity"][-1] == pytest.approx(record.account["equity"])
    assert caution_of(content, "The portfolio stopped")["rows"]
    assert caution_of(content, "refused by risk")["rows"]
    assert any(title == "Portfolio" for title, _ in content["assumptions"][0]["rows"])


def test_assumptions_are_those_of_the_markdown_without_its_marks() -> None:
    record = a_record(a_session(), notes={"sma_cross": "a *bold* `note` with a_name | and <tags>"})
    rows = dict(content_of(record)["assumptions"][0]["rows"])
    assert rows["Note"] == "a *bold* `note` with a_name | and <tags>"
    assert rows["Fill model"].startswith("vwap: the engine polls")
    assert rows["Run"] == "sma_cross-0123456789"


def test_missing_candles_invalid_signals_and_ambiguous_exits_are_said() -> None:
    candles = CandleFacts(count=90, minutes=100, missing=10, gaps=((0, 10 * MINUTE_MS),), fingerprint="f")
    content = content_of(a_record(a_session(candles=candles, counts={"error_occurred": 3})))
    assert caution_of(content, "Candles are missing in 1 symbol")["rows"] == [["BTCUSDT", 10, 10.0, 1, "10 minutes"]]
    assert caution_of(content, "Errors")["text"].startswith("3 in a strategy")
    assert caution_of(content, "Synthetic candles")["text"].startswith("This market is made up.")
    ambiguous = caution_of(content_of(varied()), "Ambiguous exits")["text"]
    assert ambiguous.startswith("118 of 120 (98.33 %), ")


@pytest.mark.parametrize(
    "record",
    [
        a_record(),
        a_record(a_session()),
        a_record(a_session(*trades_of(1.0))),
        with_charts(a_session()),
        with_charts(a_session(a_trade(strategy="a"), strategy="a"), a_session(strategy="b")),
        replace(a_record(a_session(*trades_of(-100.0))), account_curve=None),
    ],
    ids=["nothing", "no trades", "one trade", "candles only", "two strategies", "a total loss"],
)
def test_a_page_has_no_number_that_is_not_one(record: RunRecord) -> None:
    text = html_page(record).decode()
    assert not re.search(r"[:,\[](NaN|-?Infinity)\b", text.split('id="document">')[1].split("</script>")[0])
    content = content_of(record)
    assert content["trades"]["count"] == record.trades.height
    assert len(content["symbols"]["total"]) == len(content["symbols"]["columns"])


def test_our_own_assets_are_lines_that_people_can_read() -> None:
    own = [path for path in ASSETS.iterdir() if not path.name.startswith("lightweight-charts")]
    lines = {path.name: path.read_text(encoding="utf-8").splitlines() for path in own}
    assert [(name, line) for name, text in lines.items() for line in text if len(line) > 120] == []
    assert max(len(text) for text in lines.values()) <= 300


def test_texts_have_enough_contrast_in_both_themes() -> None:
    themes = re.findall(r":root[^{]*{([^}]*)}", (ASSETS / "page.css").read_text(encoding="utf-8"))
    assert len(themes) == 2
    for theme in themes:
        colours = dict(re.findall(r"--([\w-]+): (#\w{6});", theme))
        pairs = itertools.product(("text", "muted", "accent", "win", "loss"), ("ground", "panel", "raised"))
        for letters, ground in [*pairs, ("caution", "caution-ground")]:
            assert contrast(colours[letters], colours[ground]) >= 4.5, (letters, ground)


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours. Source: WCAG 2.2, definitions of contrast and relative luminance."""
    darker, lighter = sorted(map(luminance, (one, other)))
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

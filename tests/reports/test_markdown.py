import math
import re
from dataclasses import replace
from pathlib import Path

import pytest

from backtestkit_cli.analytics.outcome import CandleFacts, Failure
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, Settings
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.errors import OutputError, UnknownNameError
from backtestkit_cli.events.facts import SignalInvalid
from backtestkit_cli.reports.markdown import risk
from backtestkit_cli.reports.markdown.backtest import get_report
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.markdown.text import escaped
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.reports.tables import Unit, number_text, price_text, symbol_rows, total_row
from tests.builders import START_MS, a_record, a_session, a_trade, an_outcome, trades_of
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section


def test_gaps_are_not_known_where_no_symbol_loaded_its_candles() -> None:
    lost = a_session(candles=None, error="no candles", failure=Failure.DATA, marks=())
    record = a_record(lost, settings={"sma_cross": Settings(gaps=GapPolicy.SKIP)})
    assert cells_of(get_report(record, "sma_cross") or "", "Gaps")[1].endswith("; N/A, no candles were loaded")


def two_symbols() -> RunRecord:
    btc = a_session(*trades_of(2.0, -1.0, 3.0), symbol="BTCUSDT")
    eth = a_session(*trades_of(-2.0, 1.0, symbol="ETHUSDT"), symbol="ETHUSDT")
    return a_record(btc, eth)


def test_each_symbol_has_a_row_and_the_total_pools_all_trades() -> None:
    text = get_report(two_symbols(), "sma_cross")
    assert cells_of(text, "BTCUSDT")[1:7] == ["3", "66.67 %", "+1.33 %", "+4.00 %", "+3.00 %", "-1.00 %"]
    assert cells_of(text, "ETHUSDT")[1:7] == ["2", "50.00 %", "-0.50 %", "-1.00 %", "+1.00 %", "-2.00 %"]
    total = cells_of(text, "Total")
    assert total[1:7] == ["5", "60.00 %", "+0.60 %", "+3.00 %", "+3.00 %", "-2.00 %"]
    assert total[7:] == ["0.29", "2.00", "3.00", "0.00"]


def test_totals_are_the_sums_of_the_rows() -> None:
    trades = [a_trade(symbol=symbol, price_close=price) for symbol, price in (("A", 99.0), ("A", 101.0), ("B", 103.0))]
    record = a_record(a_session(*trades[:2], symbol="A"), a_session(trades[2], symbol="B"), a_session(symbol="C"))
    rows, total = symbol_rows(record), total_row(record)
    assert list(total) == list(rows[0])
    for key in ("trades", "wins", "total_pnl_pct", "net_quote", "costs_quote", "fee_quote"):
        values = [value for row in rows if isinstance(value := row[key], int | float)]
        assert total[key] == pytest.approx(math.fsum(values)), key


def test_rows_of_several_strategies_are_kept_apart() -> None:
    record = a_record(a_session(a_trade()), a_session(strategy="dca", error="no", failure=Failure.STRATEGY))
    assert [(row["strategy"], row["trades"], row["error"]) for row in symbol_rows(record)] == [
        ("sma_cross", 1, None),
        ("dca", 0, "no"),
    ]
    assert [row["strategy"] for row in symbol_rows(record, "dca")] == ["dca"]
    assert total_row(record)["strategy"] is None
    assert total_row(record, "dca")["trades"] == 0


def test_what_is_undefined_is_not_available() -> None:
    text = get_report(a_record(a_session()), "sma_cross")
    assert cells_of(text, "BTCUSDT")[1:] == ["0", *["N/A"] * 9]
    assert "No position was closed." in text
    assert "nan" not in text
    assert "None" not in text


def test_the_header_states_every_assumption() -> None:
    settings = Settings(fill_model=FillModelName.CANDLE, fee_pct=0.04, averaging=AveragingPolicy.ANY)
    text = get_report(
        a_record(a_session(), settings={"sma_cross": settings}, notes={"sma_cross": "two averages"}), "sma_cross"
    )
    assert "SYNTHETIC" in text
    assert cells_of(text, "Note")[1] == "two averages"
    assert cells_of(text, "Frame")[1] == "two-days: 2025-05-04 00:00 to 2025-05-06 00:00 UTC (2 days)"
    assert "touches both stop and target is booked as a stop" in cells_of(text, "Fill model")[1]
    assert cells_of(text, "Fee")[1] == "0.04 % of the money of each fill"
    assert cells_of(text, "Averaging")[1] == "`any`: at any price"
    assert cells_of(text, "Run")[1] == "`sma_cross-0123456789`"


@pytest.mark.parametrize("model", FillModelName)
def test_every_fill_model_is_put_in_words(model: FillModelName) -> None:
    record = a_record(a_session(), settings={"sma_cross": Settings(fill_model=model, avg_price_candles=3)})
    words = cells_of(get_report(record, "sma_cross"), "Fill model")[1]
    assert words.startswith(f"{model}**: ")
    assert "{" not in words


def test_real_candles_are_not_called_synthetic() -> None:
    assert "SYNTHETIC" not in get_report(a_record(a_session(), is_synthetic=False), "sma_cross")


def test_gaps_are_counted_by_symbol() -> None:
    minute = START_MS + MINUTE_MS
    gaps = ((minute, minute + 2 * MINUTE_MS), (minute + 9 * MINUTE_MS, minute + 99 * MINUTE_MS))
    holes = CandleFacts(count=2884, minutes=2884, missing=92, gaps=gaps, fingerprint="f00")
    text = get_report(a_record(a_session(symbol="A", candles=holes), a_session(symbol="B")), "sma_cross")
    section = text.split("## Gaps")[1]
    assert cells_of(section, "A") == ["A", "92", "3.19 %", "2", "90 minutes"]
    assert "| B" not in section
    assert cells_of(text, "Gaps")[1].endswith("; 92 (1.60 % of all) in 1 of 2 symbols")


@pytest.mark.parametrize("policy", GapPolicy)
def test_every_gap_policy_is_explained(policy: GapPolicy) -> None:
    record = a_record(a_session(), settings={"sma_cross": Settings(gaps=policy)})
    assert cells_of(get_report(record, "sma_cross"), "Gaps")[1].startswith(f"`{policy}`: a ")


def test_failed_symbols_are_listed_with_their_error() -> None:
    failed = a_session(symbol="XRPUSDT", candles=None, error="XRPUSDT: no candles | at all", failure=Failure.DATA)
    text = get_report(a_record(a_session(), failed), "sma_cross")
    assert r"XRPUSDT: no candles \| at all" in text.split("## Failed symbols")[1]


def test_what_happened_is_counted() -> None:
    trades = [a_trade(reason=reason) for reason in (CloseReason.STOP_LOSS, CloseReason.STOP_LOSS, CloseReason.CLOSED)]
    counts = {"signal_cancelled": 4, "signal_invalid": 1, "command_refused": 1_234}
    text = get_report(a_record(a_session(*trades, counts=counts)), "sma_cross")
    assert cells_of(text, "Closed: stop_loss")[1] == "2"
    assert cells_of(text, "Signals cancelled before they opened")[1] == "4"
    assert cells_of(text, "Signals refused as invalid")[1] == "1"
    assert cells_of(text, "Commands refused")[1] == "1,234"


def test_what_happened_counts_what_risk_refused_by_rule_and_levels_and_stops() -> None:
    record = coordinated_record()
    happened = section(get_report(record, "sma_cross"), "What happened")
    rules = risk.get_data(record).by_rule
    assert cells_of(happened, "Signals refused by risk")[1] == str(sum(rule.total for rule in rules))
    for rule in rules:
        assert cells_of(happened, f"Refused by careful: {rule.rule}")[1] == str(rule.total)
    assert cells_of(happened, "Partial levels reached in profit")[1] == "277"
    assert cells_of(happened, "Partial levels reached in loss")[1] == "478"
    assert cells_of(happened, "Closed: portfolio_stop")[1] == "3"
    assert cells_of(happened, "Stops of the portfolio, of the whole run")[1] == "1"


def test_jobs_moves_and_errors_of_the_run_are_counted() -> None:
    counts = {"stop_moved": 3, "target_moved": 2}
    jobs = ({"name": "news", "every": "1h", "cron": None, "symbols": ["A", "B"]},)
    outcome = replace(an_outcome(a_session(counts=counts), jobs=jobs), counts={"job_ran": 48, "error_occurred": 1})
    record = record_of(outcome)
    text = get_report(record, "sma_cross")
    assert cells_of(text, "Stops moved")[1] == "3"
    assert cells_of(text, "Targets moved")[1] == "2"
    assert cells_of(text, "Jobs run, of the whole run")[1] == "48"
    assert cells_of(text, "Errors outside the sessions, of the whole run")[1] == "1"
    assert cells_of(text, "Job")[1] == "news: every 1h, for each of A, B"


def test_a_veto_is_counted_with_its_text() -> None:
    veto = SignalInvalid(START_MS, "sma_cross", "BTCUSDT", None, 100.0, ("no_odd_prices: 101 is odd",))
    other = SignalInvalid(START_MS, "sma_cross", "BTCUSDT", None, 100.0, ("no_odd_prices: 103 is odd", "minutes"))
    text = section(get_report(a_record(a_session(), events=[veto, other]), "sma_cross"), "Invalid signals")
    assert cells_of(text, r"no_odd_prices: 101 is odd")[1] == "2"
    assert cells_of(text, "minutes")[1] == "1"


def test_the_account_is_shown_with_its_stops() -> None:
    record = coordinated_record()
    account = record.account
    assert account is not None
    text = section(get_report(record, "sma_cross"), "Account")
    assert cells_of(text, "Starting balance")[1] == "1,000.00"
    assert cells_of(text, "Reserve")[1] == "100.00"
    assert cells_of(text, "Equity at the end")[1] == f"{account['equity']:.2f}"
    assert cells_of(text, "Return")[1] == f"{account['equity'] / 10 - 100:.2f} %"
    assert cells_of(text, "Max drawdown, judged at every minute")[1] == "4.01 %"
    stop = cells_of(text, "2025-05-13 22:55")
    assert stop[1:4] == ["`max_drawdown`: drawdown from the highest equity", "962.05", "962.16"]
    assert stop[4].startswith("`close_all`: positions are closed")
    assert stop[5] == "for good"


def test_stops_of_a_day_say_until_when() -> None:
    record = coordinated_record("portfolio.max_drawdown_pct=50", "portfolio.max_daily_loss_pct=1")
    text = section(get_report(record, "sma_cross"), "Account")
    assert "Max drawdown, judged at every minute |" in text
    assert cells_of(text, "2025-05-08 23:53")[-1] == "2025-05-09 00:00"
    assert cells_of(text, "2025-05-08 23:53")[1] == "`max_daily_loss`: loss since midnight UTC"


def test_without_a_portfolio_nothing_is_said_of_an_account() -> None:
    text = get_report(two_symbols(), "sma_cross")
    assert "## Account\n" not in text
    head = text.partition("## Results")[0]
    assert not re.search(r"^\| (Risk|Groups|Sizing|Portfolio|Partial levels|Job) ", head, re.MULTILINE)


def test_the_header_states_what_the_run_was_coordinated_by() -> None:
    text = get_report(
        coordinated_record("sizing=small", "sizings.small.method=fixed_pct", "sizings.small.risk_pct=1"), "sma_cross"
    )
    assert "; cool_down (losses 4, minutes 120, scope all, within_minutes 240); " in cells_of(text, "Risk")[1]
    assert cells_of(text, "Groups")[1].endswith("majors: BTCUSDT, ETHUSDT; memes: DOGEUSDT, SHIBUSDT")
    assert cells_of(text, "Sizing")[1].startswith("small: risk_pct 1")
    assert cells_of(text, "Portfolio")[1] == (
        "one account of 1,000.00 quote money, of which 100.00 is never spent on entries;"
        " at 4 % drawdown from the highest equity, positions are closed and nothing opens, for good;"
        " at 5 % loss since midnight UTC, nothing opens, what is open runs on, until the next midnight"
    )


def test_the_rules_of_an_author_are_named_and_cannot_break_the_table() -> None:
    coordination = {"risk": {"sma_cross": ["a|b"]}, "risks": {"a|b": [["no_mondays", "a function"]]}}
    coordination["sizings"] = {"sma_cross": {"name": "mine"}}
    text = get_report(a_record(a_session(), coordination=coordination), "sma_cross")
    assert r"| Risk       | a\|b: no_mondays a function " in text
    assert cells_of(text, "Sizing")[1] == "mine: a function"


def test_a_trade_is_shown_with_its_signal_levels_times_duration_and_result() -> None:
    trade = a_trade(price_close=101.0, minutes=150, note="of the morning")
    listed = section(get_report(a_record(a_session(trade)), "sma_cross"), "Trades")
    cells = dict(zip(cells_of(listed, "Signal"), cells_of(listed, f"`{trade.id}`"), strict=True))
    assert cells == {
        "Signal": f"`{trade.id}`",
        "Symbol": "BTCUSDT",
        "Side": "long",
        "Opened (UTC)": "2025-05-04 00:00",
        "Closed (UTC)": "2025-05-04 02:30",
        "Duration": "2.5 hours",
        "Entries": "1",
        "Entry": "100",
        "Exit": "101",
        "Take profit": "102",
        "Stop loss": "98",
        "Reason": "take_profit",
        "PNL": f"{trade.pnl_pct:+.2f} %",
        "Net": f"{trade.pnl_cost:.2f}",
        "Worst": "N/A",
        "Best": "N/A",
        "Note": "of the morning",
    }


def test_only_the_shown_trades_are_capped() -> None:
    trades = trades_of(*[0.1] * 1_003)
    text = get_report(a_record(a_session(*trades)), "sma_cross")
    shown = text.split("## Trades")[1]
    assert shown.count("| BTCUSDT |") == 1_000
    assert "The first 1,000 of 1,003" in shown
    assert cells_of(text, "Total")[1] == "1,003"


def test_notes_cannot_break_the_report() -> None:
    note = "a | b\n# *bold* <script> `x` [l](u) _it_ snake_case"
    text = get_report(a_record(a_session(a_trade(note=note))), "sma_cross")
    line = next(line for line in text.splitlines() if "| BTCUSDT | long" in line)
    assert r"a \| b \# \*bold\* \<script\> \`x\` \[l\](u) \_it\_ snake_case" in line


@pytest.mark.parametrize("text", [7, "\x1b[31m red\x00", "half \ud800", "\u2028a\u202e"])
def test_any_note_becomes_printable_text(text: object) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert shown.encode()


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_reports(two_symbols(), tmp_path / name) for name in "ab")
    names = [Path("a", name) for name in ("backtest/sma_cross.md", "heatmap/sma_cross.md", "heatmap/sma_cross.json")]
    assert [file.relative_to(tmp_path) for file in one] == names
    assert [file.read_bytes() for file in one] == [file.read_bytes() for file in other]


def test_an_unknown_strategy_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sma_cross'"):
        get_report(two_symbols(), "sma_cros")


def test_strategies_get_a_file_each_whatever_their_names(tmp_path: Path) -> None:
    names = ["../../etc/x", "a b", "a_b", "SMA", "sma", "con", "…", "x" * 300, "стратегия", ".", "a/b"]
    record = a_record(*(a_session(strategy=name) for name in names))
    files = write_reports(record, tmp_path)
    assert len({file.name.casefold() for file in files}) == len(names)
    assert {file.parent for file in files} == {tmp_path / "backtest"}
    assert all(file.is_file() for file in files)


def test_a_plain_name_is_the_name_of_its_file() -> None:
    assert file_stems(["sma_cross", "dca-v1.2", "Ema", "стратегия"]) == {
        name: name for name in ("Ema", "dca-v1.2", "sma_cross", "стратегия")
    }


def test_a_report_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "backtest").write_text("mine")
    with pytest.raises(OutputError, match=r"^cannot write .*sma_cross\.md: expected a folder, .*backtest is a file$"):
        write_reports(two_symbols(), tmp_path)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1234.5, Unit.MONEY, "1,234.50"),
        (-0.001, Unit.MONEY, "0.00"),
        (0.001, Unit.PERCENT, "0.00 %"),
        (-12.345, Unit.PERCENT, "-12.35 %"),
        (60.0, Unit.SHARE, "60.00 %"),
        (1e300, Unit.MONEY, "1e+300"),
        (math.inf, Unit.MONEY, "N/A"),
        (12345, Unit.COUNT, "12,345"),
    ],
)
def test_numbers_are_written_as_people_read_them(value: float, unit: Unit, text: str) -> None:
    assert number_text(value, unit) == text


@pytest.mark.parametrize(
    ("price", "text"), [(0.00001234, "0.00001234"), (65123.45678, "65123.457"), (100.0, "100"), (math.nan, "N/A")]
)
def test_prices_keep_eight_digits(price: float, text: str) -> None:
    assert price_text(price) == text

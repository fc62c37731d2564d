import math
from pathlib import Path

import pytest

from backtestkit_cli.analytics.outcome import CandleFacts, Failure, RunOutcome
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, Settings
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.errors import OutputError, UnknownNameError
from backtestkit_cli.reports.markdown.backtest import get_report
from backtestkit_cli.reports.markdown.files import file_stems, write_reports
from backtestkit_cli.reports.markdown.text import escaped
from backtestkit_cli.reports.tables import Unit, number_text, price_text, symbol_rows, total_row
from tests.builders import START_MS, a_session, a_trade, an_outcome, trades_of


def cells_of(text: str, first: str) -> list[str]:
    """Return the cells of the first table row that starts with *first*."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if cells[0].strip("*") == first:
            return [cell.strip("*") for cell in cells]
    raise AssertionError(f"no row {first!r} in\n{text}")


def two_symbols() -> RunOutcome:
    btc = a_session(*trades_of(2.0, -1.0, 3.0), symbol="BTCUSDT")
    eth = a_session(*trades_of(-2.0, 1.0, symbol="ETHUSDT"), symbol="ETHUSDT")
    return an_outcome(btc, eth)


def test_each_symbol_has_a_row_and_the_total_pools_all_trades() -> None:
    text = get_report(two_symbols(), "sma_cross")
    assert cells_of(text, "BTCUSDT")[1:7] == ["3", "66.67 %", "+1.33 %", "+4.00 %", "+3.00 %", "-1.00 %"]
    assert cells_of(text, "ETHUSDT")[1:7] == ["2", "50.00 %", "-0.50 %", "-1.00 %", "+1.00 %", "-2.00 %"]
    total = cells_of(text, "Total")
    assert total[1:7] == ["5", "60.00 %", "+0.60 %", "+3.00 %", "+3.00 %", "-2.00 %"]
    assert total[7:] == ["0.29", "2.00", "3.00", "0.00"]


def test_totals_are_the_sums_of_the_rows() -> None:
    trades = [a_trade(price_close=price) for price in (99.0, 101.0, 103.0)]
    outcome = an_outcome(a_session(*trades[:2], symbol="A"), a_session(trades[2], symbol="B"), a_session(symbol="C"))
    rows, total = symbol_rows(outcome), total_row(outcome)
    assert list(total) == list(rows[0])
    for key in ("trades", "wins", "total_pnl_pct", "net_quote", "costs_quote", "fee_quote"):
        values = [value for row in rows if isinstance(value := row[key], int | float)]
        assert total[key] == pytest.approx(math.fsum(values)), key


def test_rows_of_several_strategies_are_kept_apart() -> None:
    outcome = an_outcome(a_session(a_trade()), a_session(strategy="dca", error="no", failure=Failure.STRATEGY))
    assert [(row["strategy"], row["trades"], row["error"]) for row in symbol_rows(outcome)] == [
        ("sma_cross", 1, None),
        ("dca", 0, "no"),
    ]
    assert [row["strategy"] for row in symbol_rows(outcome, "dca")] == ["dca"]
    assert total_row(outcome)["strategy"] is None
    assert total_row(outcome, "dca")["trades"] == 0


def test_what_is_undefined_is_not_available() -> None:
    text = get_report(an_outcome(a_session()), "sma_cross")
    assert cells_of(text, "BTCUSDT")[1:] == ["0", *["N/A"] * 9]
    assert "No position was closed." in text
    assert "nan" not in text
    assert "None" not in text


def test_the_header_states_every_assumption() -> None:
    settings = Settings(fill_model=FillModelName.CANDLE, fee_pct=0.04, averaging=AveragingPolicy.ANY)
    text = get_report(
        an_outcome(a_session(), settings={"sma_cross": settings}, notes={"sma_cross": "two averages"}), "sma_cross"
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
    outcome = an_outcome(a_session(), settings={"sma_cross": Settings(fill_model=model, avg_price_candles=3)})
    words = cells_of(get_report(outcome, "sma_cross"), "Fill model")[1]
    assert words.startswith(f"{model}**: ")
    assert "{" not in words


def test_real_candles_are_not_called_synthetic() -> None:
    assert "SYNTHETIC" not in get_report(an_outcome(a_session(), is_synthetic=False), "sma_cross")


def test_gaps_are_counted_by_symbol() -> None:
    minute = START_MS + MINUTE_MS
    gaps = ((minute, minute + 2 * MINUTE_MS), (minute + 9 * MINUTE_MS, minute + 99 * MINUTE_MS))
    holes = CandleFacts(count=2884, minutes=2884, missing=92, gaps=gaps, fingerprint="f00")
    text = get_report(an_outcome(a_session(symbol="A", candles=holes), a_session(symbol="B")), "sma_cross")
    section = text.split("## Gaps")[1]
    assert cells_of(section, "A") == ["A", "92", "3.19 %", "2", "90 minutes"]
    assert "| B" not in section
    assert cells_of(text, "Gaps")[1].endswith("; 92 (1.60 % of all) in 1 of 2 symbols")


@pytest.mark.parametrize("policy", GapPolicy)
def test_every_gap_policy_is_explained(policy: GapPolicy) -> None:
    outcome = an_outcome(a_session(), settings={"sma_cross": Settings(gaps=policy)})
    assert cells_of(get_report(outcome, "sma_cross"), "Gaps")[1].startswith(f"`{policy}`: a ")


def test_failed_symbols_are_listed_with_their_error() -> None:
    failed = a_session(symbol="XRPUSDT", candles=None, error="XRPUSDT: no candles | at all", failure=Failure.DATA)
    text = get_report(an_outcome(a_session(), failed), "sma_cross")
    assert r"XRPUSDT: no candles \| at all" in text.split("## Failed symbols")[1]


def test_what_happened_is_counted() -> None:
    trades = [a_trade(reason=reason) for reason in (CloseReason.STOP_LOSS, CloseReason.STOP_LOSS, CloseReason.CLOSED)]
    counts = {"signal_cancelled": 4, "signal_invalid": 1, "command_refused": 1_234}
    text = get_report(an_outcome(a_session(*trades, counts=counts)), "sma_cross")
    assert cells_of(text, "Closed: stop_loss")[1] == "2"
    assert cells_of(text, "Signals cancelled before they opened")[1] == "4"
    assert cells_of(text, "Signals refused as invalid")[1] == "1"
    assert cells_of(text, "Commands refused")[1] == "1,234"


def test_only_the_shown_trades_are_capped() -> None:
    trades = trades_of(*[0.1] * 1_003)
    text = get_report(an_outcome(a_session(*trades)), "sma_cross")
    shown = text.split("## Trades")[1]
    assert shown.count("| BTCUSDT |") == 1_000
    assert "The first 1,000 of 1,003" in shown
    assert cells_of(text, "Total")[1] == "1,003"


def test_notes_cannot_break_the_report() -> None:
    note = "a | b\n# *bold* <script> `x` [l](u) _it_ snake_case"
    text = get_report(an_outcome(a_session(a_trade(note=note))), "sma_cross")
    line = next(line for line in text.splitlines() if line.startswith("| BTCUSDT | long"))
    assert r"a \| b \# \*bold\* \<script\> \`x\` \[l\](u) \_it\_ snake_case" in line


@pytest.mark.parametrize("text", [7, "\x1b[31m red\x00", "half \ud800", "\u2028a\u202e"])
def test_any_note_becomes_printable_text(text: object) -> None:
    shown = escaped(text)
    assert shown.isprintable()
    assert shown.encode()


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    one, other = (write_reports(two_symbols(), tmp_path / name) for name in "ab")
    assert [file.relative_to(tmp_path) for file in one] == [Path("a/backtest/sma_cross.md")]
    assert one[0].read_bytes() == other[0].read_bytes()


def test_an_unknown_strategy_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sma_cross'"):
        get_report(two_symbols(), "sma_cros")


def test_strategies_get_a_file_each_whatever_their_names(tmp_path: Path) -> None:
    names = ["../../etc/x", "a b", "a_b", "SMA", "sma", "con", "…", "x" * 300, "стратегия", ".", "a/b"]
    outcome = an_outcome(*(a_session(strategy=name) for name in names))
    files = write_reports(outcome, tmp_path)
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

from dataclasses import replace
from pathlib import Path

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.risk import Stage
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.events.facts import SignalRefused
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.markdown.risk import get_data, get_report
from tests.builders import START_MS, a_record, a_session
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section

SIGNAL = Signal(position="short", take_profit=98.0, stop_loss=102.0)
REFUSAL = SignalRefused(
    START_MS, "sma_cross", "BTCUSDT", "id", SIGNAL, 100.5, Stage.OPENS, "careful", "no_mondays", "not | on\na Monday"
)


def test_each_refusal_is_a_row_with_time_symbol_side_price_rule_and_reason() -> None:
    text = get_report(a_record(a_session(), events=[REFUSAL]), "sma_cross") or ""
    assert cells_of(section(text, "Refused signals"), "2025-05-04 00:00") == [
        *("2025-05-04 00:00", "BTCUSDT", "short", "100.5", "opens", "careful", "no_mondays", r"not \| on a Monday")
    ]


def test_refusals_are_counted_by_profile_rule_and_stage() -> None:
    events = [REFUSAL, replace(REFUSAL, stage=Stage.APPEARS), replace(REFUSAL, profile="portfolio", rule="cash")]
    rules = section(get_report(a_record(a_session(), events=events), "sma_cross") or "", "Rules")
    assert cells_of(rules, "careful") == ["careful", "no_mondays", "1", "1", "2"]
    assert cells_of(rules, "portfolio") == ["portfolio", "cash", "0", "1", "1"]
    assert cells_of(rules, "Total") == ["Total", "", "1", "2", "3"]


def test_the_last_250_are_shown_and_all_are_counted() -> None:
    events = [replace(REFUSAL, at_ms=START_MS + minute * MINUTE_MS) for minute in range(1_234)]
    text = get_report(a_record(a_session(), events=events), "sma_cross") or ""
    shown = section(text, "Refused signals")
    assert shown.count("| BTCUSDT |") == 250
    assert "The last 250 of 1,234" in shown
    assert "| 2025-05-04 20:33 |" in shown
    assert cells_of(text, "Total")[-1] == "1,234"


def test_a_strategy_without_refusals_has_no_report(tmp_path: Path) -> None:
    other = a_session(strategy="calm")
    record = a_record(a_session(), other, events=[REFUSAL])
    assert get_report(record, "calm") is None
    files = [str(file.relative_to(tmp_path)) for file in write_reports(record, tmp_path)]
    assert files == ["backtest/calm.md", "backtest/sma_cross.md", "risk/sma_cross.md"]


def test_the_report_of_a_run_has_every_refusal_and_its_profiles() -> None:
    record = coordinated_record()
    data, text = get_data(record, "sma_cross"), get_report(record, "sma_cross") or ""
    assert cells_of(text, "Total")[-1] == str(len(data.refused))
    assert cells_of(text, "careful")[1] == data.by_rule[0].rule
    assert section(text, "Refused signals").count("| appears |") == len(data.refused)
    assert cells_of(text, "Risk")[1].startswith("careful: max_open 3; max_open_per_group_side 2; ")

from pathlib import Path

import pytest

from backtestkit_cli.domain.settings import PartialBasis, Settings
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.events.facts import Event, ProfitLevelReached
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.markdown.partial import get_data, get_report
from backtestkit_cli.reports.saved.record import RunRecord
from tests.builders import START_MS, a_position, a_record, a_session
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section


def a_record_with(*events: Event, **facts: object) -> RunRecord:
    counts = {"profit_level_reached": len(events)}
    return a_record(a_session(counts=counts), events=events, **facts)


LEVEL = ProfitLevelReached(START_MS, "sma_cross", "BTCUSDT", 110.5, 10, 10.5, a_position())


def test_each_event_is_a_row_with_its_fields() -> None:
    text = get_report(a_record_with(LEVEL), "sma_cross") or ""
    assert cells_of(section(text, "Events"), "2025-05-04 00:00") == [
        *("2025-05-04 00:00", "profit", "BTCUSDT", f"`{LEVEL.position.id}`", "long", "10 %", "110.5", "backtest")
    ]


def test_a_strategy_that_reached_no_level_has_no_report(tmp_path: Path) -> None:
    record = a_record(a_session())
    assert get_report(record, "sma_cross") is None
    write_reports(record, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["backtest"]


def test_at_most_250_events_are_shown_and_the_totals_count_all() -> None:
    record = coordinated_record()
    data, text = get_data(record, "sma_cross"), get_report(record, "sma_cross") or ""
    assert data.total_events == 755
    assert "755 events: 277 in profit, 478 in loss." in section(text, "Levels")
    assert cells_of(text, "Total") == ["Total", "277", "478"]
    for level, count in data.loss_levels.items():
        assert cells_of(section(text, "Levels"), f"{level} %")[2] == str(count)
    events = section(text, "Events")
    assert "The last 250 of 755" in events
    assert events.count("| backtest |") == 250
    times = [line[2:18] for line in events.splitlines() if line.startswith("| 2025")]
    assert times == sorted(times)


def test_it_begins_with_the_same_assumptions_as_the_report_of_the_backtest(tmp_path: Path) -> None:
    written = (file for file in write_reports(coordinated_record(), tmp_path) if file.suffix == ".md")
    files = {file.parent.name: file.read_text() for file in written}
    assert list(files) == ["backtest", "heatmap", "partial", "risk", "performance"]
    heads = {text[text.index("\n") : text.index("\n## ")] for text in files.values()}
    assert len(heads) == 1
    assert "| Fill model " in heads.pop()


@pytest.mark.parametrize("basis", PartialBasis)
def test_what_a_level_measures_is_said_where_one_was_reached(basis: PartialBasis) -> None:
    settings = {"sma_cross": Settings(partial_basis=basis)}
    text = get_report(a_record_with(LEVEL, settings=settings), "sma_cross") or ""
    assert cells_of(text, "Partial levels")[1].startswith(f"`{basis.value}`: percent")


def test_the_same_run_writes_the_same_bytes_and_an_earlier_report_does_not_stay(tmp_path: Path) -> None:
    files = write_reports(a_record_with(LEVEL), tmp_path)
    before = [file.read_bytes() for file in files]
    assert [file.read_bytes() for file in write_reports(a_record_with(LEVEL), tmp_path)] == before
    write_reports(a_record(a_session()), tmp_path)
    assert [file.exists() for file in files] == [True, False]


def test_an_unknown_strategy_is_named_with_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'sma_cross'"):
        get_report(a_record(a_session()), "sma_cros")

"""A164: the report of how long a run took."""

import math
from dataclasses import asdict, replace

import pytest

from backtestkit_cli.analytics.outcome import Timing
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.reports.markdown.performance import get_data, get_report, summary
from backtestkit_cli.reports.saved.record import RunRecord
from tests.builders import a_record, a_session
from tests.coordinated_run import coordinated_record
from tests.reports.markdown_cells import cells_of, section


def a_timing(metric: str, strategy: str = "", **numbers: object) -> Timing:
    usual: dict[str, object] = {
        "count": 1_234,
        "total_ms": 61_200.0,
        "avg_ms": 49.5,
        "min_ms": 0.0123,
        "max_ms": 999.994,
        "deviation_ms": 0.5,
        "p95_ms": 60.0,
        "p99_ms": 1_000.0,
    }
    usual["timed"] = numbers.get("count", usual["count"])
    return Timing(metric=metric, strategy=strategy, **usual | numbers)  # type: ignore[arg-type]


def a_record_with(*timings: Timing) -> RunRecord:
    return replace(a_record(a_session(), a_session(strategy="calm")), timings=timings)


def test_each_metric_is_a_row_in_the_units_it_is_read_in() -> None:
    text = get_report(a_record_with(a_timing("get_signal", "sma_cross")), "sma_cross") or ""
    assert cells_of(text, "Metric") == ["Metric", "Count", "Total", "Avg", "Min", "Max", "Deviation", "P95", "P99"]
    assert cells_of(text, "get_signal") == [
        *("get_signal", "1,234", "61.20 s", "49.50 ms", "12.30 µs", "999.99 ms", "500.00 µs", "60.00 ms", "1.00 s")
    ]


def test_a_strategy_has_its_own_times_and_those_of_no_strategy() -> None:
    run = a_timing("run", count=1, deviation_ms=None)
    mine, theirs = a_timing("get_signal", "sma_cross"), a_timing("get_signal", "calm", count=77)
    record = a_record_with(run, theirs, mine)
    assert get_data(record, "sma_cross").timings == (run, mine)
    assert get_data(record).timings == (run, theirs, mine)
    text = get_report(record, "sma_cross") or ""
    assert cells_of(text, "run")[6] == "N/A"
    assert "77" not in section(text, "Times")


def test_a_total_of_samples_is_marked_as_an_estimate_and_a_line_says_so() -> None:
    record = a_record_with(a_timing("run", count=1), a_timing("get_signal", "calm", timed=111, total_ms=1_780.0))
    text = get_report(record, "calm") or ""
    assert cells_of(text, "get_signal")[2] == "≈ 1.78 s"
    assert cells_of(text, "run")[2] == "61.20 s"
    assert "a total marked ≈ is an estimate that may exceed the run" in text
    assert "it may exceed the run" in summary(get_data(record, "calm")).note
    assert summary(get_data(a_record_with(a_timing("run")))).note == ""


def test_it_says_that_times_are_sampled_and_what_the_metrics_are() -> None:
    text = get_report(a_record_with(a_timing("handler", "calm")), "calm") or ""
    assert "All calls are counted. Of each session the first 100 are timed and then one in 97" in text
    assert "* handler: a call of a callback or listener" in text
    assert "* job" not in text


def test_a_run_without_times_has_no_report_and_an_unknown_strategy_is_named() -> None:
    assert get_report(a_record_with(), "calm") is None
    with pytest.raises(UnknownNameError, match="did you mean 'calm'"):
        get_report(a_record_with(), "clam")


def test_the_report_of_a_run_shows_the_numbers_of_its_data_and_no_nan() -> None:
    record = coordinated_record()
    data, text = get_data(record, "sma_cross"), get_report(record, "sma_cross") or ""
    times = section(text, "Times")
    assert [one.metric for one in data.timings] == ["run", "load", "get_signal"]
    for timing in data.timings:
        assert cells_of(times, timing.metric)[1] == f"{timing.count:,}"
        assert all(0 <= value < math.inf for value in asdict(timing).values() if isinstance(value, float))
    assert "nan" not in times
    assert "inf" not in times

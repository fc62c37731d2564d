"""What a run writes by itself is written in a fraction of the time that the run takes."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backtestkit_cli.domain.interval import HOUR_MS
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import RUN_FILES
from backtestkit_cli.reports.saving import save_run
from tests.reports.html.records import STEP_MS, a_long_record


@pytest.mark.parametrize(
    ("symbols", "trades", "step_ms", "most_s"),
    [pytest.param(9, 2_000, STEP_MS, 0.5, id="9 symbols"), pytest.param(100, 6_000, HOUR_MS, 5.0, id="100 symbols")],
)
def test_everything_of_27_days_is_written_in_time(
    tmp_path: Path, symbols: int, trades: int, step_ms: int, most_s: float
) -> None:
    # As many candles as such runs keep, which is what `chart_candles` decides.
    record = a_long_record(symbols=symbols, days=27, trades_each=trades // symbols, step_ms=step_ms)
    # Again where another program had the processor's caches.
    assert any(seconds_to_write(record, tmp_path / f"{attempt}") < most_s for attempt in range(3))


def seconds_to_write(record: RunRecord, out: Path) -> float:
    """Return the time of the processor, of all threads, that writing takes; what is remembered is made anew."""
    fresh = replace(record)
    began = time.process_time()
    paths = list(save_run(fresh, out))
    took = time.process_time() - began
    assert {"sma_cross.md", "sma_cross.json"} <= {path.name for path in paths}
    assert {path.name for path in out.glob("runs/*/*")} == RUN_FILES - {"account.parquet"}
    return took

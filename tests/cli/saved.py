"""Saved runs for tests of the commands that read them."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from backtestkit_cli.events.facts import Event
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.reports.saved.run_folder import write_run
from tests.builders import START_MS, a_session, a_trade, an_outcome

HOUR_MS = 3_600_000
RUN_ID = "sma_cross-0123456789"
ENDED = {"started_at": "2025-05-06T10:00:00+00:00", "finished_at": "2025-05-06T10:00:02+00:00", "exit_code": 0}


def a_saved_record(
    *symbols: str, run_id: str = RUN_ID, trades: int = 2, events: tuple[Event, ...] = (), **extra: Any
) -> RunRecord:
    """Return a run with *trades* trades of each symbol, BTCUSDT where none is named."""
    sessions = [
        a_session(
            *(
                a_trade(symbol=symbol, opened_at_ms=START_MS + n * HOUR_MS, price_close=99.0 + 3 * (n % 2))
                for n in range(trades)
            ),
            symbol=symbol,
        )
        for symbol in symbols or ("BTCUSDT",)
    ]
    return record_of(an_outcome(*sessions, events=events, run_id=run_id), {**ENDED, "command": "btk backtest"} | extra)


def saved(out: Path, record: RunRecord | None = None) -> Path:
    """Save *record* with its reports below *out*, as a run does, and return its folder."""
    if record is None:
        for path, content in _files_of_a_saved_run().items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(content)
        return out / "runs" / RUN_ID
    write_reports(record, out)
    return write_run(record, out)


@cache
def _files_of_a_saved_run() -> Mapping[Path, bytes]:
    """Return what `saved` saves where no run is named, by the path below its folder."""
    with TemporaryDirectory() as folder:
        out = Path(folder)
        saved(out, a_saved_record())
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}

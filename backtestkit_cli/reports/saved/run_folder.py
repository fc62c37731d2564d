"""The folder a run leaves behind, `<out>/runs/<run_id>/`: everything needed to rebuild its reports."""

import errno
import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import orjson

from backtestkit_cli.analytics.outcome import Failure
from backtestkit_cli.atomic import replacing, write_bytes
from backtestkit_cli.errors import OutputError
from backtestkit_cli.reports.saved.event_log import GrowingEvents
from backtestkit_cli.reports.saved.manifest import encoded
from backtestkit_cli.reports.saved.record import RunRecord

if TYPE_CHECKING:
    import polars as pl

MANIFEST: Final = "manifest.json"
TRADES: Final = "trades.parquet"
EQUITY: Final = "equity.parquet"
ACCOUNT: Final = "account.parquet"
CANDLES: Final = "candles.parquet"
EVENTS: Final = "events.jsonl"
TIMINGS: Final = "performance.json"
PAGE: Final = "report.html"
RUN_FILES: Final = frozenset({MANIFEST, TRADES, EQUITY, ACCOUNT, CANDLES, EVENTS, TIMINGS, PAGE})
"""Everything that a run writes into its folder."""
_PART_PAGE: Final = re.compile(r"report-[\dT-]+_[\dT-]+\.html")
HASHES: Final = "files_sha256"
"""The entry of the manifest with the hash of each file that reports are computed from."""
EVENTS_BYTES: Final = "events_bytes"
"""The entry of the manifest of a run without an end: how much of its events was there, for it may have gone on."""


def part_page(part: str) -> str:
    """Return the name of the page of a *part* of a run, which is called as frames are, `2025-05-04_2025-05-06`."""
    return f"report-{part}.html"


def is_run_file(name: str) -> bool:
    """Say whether a file of this *name* may be in the folder of a run: it wrote it, or it is a page of a part of it."""
    return name in RUN_FILES or _PART_PAGE.fullmatch(name) is not None


def run_folder(out: Path, run_id: str) -> Path:
    """Return where the run *run_id* lives below *out*."""
    return out / "runs" / run_id


def write_run(record: RunRecord, out: Path) -> Path:
    """Write the files of *record* below *out* and return their folder.

    There are trades, equity and, with a portfolio, the account (its cash and equity at each midnight UTC and at the
    end) as Parquet, the candles of the pictures, the events as lines of JSON, how long everything took, and the
    manifest with hashes of what reports are computed from. Each file is replaced whole, the manifest last: where it
    is, the others are complete. The same record gives the same bytes.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    folder = run_folder(out, record.run_id)
    with suppress(OSError):  # what hinders it hinders the next line as well, which says so
        (folder / MANIFEST).unlink(missing_ok=True)  # beside files of another run it would call them complete
        for page in folder.glob("*.html"):  # and pages would show what is no more
            if is_run_file(page.name):
                page.unlink()
    tables = {TRADES: record.trades, EQUITY: record.equity, ACCOUNT: record.account_curve, CANDLES: record.candles}
    hashes = {name: _write_parquet(folder / name, table) for name, table in tables.items() if table is not None}
    hashes[EVENTS] = _write_events(folder / EVENTS, record)
    grows = {EVENTS_BYTES: record.events.size_bytes} if isinstance(record.events, GrowingEvents) else {}
    with output_errors(folder / TIMINGS) as path:
        write_bytes(path, encoded({"timings": [asdict(timing) for timing in record.timings]}))
    with output_errors(folder / MANIFEST) as path:
        write_bytes(path, encoded({**record.manifest, HASHES: hashes, **grows}))
    return folder


def is_worse_than_saved(record: RunRecord, out: Path) -> bool:
    """Say whether *record* failed for want of candles where a run of the same id, saved in *out*, finished."""
    if not any(session.failure in {Failure.DATA, Failure.VENUE} for session in record.sessions):
        return False
    try:
        saved = orjson.loads((run_folder(out, record.run_id) / MANIFEST).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return False
    return isinstance(saved, dict) and saved.get("exit_code") == 0


@contextmanager
def output_errors(path: Path, doing: str = "write") -> Iterator[Path]:
    """Yield *path* and turn what the system says while it is written into one line; *doing* is a verb.

    Raises:
        OutputError: the disk is full, the folder is not writable, a file is in the way …
    """
    try:
        yield path
    except OSError as error:
        raise OutputError(f"cannot {doing} {path}: {_reason(error, path)}") from error


def _reason(error: OSError, path: Path) -> str:
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        for parent in path.parents:
            if parent.exists() and not parent.is_dir():
                return f"expected a folder, {parent} is a file"
    return os.strerror(error.errno) if error.errno else str(error)


def _write_parquet(path: Path, frame: "pl.DataFrame") -> str:
    """Write *frame* and return the hash of the file."""
    # Through memory: a full disk is then an OSError of ours and not a panic of polars.
    content = io.BytesIO()
    frame.write_parquet(content, compression="zstd")
    with output_errors(path):
        write_bytes(path, content.getvalue())
    return hashlib.sha256(content.getvalue()).hexdigest()


def _write_events(path: Path, record: RunRecord) -> str:
    """Write the events as lines, where they are not there already, and return their hash."""
    if isinstance(record.events, GrowingEvents) and record.events.path == path:
        return hashlib.sha256(record.events.content()).hexdigest()
    digest = hashlib.sha256()
    with output_errors(path), replacing(path) as draft, draft.open("wb") as file:
        for row in record.events.rows():
            line = orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
            digest.update(line)
            file.write(line)
    return digest.hexdigest()

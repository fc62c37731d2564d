"""Saved runs: which there are below a folder, and what one of them was."""

import hashlib
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson

from backtestkit_cli.analytics.outcome import Timing
from backtestkit_cli.errors import ConfigError, SavedRunError, UnknownNameError
from backtestkit_cli.reports.saved import frames
from backtestkit_cli.reports.saved.event_log import SavedEvents
from backtestkit_cli.reports.saved.manifest import FORMAT, facts_of, sessions_of
from backtestkit_cli.reports.saved.manifest_entries import odd_entry
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import (
    ACCOUNT,
    CANDLES,
    EQUITY,
    EVENTS,
    EVENTS_BYTES,
    HASHES,
    MANIFEST,
    RUN_FILES,
    TIMINGS,
    TRADES,
    run_folder,
)

if TYPE_CHECKING:
    import polars as pl

LATEST: Final = "latest"


def saved_runs(out: Path) -> list[Path]:
    """Return the folders of all complete runs below *out*, the latest first.

    Raises:
        ConfigError: *out* is a file.
    """
    return [folder for folder in run_folders(out) if (folder / MANIFEST).is_file()]


def run_folders(out: Path) -> list[Path]:
    """Return the folders of all runs below *out*, also of half-written ones, the latest first.

    Raises:
        ConfigError: *out* is a file.
    """
    for folder in (out, out / "runs"):
        if folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder}: expected a folder, found a file")
    folders = [path for path in (out / "runs").glob("*") if path.is_dir()]
    return sorted(folders, key=lambda folder: (*_age(folder), folder.name))


def _age(folder: Path) -> tuple[float, int]:
    """Return what orders runs, the latest first: when each finished, which no copying changes, then its file's time."""
    written_ns = 0
    for path in (folder / MANIFEST, folder):
        with suppress(OSError):
            written_ns = path.stat().st_mtime_ns
            break
    finished_s = written_ns / 1e9
    with suppress(OSError, LookupError, TypeError, ValueError):  # what is wrong with a run is said where it is read
        finished_s = datetime.fromisoformat(orjson.loads((folder / MANIFEST).read_bytes())["finished_at"]).timestamp()
    return -finished_s, -written_ns


def find_run(name: str = LATEST, out: str | Path = "dump") -> Path:
    """Return the folder of a run below *out*: *name* is an id, the beginning of one, `latest`, or a path to a folder.

    Raises:
        ConfigError: there is no such run, or several begin so.
    """
    out = Path(out)
    folder = run_folder(out, name)
    if name and "/" not in name and (folder / MANIFEST).is_file():
        return folder
    if "/" in name or "\\" in name or name in {".", ".."}:
        return _folder_at(Path(name))
    runs = saved_runs(out)
    if name == LATEST:
        latest = next((run for run in runs if not is_foreign(run)), None)
        if latest is None:
            raise ConfigError(f"{out / 'runs'}: expected a saved run, found none; `btk backtest` saves one")
        return latest
    if folder.is_dir() and name:
        return _folder_at(folder)
    begin_so = [run for run in runs if name and run.name.startswith(name)]
    # `btk runs list` shows half-written runs too: one that is meant is not unknown.
    begin_so = begin_so or [run for run in run_folders(out) if name and run.name.startswith(name)]
    if len(begin_so) > 1:
        names = ", ".join(run.name for run in begin_so[:5])
        raise ConfigError(f"run {name!r}: expected the beginning of one, found {len(begin_so)} that begin so: {names}")
    if not begin_so:
        raise UnknownNameError("run", name, [run.name for run in runs], where=str(out / "runs"))
    return begin_so[0]


def load_run(folder: str | Path) -> RunRecord:
    """Return the run saved in *folder*, equal to the record it was written from.

    Raises:
        SavedRunError: it is half-written, damaged, or of another program or version.
    """
    folder = Path(folder)
    content = read_manifest(folder)
    hashes, events_bytes = content.pop(HASHES), content.pop(EVENTS_BYTES, None)
    names = [TRADES, EQUITY, CANDLES, EVENTS, *([ACCOUNT] if "account" in content else [])]
    parts = {EVENTS: events_bytes} if isinstance(events_bytes, int) else {}
    files = {name: _unchanged(folder / name, hashes.get(name), parts.get(name)) for name in names}
    return RunRecord(
        manifest=content,
        trades=_table(folder / TRADES, files[TRADES], frames.TRADES),
        equity=_table(folder / EQUITY, files[EQUITY], frames.EQUITY),
        account_curve=_table(folder / ACCOUNT, files[ACCOUNT], frames.ACCOUNT) if ACCOUNT in files else None,
        candles=_table(folder / CANDLES, files[CANDLES], frames.CANDLES),
        events=SavedEvents(files[EVENTS], folder / EVENTS),
        timings=_timings(folder / TIMINGS),
    )


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of the run in *folder*, checked to be one.

    Raises:
        SavedRunError: it is not there, not whole, or of another program or version.
    """
    path = folder / MANIFEST
    if not path.is_file():
        if folder.is_dir() and not any((folder / name).exists() for name in RUN_FILES):
            raise SavedRunError(f"{folder}: expected the folder of a run, found none of its files")
        raise SavedRunError(f"{folder}: expected a saved run, found no {MANIFEST}: it was not written to its end")
    content = _json(path)
    if not _is_ours(content):
        raise SavedRunError(f"{path}: expected the manifest of a run of btk, found another JSON")
    if content["format"] != FORMAT:
        raise SavedRunError(f"{path}: expected format {FORMAT}, found {content['format']!r}: of another version of btk")
    problem = odd_entry(content)
    if problem is not None:
        raise SavedRunError(f"{path}: {problem}")
    try:
        facts_of(content)
        sessions_of(content)
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        raise SavedRunError(f"{path}: expected what a run of btk wrote, found a damaged or edited entry") from error
    return content


def is_foreign(folder: Path) -> bool:
    """Say whether *folder* has a manifest that can be read and is not that of a run."""
    try:
        return not _is_ours(_json(folder / MANIFEST))
    except SavedRunError:
        return False


def _is_ours(manifest: Mapping[str, Any]) -> bool:
    return isinstance(manifest.get("run_id"), str) and "format" in manifest


def _folder_at(path: Path) -> Path:
    if path.name == MANIFEST:
        path = path.parent
    if not path.is_dir():
        raise ConfigError(f"{path}: expected the folder of a run, found {'a file' if path.exists() else 'nothing'}")
    return path


def _table(path: Path, content: bytes, kinds: Mapping[str, type]) -> "pl.DataFrame":
    import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who reads a run needs it

    try:
        table = pl.read_parquet(content)
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SavedRunError(f"{path}: expected Parquet, found what cannot be read: {reason}") from error
    expected = pl.DataFrame(schema=kinds).schema
    if table.schema != expected:
        odd = [name for name in (*expected, *table.columns) if expected.get(name) != table.schema.get(name)]
        raise SavedRunError(f"{path}: expected the columns of a run of btk, found others: {', '.join(odd)}")
    return table


def _timings(path: Path) -> tuple[Timing, ...]:
    try:
        return tuple(Timing(**one) for one in _json(path)["timings"])
    except (LookupError, TypeError) as error:
        raise SavedRunError(f"{path}: expected timings of a run of btk, found another JSON") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(_content(path))
    except orjson.JSONDecodeError as error:
        raise SavedRunError(f"{path}: expected JSON, found what cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise SavedRunError(f"{path}: expected a JSON object, found {type(content).__name__}")
    return content


def _unchanged(path: Path, expected: object, size_bytes: int | None = None) -> bytes:
    """Return the content of *path*, or its first *size_bytes*, checked by its hash: polars may panic otherwise."""
    content = _content(path)[:size_bytes]
    if hashlib.sha256(content).hexdigest() != expected:
        raise SavedRunError(f"{path}: expected what the run wrote, found another content: cut off, damaged or edited")
    return content


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise SavedRunError(f"{path}: expected a file of the run, found nothing") from error
    except OSError as error:
        raise SavedRunError(f"{path}: cannot be read: {error.strerror or error}") from error

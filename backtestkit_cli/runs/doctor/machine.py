"""This machine: Python and packages, and folders that can be written and have room."""

import os
import platform
import shutil
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import BacktestKitError
from backtestkit_cli.runs.doctor.findings import Finding, doubtful, failed, failures, fine
from backtestkit_cli.runs.facts import installed_version

ROOM_BYTES = 1 << 30
"""Free space below which a warning is due."""

_PACKAGES = ("ccxt", "numpy", "orjson", "polars", "pydantic", "rich", "typer")
_PROBE = b"\0" * 65_536


def packages() -> list[Finding]:
    """Return the versions of Python and of the packages that matter most."""
    found, missing = [], []
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        return [failed("packages", f"not installed: {', '.join(missing)}", "pip install backtestkit-cli")]
    return [fine("packages", f"Python {platform.python_version()}, btk {installed_version()}, {', '.join(found)}")]


def folder(check: str, place: Path, exit_code: int) -> list[Finding]:
    """Return whether *place* can be written, how long that takes, and whether there is room; it is not made."""
    there = next(above for above in (place, *place.absolute().parents) if above.exists())
    probe = (
        there / f".btk-doctor.{check.split(maxsplit=1)[0]}.{os.getpid()}.probe"
    )  # folders may share the one above them
    try:
        took_ms = _written_ms(probe)
        free_bytes = shutil.disk_usage(there).free
    except OSError as error:
        advice = "free space there, mend its permissions, or choose another folder"
        return [failed(check, f"{place}: cannot be written: {error.strerror or error}", advice, exit_code)]
    when = "" if there == place else ", made when it is needed"
    text = f"{place}: {took_ms:.1f} ms to write a record, {free_bytes / ROOM_BYTES:,.1f} GiB free{when}"
    if free_bytes < ROOM_BYTES:
        return [doubtful(check, text, "free some space: runs that find none stop")]
    return [fine(check, text)]


def _written_ms(probe: Path) -> float:
    """Return how long it takes to write and sync *probe*, of which nothing is left."""
    started = time.perf_counter()
    try:
        with probe.open("xb") as file:
            file.write(_PROBE)
            file.flush()
            os.fsync(file.fileno())
        return (time.perf_counter() - started) * 1000
    finally:
        probe.unlink(missing_ok=True)


def cache(place: Path) -> list[Finding]:
    """Return what is in the cache of candles at *place*; the heads of its files are read, not the candles."""
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.data.cache.upkeep import summaries

    try:
        found = summaries(CacheFolder(place))
    except BacktestKitError as error:
        return failures("cache", error, "mend the permissions of the folder")
    broken = [problem for one in found for problem in one.problems]
    if broken:
        more = f"; {counted(len(broken), 'file')} in all" if len(broken) > 1 else ""
        return [doubtful("cache", f"{broken[0]}{more}", "btk cache verify --refetch")]
    if not found:
        return [fine("cache", f"{place}: empty")]
    size_mb = sum(one.size_bytes for one in found) / 1e6
    candles = sum(one.candles for one in found)
    return [fine("cache", f"{place}: {len(found):,} series, {candles:,} candles, {size_mb:,.1f} MB")]

"""Several processes at one cache, killed ones among them, and disks that refuse."""

import asyncio
import json
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.data.cache.folder import CacheFolder
from backtestkit_cli.data.cache.series import SeriesFolder
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.errors import StorageError
from tests.data.cache.remotes import MONTH_END, Venue, a_venue, cached, gappy, minutes, no_minute_twice, tree
from tests.data.candle_files import START, a_market, bytes_of

ROOT = Path(__file__).resolve().parents[3]
COUNT = 60_000
KILLS = 2
FROM = MONTH_END - minutes(30_000)
SPAN = (FROM, FROM + minutes(COUNT))


def warming(root: Path, *spans: tuple[int, int], delay_s: float = 0.002) -> "subprocess.Popen[str]":
    options = {
        "root": str(root / "cache"),
        "log": str(root / "log"),
        "count": COUNT,
        "start": FROM,
        "spans": spans,
        "delay_s": delay_s,
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.data.cache.warming", json.dumps(options)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


def asked(root: Path) -> list[tuple[int, int]]:
    rows = [line.split() for line in (root / "log").read_text().splitlines()]
    return [(int(start), int(end)) for _, _, start, end in rows]


def test_two_processes_that_warm_overlapping_spans_ask_each_minute_once(tmp_path: Path) -> None:
    spans = [(FROM, FROM + minutes(40_000)), (FROM + minutes(20_000), SPAN[1])]
    processes = [warming(tmp_path, span) for span in spans]
    outputs = [process.communicate(timeout=50)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert len(asked(tmp_path)) == sum(int(output.split()[0]) for output in outputs) == COUNT // 500
    assert no_minute_twice(asked(tmp_path))
    venue = Venue({("BTCUSDT", "1m"): gappy(COUNT, start=FROM)}, page=10_000)
    asyncio.run(cached(tmp_path / "alone", venue).warm("BTCUSDT", "1m", *SPAN))
    assert tree(tmp_path / "cache") == tree(tmp_path / "alone")


def test_killed_at_random_moments_then_warmed_the_files_are_those_of_one_go(tmp_path: Path) -> None:
    kills = 0
    moments = random.Random(7)
    for _ in range(KILLS):
        process = warming(tmp_path, SPAN, delay_s=0.03)
        assert process.stdout is not None
        started = len(asked(tmp_path)) if (tmp_path / "log").exists() else 0
        patience = time.monotonic() + 20
        while time.monotonic() < patience and process.poll() is None:
            if (tmp_path / "log").exists() and len(asked(tmp_path)) > started:
                break
            time.sleep(0.005)
        time.sleep(moments.uniform(0, 0.06))
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            kills += 1
        process.wait(timeout=20)
        process.stdout.close()
    assert kills
    process = warming(tmp_path, SPAN)
    process.communicate(timeout=50)
    assert process.returncode == 0
    venue = Venue({("BTCUSDT", "1m"): gappy(COUNT, start=FROM)}, page=10_000)
    asyncio.run(cached(tmp_path / "alone", venue).warm("BTCUSDT", "1m", *SPAN))
    assert tree(tmp_path / "cache") == tree(tmp_path / "alone")  # so no draft is left either


async def test_drafts_of_killed_writers_go_with_the_next_one(tmp_path: Path) -> None:
    folder = tmp_path / "venue" / "BTCUSDT" / "1m"
    folder.mkdir(parents=True)
    (folder / ".2025-01.parquet.12345.draft").write_bytes(b"half")
    await cached(tmp_path, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(100))
    assert [Path(name).name for name in tree(tmp_path)] == ["2025-01.parquet"]


class Limit:
    """No file of this process may grow beyond *size* bytes, as if the disk were full."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)

    def __enter__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self._size, self._before[1]))

    def __exit__(self, *_: Any) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


async def test_without_space_there_is_one_line_and_nothing_is_lost(tmp_path: Path) -> None:
    venue = a_venue()
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(1000))
    before = tree(tmp_path)
    with Limit(60_000), pytest.raises(StorageError) as raised:
        await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    assert str(raised.value) == (
        f"{tmp_path}/venue/BTCUSDT/1m/2025-01.parquet: cannot be written: File too large; what was there is intact"
    )
    assert tree(tmp_path) == before
    got = await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(3000))
    assert bytes_of(got) == bytes_of(a_market(3000))


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from backtestkit_cli.errors import BacktestKitError
from tests.data.cache.remotes import a_venue, cached, minutes
from tests.data.candle_files import START
import polars.io.parquet, numpy.ma
root = Path(sys.argv[1])
offline = cached(root, None)
asyncio.run(offline.fetch("BTCUSDT", "1m", START, START + minutes(5)))
if os.getuid() == 0:
    os.setuid(65534)
print(len(asyncio.run(offline.fetch("BTCUSDT", "1m", START, START + minutes(100)))))
print(asyncio.run(cached(root, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100))).requests)
try:
    asyncio.run(cached(root, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(200)))
except BacktestKitError as error:
    print(type(error).__name__, error)
print(len(asyncio.run(cached(root, a_venue(), writes=False).fetch("BTCUSDT", "1m", START, START + minutes(200)))))
"""


def test_a_read_only_folder_serves_what_it_covers() -> None:
    root = Path(tempfile.mkdtemp())  # tmp_path lies below a folder that only its owner may enter
    root.chmod(0o755)
    try:
        asyncio.run(cached(root, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100)))
        folders = [root, *(folder for folder in root.rglob("*") if folder.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        for file in root.rglob("*.*"):
            if file.is_file():
                file.chmod(0o444)
        ended = subprocess.run(
            [sys.executable, "-c", READ_ONLY, str(root)], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert ended.stderr == ""
        folder = root / "venue" / "BTCUSDT" / "1m"
        assert ended.stdout.splitlines() == [
            "100",
            "0",
            f"StorageError {folder}: cannot be written: Permission denied",
            "200",
        ]
    finally:
        for folder in folders:
            folder.chmod(0o755)
        shutil.rmtree(root)


def test_a_reader_meets_a_whole_file_while_another_process_writes(tmp_path: Path) -> None:
    process = warming(tmp_path, SPAN, delay_s=0.01)
    assert process.stdout is not None
    candles = gappy(COUNT, start=FROM)
    series = CacheFolder(tmp_path / "cache").series("venue", "BTCUSDT", "1m")
    seen: set[int] = set()
    while process.poll() is None:
        seen.add(_matching(series, candles))
    process.stdout.close()
    assert process.returncode == 0
    assert _matching(series, candles) == len(candles)
    assert seen  # each look has compared what was there


def _matching(series: SeriesFolder, candles: Candles) -> int:
    stored = series.read(*SPAN)
    rows = {row.timestamp: row for row in stored.candles}
    expected = {row.timestamp: row for row in candles if any(a <= row.timestamp < b for a, b in stored.covered)}
    assert rows == expected
    return len(rows)


def test_this_process_holds_no_descriptor_of_a_lock_afterwards(tmp_path: Path) -> None:
    asyncio.run(cached(tmp_path, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(100)))
    links = [link.readlink().as_posix() for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert [link for link in links if link.startswith(str(tmp_path))] == []

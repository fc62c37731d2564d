"""Measure every workload and the command itself, and print one table; `make bench` runs it.

    python tests/bench/bench.py [--data DIR] [--runs N] [--only w1,w2]

Without --data the candles are made first, from the built-in market, and kept in .bench/data. Each figure
is the median of N runs in fresh processes; wall clock and memory are those of the whole process.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table
from workloads import GROUPS

from backtestkit_cli.data.demo import DemoMarket
from backtestkit_cli.domain.interval import DAY_MS

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
START_MS = 1_735_689_600_000  # 2025-01-01 00:00 UTC
DAYS = {"nine": 27, "big": 730, "hundred": 27}
CELLS = ("w1", "w1 batch", "w2", "w2 policies", "w3", "w3 batch", "w4", "w4 batch", "w5", "w5 batch")


@dataclass(frozen=True, slots=True)
class Cell:
    """The medians of one workload, in seconds and MB."""

    name: str
    candles: int
    trades: int
    import_s: float
    load_s: float
    engine_s: float
    wall_s: float
    peak_mb: float


def make_data(folder: Path) -> None:
    """Write the candles of all groups below *folder*, unless they are there already."""
    for group, symbols in sorted({GROUPS[workload] for workload in GROUPS}):
        for symbol in symbols:
            path = folder / group / f"{symbol}.parquet"
            if path.exists():
                continue
            end_ms = START_MS + DAYS[group] * DAY_MS
            candles = asyncio.run(DemoMarket(seed=1).fetch(symbol, "1m", START_MS, end_ms))
            names = ("timestamp", "open", "high", "low", "close", "volume")
            path.parent.mkdir(parents=True, exist_ok=True)
            pl.DataFrame({name: getattr(candles, name) for name in names}).write_parquet(path, compression="zstd")


def measured(command: Sequence[str | Path]) -> tuple[float, float]:
    """Run *command* and return its wall clock in seconds and its peak memory in MB."""
    found = subprocess.run(
        [sys.executable, HERE / "measure.py", *map(str, command)], stdout=subprocess.PIPE, cwd=ROOT, check=False
    )
    if found.returncode:
        raise SystemExit(f"{' '.join(map(str, command))}: exit code {found.returncode}")
    wall_s, peak_mb = json.loads(found.stdout)
    return wall_s, peak_mb


def run_cell(name: str, data: Path, runs: int) -> Cell:
    """Measure the workload *name*, `w1` or `w1 batch`, after one run that is not counted."""
    workload, _, option = name.partition(" ")
    out = ROOT / ".bench" / f"{name.replace(' ', '-')}.json"
    out.parent.mkdir(exist_ok=True)
    command: list[str | Path] = [sys.executable, HERE / "run.py", workload, f"--option={option}"]
    command += ["--data", data, "--out", out]
    measured(command)
    results, walls, peaks = [], [], []
    for _ in range(runs):
        wall_s, peak_mb = measured(command)
        results.append(json.loads(out.read_text()))
        walls.append(wall_s)
        peaks.append(peak_mb)
    phases = {key: statistics.median(r[key] for r in results) for key in ("import_s", "load_s", "engine_s")}
    return Cell(
        name=name,
        candles=results[0]["candles"],
        trades=results[0]["trades"],
        wall_s=statistics.median(walls),
        peak_mb=statistics.median(peaks),
        **phases,
    )


def command_rows(data: Path, runs: int) -> Iterator[tuple[str, float, float]]:
    """Yield what the command line takes as a whole: name, wall clock, peak memory."""
    folder = data.parent / "as-exchange"
    for symbol in GROUPS["w1"][1]:
        link = folder / symbol / "1m.parquet"
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to((data / "nine" / f"{symbol}.parquet").resolve())
    btk: list[str | Path] = [sys.executable, "-m", "backtestkit_cli"]
    backtest = [
        *btk,
        "backtest",
        "--config=configs/parquet.yaml",
        "--entry=strategies/sma_cross.py",
        f"--symbols={','.join(GROUPS['w1'][1])}",
        f"--set=exchange.path={folder}",
        "--from=2025-01-02",
        "--to=2025-01-28",
        "--quiet",
        f"--out={data.parent / 'dump'}",
    ]
    for name, command in (("btk --help", [*btk, "--help"]), ("btk backtest, 9 symbols", backtest)):
        measured(command)
        pairs = [measured(command) for _ in range(runs)]
        yield name, statistics.median(w for w, _ in pairs), statistics.median(p for _, p in pairs)


def reports_row(data: Path, runs: int) -> tuple[str, float, float]:
    """Return what writing everything of the run of `command_rows` takes: name, wall clock, peak memory."""
    out = data.parent / "dump"
    latest = max((out / "runs").iterdir(), key=lambda folder: folder.stat().st_mtime)
    found = [json.loads(subprocess.check_output([sys.executable, HERE / "reports.py", latest])) for _ in range(runs)]
    wall_s, peak_mb = (statistics.median(column) for column in zip(*found, strict=True))
    return "reports, 9 × 27 days", wall_s, peak_mb


def table_of(cells: Sequence[Cell]) -> Table:
    """Return the workloads as a table."""
    table = Table(title=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    for column in ("workload", "candles", "trades", "import s", "load s", "engine s", "wall s", "peak MB", "candles/s"):
        table.add_column(column, justify="left" if column == "workload" else "right")
    for c in cells:
        seconds = [f"{value:.3f}" for value in (c.import_s, c.load_s, c.engine_s, c.wall_s)]
        rate = f"{c.candles / c.engine_s:,.0f}"
        table.add_row(c.name, f"{c.candles:,}", f"{c.trades:,}", *seconds, f"{c.peak_mb:.0f}", rate)
    return table


def main() -> None:
    """Make data, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--only", default=",".join(CELLS))
    arguments = parser.parse_args()
    data = arguments.data or ROOT / ".bench" / "data"
    if arguments.data is None:
        make_data(data)
    wanted = arguments.only.split(",")
    console = Console(width=120)
    console.print(table_of([run_cell(name, data, arguments.runs) for name in CELLS if name in wanted]))
    if arguments.data is None:
        for name, wall_s, peak_mb in (*command_rows(data, arguments.runs), reports_row(data, arguments.runs)):
            console.print(f"{name}: {wall_s:.3f} s, {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()

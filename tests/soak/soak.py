"""A day of paper trading at leaping time: what must not grow does not, and no tick drifts."""

import asyncio
import gc
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.runs.trading.memory import resident_mb
from tests.builders import START_MS
from tests.runs.trading.worlds import World, a_world
from tests.warp import warped

TRADES = """
from backtestkit_cli import Signal, add_strategy


def get_signal(symbol, when, price):
    return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=45)


add_strategy("soaked", interval="15m", get_signal=get_signal)
"""
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
_CYCLE_S, _OUTAGE_S = 10_800, 10_700
"""The venue is out of reach for the last 100 s of every three hours; what comes then is late, and caught up."""
_EVENTS = "events.jsonl"
_GROWING = ("trade", _EVENTS)
"""What may grow: a line or a record an event or a trade."""


@dataclass(frozen=True)
class Sample:
    """What the process held after so many minutes; `state_kb` are the files that are not to grow."""

    minute: int
    memory_mb: float
    tasks: int
    objects: int
    state_kb: float
    events: int
    latest_ms: int


@dataclass(frozen=True)
class Soaked:
    """What came of a run; `ticks` are the minutes of each symbol."""

    samples: list[Sample]
    ticks: dict[str, list[tuple[int, int]]]
    real_s: float
    minutes: int

    def growth_pct(self, what: Callable[[Sample], float], warm: float = 1 / 3) -> float:
        """Return by how much the last sample is above the first one after warming up, in percent."""
        kept = self.samples[int(len(self.samples) * warm) :]
        return (what(kept[-1]) / max(what(kept[0]), 1e-9) - 1) * 100


def soak(folder: Path, minutes: int, every: int) -> Soaked:
    """Trade in *folder* for so many *minutes*, in which the venue fails now and then; look *every* so many."""
    began_s = time.perf_counter()

    async def main() -> tuple[World, list[Sample]]:
        store = FileStore(folder / "state")
        world = await a_world(folder, *SYMBOLS, strategy=TRADES, begins_s=30, store=store)
        world = replace(world, plan=replace(world.plan, out=str(folder / "out")))
        world.source.is_down = lambda second, _: second % _CYCLE_S > _OUTAGE_S
        world.keeps_statuses = False
        samples: list[Sample] = []
        looking = asyncio.ensure_future(_look(world, folder, every, samples))
        await world.live(minutes)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        return world, samples

    world, samples = warped(main())
    return Soaked(samples, world.ticks, time.perf_counter() - began_s, minutes)


async def _look(world: World, folder: Path, every: int, samples: list[Sample]) -> None:
    while True:
        await asyncio.sleep(every * 60)
        world.source.asked.clear()
        gc.collect()
        latest = max((second * 1000 - minute * 60_000 for t in world.ticks.values() for minute, second in t[-every:]))
        samples.append(
            Sample(
                minute=(world.time.now_ms() - START_MS) // MINUTE_MS,
                memory_mb=resident_mb(),
                tasks=len(asyncio.all_tasks()),
                objects=len(gc.get_objects()),
                state_kb=sum(_sizes(folder / "state").values()) / 1024,
                events=len(world.events),
                latest_ms=latest,
            )
        )


def _sizes(folder: Path) -> dict[str, int]:
    files: dict[str, int] = {}
    for file in folder.rglob("*"):
        name = file.relative_to(folder).as_posix()
        if file.is_file() and not any(word in name for word in _GROWING):
            files[name] = file.stat().st_size
    return files


def table(soaked: Soaked) -> str:
    """Return the samples as people read them."""
    names = ("minute", "memory MB", "tasks", "objects", "state kB", "events", "latest s")
    rows = [
        (
            one.minute,
            f"{one.memory_mb:.1f}",
            one.tasks,
            one.objects,
            f"{one.state_kb:.1f}",
            one.events,
            one.latest_ms / 1000,
        )
        for one in soaked.samples
    ]
    lines = ["  ".join(f"{cell!s:>10}" for cell in row) for row in (names, *rows)]
    grown_pct = soaked.growth_pct(lambda one: one.memory_mb)
    return "\n".join([*lines, f"memory {grown_pct:+.1f} % after warm-up; {soaked.real_s:.0f} s of real time"])


def problems_of(soaked: Soaked) -> list[str]:
    """Return what a soak must not show."""
    found: list[str] = []
    if (grown := soaked.growth_pct(lambda one: one.memory_mb)) > 5:
        found.append(f"memory has grown by {grown:.1f} %")
    if len({one.tasks for one in soaked.samples[1:]}) > 2:
        found.append(f"tasks pile up: {[one.tasks for one in soaked.samples]}")
    if soaked.growth_pct(lambda one: one.state_kb) > 20:
        found.append("the state folder grows")
    for symbol, ticks in soaked.ticks.items():
        if [minute for minute, _ in ticks] != list(range(1, soaked.minutes + 1)):
            found.append(f"{symbol}: not each minute has its tick")
        on_time = [second - minute * 60 for minute, second in ticks if 0 < minute * 60 % _CYCLE_S < _OUTAGE_S - 100]
        if max(on_time) > 2:
            found.append(f"{symbol}: ticks drift, by up to {max(on_time)} s, without an outage")
    return found


def main() -> None:
    """Soak for a day, and print what was seen."""
    with tempfile.TemporaryDirectory() as name:
        soaked = soak(Path(name), 1440, 60)
    print(table(soaked))
    problems = problems_of(soaked)
    print("\n".join(problems) or "flat: no drift, nothing piles up, no file grows but by its events")
    raise SystemExit(bool(problems))


if __name__ == "__main__":
    main()

"""A bot that is killed and started again until its frame is over."""

import asyncio
import json
import os
import random
import select
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.runs.trading.plan import TradingPlan
from tests.crash.child import FAILED, STATE, plan_of
from tests.crash.points import Kill
from tests.crash.scene import ROUND_MS, START_MS, STRATEGY, write_market
from tests.venue.remote import ROOT, RemoteVenue, venue_process

_MOST_LIVES = 5_000
_ALL_FLAT_MS = 30_000
"""How long before the first tick of a next round a frame ends: time enough for what the last tick still waits for."""


class Nursery:
    """Starts lives of a bot, one at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def begin(self, life: dict[str, Any]) -> int:
        """Begin *life*; return the number of its process."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(life) + "\n")
        self._process.stdin.flush()
        return self._line()

    def has_ended(self, within_s: float) -> bool:
        """Say whether the life ends by itself in time."""
        assert self._process.stdout is not None
        return bool(select.select([self._process.stdout.fileno()], [], [], within_s)[0])

    def end(self) -> int:
        """Wait for the end of the life; return its exit code, below zero for the signal that killed it."""
        return self._line()

    def _line(self) -> int:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the nursery has ended")
        return int(line)


@contextmanager
def nursery() -> Iterator[Nursery]:
    """Start a process that forks lives, and end it."""
    command = [sys.executable, "-m", "tests.crash.child"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, bufsize=1, **pipes) as process:  # type: ignore[call-overload]
        yield Nursery(process)
        process.stdin.close()


@dataclass(slots=True)
class Ending:
    """What was left in *folder* and at the venue when the frame was over."""

    folder: Path
    mode: str
    book: dict[str, Any]
    kills: int = 0
    lives: int = 0
    killed_at: list[int] = field(default_factory=list)


@contextmanager
def a_venue(folder: Path, rounds: int) -> Iterator[RemoteVenue]:
    """Start a venue with a market of so many *rounds*, whose clock stands."""
    market = folder / "market"
    if not market.exists():
        write_market(market, rounds)
    where = ("--candles", str(market), "--now", "2025-01-01T00:00:00+00:00", "--still")
    with venue_process(*where, "--deposit", "USDT=100000") as venue:
        yield venue


def lived(
    there: Nursery,
    venue: RemoteVenue,
    folder: Path,
    mode: str,
    rounds: int,
    *,
    kills: Sequence[Kill] = (),
    moments: random.Random | None = None,
    most_kills: int = 0,
    traces: bool = False,
    store: dict[str, Any] | None = None,
    fate: str = "",
    before_life: Callable[[], object] = lambda: None,
) -> Ending:
    """Let a bot live in *folder* until so many *rounds* are over, killed at *kills*, or at random *moments*.

    What it kept in *store* is in files as well then, as if it had been kept in them. At the socket *fate* it asks
    before it moves the clock, and *before_life* is called before each of its lives.
    """
    ending = Ending(folder, mode, {})
    life = life_of(folder, venue, mode, rounds, store) | {"kills": list(kills), "traces": traces, "fate": fate}
    while ending.lives < _MOST_LIVES:
        before_life()
        pid = there.begin(life)
        ending.lives += 1
        if moments is not None and ending.kills < most_kills and not there.has_ended(moments.uniform(0.02, 0.7)):
            os.kill(pid, signal.SIGKILL)
        code = there.end()
        if code == 0:
            return ended(ending, venue, store)
        if code != -signal.SIGKILL:
            raise RuntimeError(f"the bot ended with {code}:\n{(folder / FAILED).read_text()}")
        ending.kills += 1
        now_ms = venue.ask("state")["now_ms"]
        ending.killed_at.append(now_ms)
        life["kills"] = [kill for kill in kills if kill.from_ms > now_ms]
    raise RuntimeError("the bot never gets to the end of the frame")


def life_of(folder: Path, venue: RemoteVenue, mode: str, rounds: int, store: dict[str, Any] | None) -> dict[str, Any]:
    """Return what describes a life of a bot in *folder*, which is made; it is lent what this process knows by now."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rounds.py").write_text(STRATEGY)
    end_ms = START_MS + rounds * ROUND_MS - _ALL_FLAT_MS
    names = {"folder": str(folder), "mode": mode, "url": venue.url, "store": store}
    names["lent"] = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    return {**names, "end_ms": end_ms, "kills": [], "traces": False}


def ended(ending: Ending, venue: RemoteVenue, store: dict[str, Any] | None) -> Ending:
    """Return *ending* with what is left at the venue, and what was kept in *store* in files."""
    ending.book = venue.book
    if store is not None:
        asyncio.run(_copied(plan_of(ending.folder, venue.url, ending.mode, store), ending.folder / STATE))
    return ending


async def _copied(plan: TradingPlan, folder: Path) -> None:
    """Write what *plan* is kept in as files to *folder*."""
    places, files = Places(plan.store, {}), FileStore(folder)
    for key, record in await places.store(is_onlooker=True).items(()):
        assert isinstance(record, dict), record
        await files.write(key, record)
    await places.close()

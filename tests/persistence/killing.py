"""Kills a writer at every step of its work: before and after each call that changes a file or a folder.

Run as a program it plays the scenarios below in a folder and prints what a reader finds after each kill, as JSON.
One process forks all the writers, because a fork costs a hundredth of a start of Python.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import Any

from backtestkit_cli.domain.position import Entry, Plan, enter
from backtestkit_cli.domain.risk import Admitted
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import PortfolioMemory, RiskMemory, SessionMemory
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.policies.orders.limit import Limit

Step = Callable[[FileStore], Coroutine[Any, Any, Any]]
ROOT = Path(__file__).resolve().parents[2]
SIGNAL = Signal(position="long", take_profit=110.0, stop_loss=90.0, price_open=100.0)
POSITION = enter("id-1", Side.LONG, Plan.of(SIGNAL), 60_000, Entry(120_000, 100.0, 50.0))
PORTFOLIO = PortfolioMemory(peak_equity=10_000.0, day_base=10_000.0, day_ms=0)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was found after a kill: by a reader, as drafts before the store was initialised again, and as such after."""

    found: Any
    drafts: list[str]
    drafts_after: list[str]


def outcomes(folder: Path) -> dict[str, list[Outcome]]:
    """Return for each scenario what was found after a kill at each step, and last after the writer was let through."""
    command = [sys.executable, "-m", "tests.persistence.killing", str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: dict[str, list[Outcome]] = {}
    for line in ended.stdout.splitlines():
        scenario, *parts = json.loads(line)
        found.setdefault(scenario, []).append(Outcome(*parts))
    return found


async def write_old(store: FileStore) -> None:
    await store.wait_for_init()
    await store.write(("a", "b"), {"text": "old"})


async def write_new(store: FileStore) -> None:
    await store.write(("a", "b"), {"text": "new" * 20})


async def read_text(store: FileStore) -> object:
    return (await store.read(("a", "b")))["text"]


async def begin(store: FileStore) -> None:
    await store.wait_for_init()


async def has_text(store: FileStore) -> object:
    return await store.has(("a", "b")) and await read_text(store)


def _session(store: FileStore) -> SessionJournal:
    return SessionJournal(store, "live", "demo", "s", "BTCUSDT")


async def save_waiting(store: FileStore) -> None:
    waiting = Waiting("id-1", SIGNAL, Side.LONG, Limit(100.0), 100.0, 60_000)
    await _session(store).save(SessionMemory(revision=1))
    await _session(store).save(SessionMemory(revision=2, state=waiting))


async def save_open(store: FileStore) -> None:
    journal = _session(store)
    await journal.recall()
    await journal.save(SessionMemory(revision=3, state=POSITION))


async def read_states(store: FileStore) -> object:
    memory = await _session(store).recall()
    assert memory is not None
    kept = [(await store.read(("live", "demo", kind, "s", "BTCUSDT")))["content"] for kind in ("signal", "schedule")]
    return [type(memory.state).__name__, memory.blocked, [content is not None for content in kept]]


async def save_old_shared(store: FileStore) -> None:
    await RunJournal(store, "live", "demo").save(PORTFOLIO)
    await RunJournal(store, "live", "demo").save(RiskMemory(admitted=(Admitted(1, "s", "BTCUSDT"),)))


async def save_new_portfolio(store: FileStore) -> None:
    await RunJournal(store, "live", "demo").save(replace(PORTFOLIO, peak_equity=11_000.0))


async def save_new_risk(store: FileStore) -> None:
    await RunJournal(store, "live", "demo").save(
        RiskMemory(admitted=(Admitted(1, "s", "BTCUSDT"), Admitted(2, "s", "E")))
    )


async def read_shared(store: FileStore) -> object:
    journal = RunJournal(store, "live", "demo")
    portfolio, risk = await journal.recall(PortfolioMemory), await journal.recall(RiskMemory)
    assert portfolio is not None
    assert risk is not None
    return [portfolio.peak_equity, len(risk.admitted)]


SCENARIOS: dict[str, tuple[Step, Step, Step]] = {
    "write": (write_old, write_new, read_text),
    "first_write": (begin, write_new, has_text),
    "signal_opens": (save_waiting, save_open, read_states),
    "portfolio": (save_old_shared, save_new_portfolio, read_shared),
    "risk": (save_old_shared, save_new_risk, read_shared),
}


_CHANGES = {"open", "write", "close", "replace", "rename", "link", "unlink", "mkdir", "rmdir"}


def _act_until(step: Step, folder: Path, last: int) -> None:
    """Do *step*, and die before or after a call that changes files, the *last*-th time there is such a moment."""
    count = 0

    def tell(frame: FrameType, event: str, called: object) -> None:
        nonlocal count
        if event in {"c_call", "c_return"} and getattr(called, "__name__", "") in _CHANGES:
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(tell)
    _done(step, folder)
    sys.setprofile(None)


def _play(scenario: str, folder: Path) -> None:
    before, step, look = SCENARIOS[scenario]
    _done(before, folder / scenario / "0")
    last, is_killed = 0, True
    while is_killed:
        last += 1
        state = folder / scenario / str(last)
        shutil.copytree(folder / scenario / "0", state)
        child = os.fork()
        if child == 0:
            _act_until(step, state, last)
            os._exit(0)
        is_killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        drafts = _drafts(state)
        _done(FileStore.wait_for_init, state)
        print(json.dumps([scenario, _done(look, state), drafts, _drafts(state)]))


def _done(step: Step, state: Path) -> object:
    """Return what *step* comes to on a store of files, which gives way to nobody and so needs no loop."""
    try:
        step(FileStore(state)).send(None)
    except StopIteration as ended:
        return ended.value
    raise AssertionError("a store of files waited for something")


def _drafts(state: Path) -> list[str]:
    return [path.name for path in state.rglob("*") if path.is_file() and path.suffix != ".json"]


if __name__ == "__main__":
    os.fsync = lambda fd: None  # what a process wrote outlives it without
    for name in SCENARIOS:
        _play(name, Path(sys.argv[1]))

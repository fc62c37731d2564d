"""Kills a writer at every step of its work: before and after each call that changes or syncs a file or a folder.

Run as a program it starts from a folder and a scenario below, and prints what a reader finds after each kill, as JSON.
One process forks all the writers, because a fork costs a hundredth of a start of Python.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from backtestkit_cli.domain.risk import Admitted
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import PortfolioMemory, RiskMemory, SessionMemory
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.policies.orders.limit import Limit
from tests.builders import a_position

Step = Callable[[FileStore], Awaitable[Any]]
ROOT = Path(__file__).resolve().parents[2]
SIGNAL = Signal(position="long", take_profit=110.0, stop_loss=90.0, price_open=100.0)
PORTFOLIO = PortfolioMemory(peak_equity=10_000.0, day_base=10_000.0, day_ms=0)


def outcomes_of(scenario: str, folder: Path) -> list[Any]:
    """Return what was found after a kill at each step of *scenario*, and last what is found after it was let through.

    Each comes with the names of the files that are no records.
    """
    command = [sys.executable, "-m", "tests.persistence.killing", scenario, str(folder)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return [json.loads(line) for line in ended.stdout.splitlines()]


async def write_old(store: FileStore) -> None:
    await store.wait_for_init()
    await store.write(("a", "b"), {"text": "old" * 10_000})


async def write_new(store: FileStore) -> None:
    await store.write(("a", "b"), {"text": "new" * 20_000})


async def read_text(store: FileStore) -> object:
    return (await store.read(("a", "b")))["text"]


async def begin(store: FileStore) -> None:
    await store.wait_for_init()


async def has_text(store: FileStore) -> object:
    return await store.has(("a", "b")) and await read_text(store)


def _session(store: FileStore) -> SessionJournal:
    return SessionJournal(store, "live", "demo", "s", "BTCUSDT")


async def save_waiting(store: FileStore) -> None:
    waiting = Waiting("id-1", SIGNAL, a_position().side, Limit(100.0), 100.0, 60_000)
    await _session(store).save(SessionMemory(revision=1))
    await _session(store).save(SessionMemory(revision=2, state=waiting))


async def save_open(store: FileStore) -> None:
    journal = _session(store)
    await journal.recall()
    await journal.save(SessionMemory(revision=3, state=a_position()))


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


_CHANGES = {"open", "write", "close", "fsync", "replace", "rename", "link", "unlink", "mkdir", "rmdir"}


def _act_until(step: Step, folder: Path, last: int) -> None:
    """Do *step*, and die before or after a call that changes files, the *last*-th time there is such a moment."""
    count = 0

    def tell(frame: FrameType, event: str, called: object) -> None:
        nonlocal count
        if event in {"c_call", "c_return"} and getattr(called, "__name__", "") in _CHANGES:
            count += 1
            if count == last:
                os.kill(os.getpid(), signal.SIGKILL)

    async def act() -> None:
        sys.setprofile(tell)
        await step(FileStore(folder))
        sys.setprofile(None)

    asyncio.run(act())


def _main(scenario: str, folder: Path) -> None:
    before, step, look = SCENARIOS[scenario]
    last, is_killed = 0, True
    while is_killed:
        last += 1
        state = folder / str(last)
        asyncio.run(_as_coroutine(before, state))
        child = os.fork()
        if child == 0:
            _act_until(step, state, last)
            os._exit(0)
        is_killed = os.WIFSIGNALED(os.waitpid(child, 0)[1])
        print(json.dumps(asyncio.run(_found(look, state))))
        shutil.rmtree(state)


async def _as_coroutine(step: Step, state: Path) -> object:
    return await step(FileStore(state))


async def _found(look: Step, state: Path) -> object:
    store = FileStore(state)
    await store.wait_for_init()
    others = [path.name for path in state.rglob("*") if path.is_file() and path.suffix != ".json"]
    try:
        return [await look(store), others]
    except StoreError as error:
        return [str(error), others]


if __name__ == "__main__":
    _main(sys.argv[1], Path(sys.argv[2]))

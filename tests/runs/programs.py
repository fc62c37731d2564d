"""What the programs of these tests run: a strategy that trades every hour or two, on the built-in market."""

import asyncio
import gc
import re
import signal
from datetime import datetime
from pathlib import Path
from typing import Any, TypedDict

from backtestkit_cli import Signal

HOURLY = """
from backtestkit_cli import Signal, add_strategy

calls = 0

def get_signal(symbol, when, price):
    global calls
    calls += 1
    side = "long" if calls % 3 else "short"
    return Signal(position=side, take_profit=price * (1.01 if calls % 3 else 0.99),
                  stop_loss=price * (0.99 if calls % 3 else 1.01), minutes=50 + calls % 40)

add_strategy("hourly", interval="1h", get_signal=get_signal)
"""
"""Its signals depend on how often it was asked before: a variable of the module that must not be shared."""


class Frame(TypedDict):
    """The keywords of a run over two days."""

    start: str
    end: str


TWO_DAYS: Frame = {"start": "2025-05-04", "end": "2025-05-06"}


def long_each_time(_symbol: str, _when: datetime, price: float) -> Signal:
    """Ask for a long position of an hour at most."""
    return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=60)


def hourly(folder: Path, name: str = "hourly.py", text: str = HOURLY) -> str:
    """Write the strategy; return its path."""
    (folder / name).write_text(text, encoding="utf-8")
    return str(folder / name)


def saved(out: Path) -> dict[str, bytes]:
    """Return everything that was written below *out* but what says when the run was and how long it took."""
    files = {file.relative_to(out).as_posix(): file for file in sorted(out.rglob("*")) if file.is_file()}
    is_of_its_time = re.compile(r"manifest\.json$|performance").search
    return {name: file.read_bytes() for name, file in files.items() if not is_of_its_time(name)}


def state_of_process() -> tuple[Any, ...]:
    """Return what a run changes for the whole process while it is under way."""
    return gc.get_threshold(), signal.getsignal(signal.SIGALRM)


def other_tasks() -> set[asyncio.Task[Any]]:
    """Return all tasks but the one that asks."""
    return {task for task in asyncio.all_tasks() if task is not asyncio.current_task()}

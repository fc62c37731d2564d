"""Who trades what, and who holds the locks of accounts, found out without touching them."""

import os
import platform
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from backtestkit_cli.persistence.account_lock import FOLDER, HOLDER, LOCK
from backtestkit_cli.persistence.file_names import decoded

_TABLE = Path("/proc/locks")
_TOLD = re.compile(r"pid (\d+) on (.*)", re.DOTALL)


class Presence(StrEnum):
    """Whether who said that he trades is there."""

    RUNNING = "running"
    GONE = "gone"
    ELSEWHERE = "elsewhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who took the lock, or the lease, of an account at `since_ms`: process `pid` on the machine `node`.

    One who is `GONE` did not give it back: he was killed. One `ELSEWHERE` has a lock and is on another machine, which
    cannot be looked at from here; a lease in force tells that he is `RUNNING`, wherever that is.
    """

    mode: str
    exchange: str
    account: str
    pid: int
    node: str
    since_ms: int
    presence: Presence


def holders_below(folder: Path) -> list[Holder]:
    """Return who holds locks in the *folder* of a store, and who left them behind, sorted by their names."""
    locks = folder / FOLDER
    found = (_holder(file, file.relative_to(locks).parts) for file in sorted(locks.rglob(f"*{HOLDER}")))
    return [holder for holder in found if holder is not None]


def _holder(file: Path, parts: tuple[str, ...]) -> Holder | None:
    names = decoded((*parts[:-1], parts[-1].removesuffix(HOLDER)))
    try:
        told = _TOLD.fullmatch(file.read_text(encoding="utf-8", errors="replace"))
        since_ms = file.stat().st_mtime_ns // 1_000_000
    except OSError:  # given back while we looked
        return None
    if told is None or names is None or len(names) != 3:
        return None
    mode, exchange, account = names
    pid, node = int(told[1]), told[2]
    presence = _presence(file.with_name(file.name.removesuffix(HOLDER) + LOCK), pid, node)
    return Holder(
        mode=mode, exchange=exchange, account=account, pid=pid, node=node, since_ms=since_ms, presence=presence
    )


def _presence(lock: Path, pid: int, node: str) -> Presence:
    if node != platform.node():
        return Presence.ELSEWHERE
    return Presence.RUNNING if _is_held(lock, pid) else Presence.GONE


def _is_held(lock: Path, pid: int) -> bool:
    """Say whether process *pid* holds *lock*: by the table of the system, where there is one, else if it is alive."""
    try:
        inode = str(lock.stat().st_ino)
        table = [line.split() for line in _TABLE.read_text(encoding="ascii").splitlines()]
    except OSError:
        return lock.exists() and _is_alive(pid)
    return any(str(pid) in line and any(part.endswith(f":{inode}") for part in line) for line in table)


def _is_alive(pid: int) -> bool:
    if os.name == "nt":  # there is no asking without harm
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is there, and somebody else's
        return True
    return True

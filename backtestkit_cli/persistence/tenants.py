"""Processes as those who hold leases: which one this is, and whether another one of this machine is no more."""

import os
import platform
from pathlib import Path

from backtestkit_cli.persistence.shelf import Tenant

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"
_ENDED = {"Z", "X"}
_STATE, _STARTED = 0, 19
"""Where in the file `stat` of a process its state and its start are, counted from behind its name."""


def this_process(account: str, now_ms: int) -> Tenant:
    """Return this process as one that begins to trade *account* at *now_ms*."""
    pid = os.getpid()
    return Tenant(account, pid, platform.node(), now_ms, _origin(pid))


def is_gone(tenant: Tenant) -> bool:
    """Say whether *tenant* was a process of this machine, as it was started last, that has ended.

    Of one elsewhere, in another container, or where the system tells nothing of processes, nobody can say that.
    """
    return _is_near(tenant) and _origin(tenant.pid) != tenant.origin


def is_alive(tenant: Tenant) -> bool:
    """Say whether *tenant* is a process of this machine that has not ended; of one elsewhere nobody can say that."""
    return _is_near(tenant) and _origin(tenant.pid) == tenant.origin


def _is_near(tenant: Tenant) -> bool:
    here = _here()
    return bool(here) and tenant.origin.startswith(here)


def _origin(pid: int) -> str:
    """Return what tells process *pid* from all others, nothing where it is not there or the system does not say."""
    here, stat = _here(), _stat(pid)
    return f"{here}{stat[_STARTED]}" if here and stat and stat[_STATE] not in _ENDED else ""


def _here() -> str:
    """Return what all processes share that see each other: the boot of the machine, and the name space of numbers."""
    try:
        return f"{_BOOT.read_text(encoding='ascii').strip()}/{(_PROC / 'self/ns/pid').readlink()}/"
    except OSError:
        return ""


def _stat(pid: int) -> list[str]:
    try:
        text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()

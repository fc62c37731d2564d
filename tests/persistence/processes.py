"""Real processes of this machine, as those who hold leases."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from backtestkit_cli.persistence.shelf import Tenant

_HOLDER = """
import sys
from backtestkit_cli.persistence.tenants import this_process
print(*this_process("account", 0), sep="|", flush=True)
sys.stdin.read()
"""


@contextmanager
def a_process() -> Iterator[tuple[Tenant, "subprocess.Popen[str]"]]:
    """Start a process that tells how it calls itself, and ends when its input does."""
    command = [sys.executable, "-c", _HOLDER]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        account, pid, node, since_ms, origin = process.stdout.readline().strip().split("|")
        try:
            yield Tenant(account, int(pid), node, int(since_ms), origin), process
        finally:
            process.kill()


def ended_process() -> Tenant:
    """Return one that was there and is no more."""
    with a_process() as (tenant, process):
        process.kill()
        process.wait()
    return tenant

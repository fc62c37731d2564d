"""Whether a process that holds a lease is no more, asked of real processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from backtestkit_cli.persistence.tenants import is_gone, this_process
from tests.persistence.processes import a_process

SOON_S = 10.0


def state_of(pid: int) -> str:
    """Return how the system calls what process *pid* does."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]


def reaches(pid: int, state: str) -> bool:
    until_s = time.monotonic() + SOON_S
    while state_of(pid) != state and time.monotonic() < until_s:
        time.sleep(0.005)
    return state_of(pid) == state


def test_a_process_is_there_until_it_has_ended_also_while_it_stands_still() -> None:
    with a_process() as (tenant, process):
        assert not is_gone(tenant)
        process.send_signal(signal.SIGSTOP)
        assert reaches(process.pid, "T")
        assert not is_gone(tenant), "it may go on"
        process.kill()
        assert reaches(process.pid, "Z")
        assert is_gone(tenant), "what nobody waited for yet trades nothing"
        process.wait()
        assert is_gone(tenant)


def test_this_process_knows_itself() -> None:
    here = this_process("account", 7)
    assert (here.pid, here.account, here.since_ms) == (os.getpid(), "account", 7)
    assert here.origin
    assert not is_gone(here)


def test_another_process_of_the_same_number_is_not_taken_for_it() -> None:
    here = this_process("account", 7)
    boot, space, started = here.origin.rsplit("/", 2)
    assert is_gone(here._replace(origin=f"{boot}/{space}/{int(started) - 1}"))


@pytest.mark.parametrize("part", ["boot", "name space"])
def test_of_a_process_elsewhere_nobody_can_say_that_it_has_ended(part: str) -> None:
    here = this_process("account", 7)
    boot, space, started = here.origin.split("/")
    origins = {"boot": f"0{boot[1:]}x/{space}/{started}", "name space": f"{boot}/pid:[1]/{started}"}
    assert not is_gone(here._replace(pid=_free_pid(), origin=origins[part]))


def test_one_that_could_not_tell_where_it_is_may_be_there() -> None:
    assert not is_gone(this_process("account", 7)._replace(pid=_free_pid(), origin=""))


def _free_pid() -> int:
    """Return the number of a process that has ended."""
    with subprocess.Popen([sys.executable, "-V"], stdout=subprocess.DEVNULL) as process:
        process.wait()
    return process.pid

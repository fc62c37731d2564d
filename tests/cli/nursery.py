"""A process that has imported all of btk and forks a program for each command: a start costs a fiftieth of a new one.

A program that is forked is a process like any other, with the folder, the environment and the three files of its
messenger (`tests.cli.messenger`), which asks for it over a socket. A keeper beside it tells its number and how it
ended, and kills it when the messenger is killed.
"""

import gc
import json
import os
import runpy
import select
import signal
import socket
import sys
from pkgutil import walk_packages
from typing import Any

import backtestkit_cli

_POLL_S = 0.005


def import_all() -> None:
    """Import all of btk but its beginning, which runs it."""
    for module in walk_packages(backtestkit_cli.__path__, "backtestkit_cli."):
        if not module.name.endswith("__main__"):
            __import__(module.name)


def asked(address: str) -> dict[str, Any]:
    """Return what is asked for, in each process that is forked for it."""
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for keepers
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:  # its end is that of the tests
            connection, _ = door.accept()
            if os.fork() == 0:
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                return _kept(connection)
            connection.close()
    raise SystemExit


def _kept(connection: socket.socket) -> dict[str, Any]:
    """Return in the process of the program what it is to do; keep it in this one."""
    length = int.from_bytes(connection.recv(4, socket.MSG_WAITALL))
    wanted: dict[str, Any] = json.loads(connection.recv(length, socket.MSG_WAITALL))
    _, files, _, _ = socket.recv_fds(connection, 1, 3)
    pid = os.fork()
    if pid == 0:
        connection.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        return wanted
    for file in (0, 1, 2, *files):
        os.close(file)
    connection.sendall(pid.to_bytes(4))
    while (ended := os.waitpid(pid, os.WNOHANG)) == (0, 0):
        if select.select([connection], [], [], _POLL_S)[0]:
            os.kill(pid, signal.SIGKILL)
            ended = os.waitpid(pid, 0)
            break
    code = os.waitstatus_to_exitcode(ended[1])
    connection.sendall(code.to_bytes(4, signed=True))
    os._exit(0)


def become(wanted: dict[str, Any]) -> None:
    """Do in this process what `python -m backtestkit_cli` would do in one of its own."""
    os.chdir(wanted["folder"])
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = ["", *wanted["arguments"]]
    for number, (name, mode) in enumerate({"stdin": "r", "stdout": "w", "stderr": "w"}.items()):
        file: Any = os.fdopen(number, mode, closefd=False, encoding="utf-8")
        file.reconfigure(line_buffering=name == "stderr" or file.isatty())
        for known_as in (name, f"__{name}__"):
            setattr(sys, known_as, file)
    runpy.run_module("backtestkit_cli", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    import_all()
    gc.freeze()
    become(asked(sys.argv[1]))

"""Ways to run `btk` in tests, and the small files that it is given."""

import atexit
import contextlib
import io
import os
import pty
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from backtestkit_cli.cli import app

ROOT = Path(__file__).resolve().parents[2]

TINY = """
from backtestkit_cli import Signal, add_strategy

def get_signal(symbol, when, price):
    return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=90)

add_strategy("tiny", interval="1h", get_signal=get_signal, note="long every hour")
"""
DAY = ("--from", "2025-05-04", "--to", "2025-05-05")
"""A frame of one day."""
RUN = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT", *DAY)
"""A run that needs `tiny.py` in the working folder and nothing else."""


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """Return the lines of stderr that report an error."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


def a_strategy(folder: Path, text: str = TINY, name: str = "tiny.py") -> Path:
    """Write a strategy file."""
    path = folder / name
    path.write_text(text)
    return path


def called(*arguments: str) -> Ended:
    """Run `btk` within this process, in the working folder."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = app.run(arguments)
    return Ended(code, out.getvalue(), err.getvalue())


def started(*arguments: str, folder: Path, anew: bool = False, **variables: str) -> Ended:
    """Run `btk` as a program of its own, with pipes; *anew* lets Python start with it."""
    with popen(*arguments, folder=folder, anew=anew, **variables) as process:
        out, err = process.communicate()
    return Ended(process.returncode, out, err)


def popen(*arguments: str, folder: Path, anew: bool = False, **variables: str) -> subprocess.Popen[str]:
    """Start `btk` with pipes; *anew* lets Python start with it."""
    return subprocess.Popen(
        _command(arguments, variables, anew=anew),
        cwd=folder,
        env=_environment(variables),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def on_a_terminal(*arguments: str, folder: Path, columns: int = 80, **variables: str) -> Ended:
    """Run `btk` on a terminal; `out` has what is to be seen on it, stdout and stderr."""
    command = _command(arguments, variables)
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(  # noqa: S606 - there is no shell to start
            sys.executable,
            command,
            _environment({"COLUMNS": str(columns), "TERM": "xterm-256color"} | variables),
        )
    shown = bytearray()
    with contextlib.suppress(OSError):  # Linux ends the last read so
        while part := os.read(terminal, 65_536):
            shown += part
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), shown.decode(), "")


def interrupted(process: subprocess.Popen[str], marker: Path) -> Ended:
    """Press Ctrl-C once *marker* is there."""
    until = time.monotonic() + 20
    with process:
        try:
            while not marker.exists() and time.monotonic() < until:
                time.sleep(0.02)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=20)
        finally:
            process.kill()
    return Ended(process.returncode, out, err)


def _command(arguments: Sequence[str], variables: Collection[str], *, anew: bool = False) -> list[str]:
    """Return what starts Python where it is to start *anew* or reads a variable then, else what has `btk` forked."""
    if anew or any(name.startswith("PYTHON") for name in variables):
        return [sys.executable, "-m", "backtestkit_cli", *arguments]
    return [sys.executable, "-S", "-E", str(ROOT / "tests" / "cli" / "messenger.py"), _nursery(), *arguments]


@cache
def _nursery() -> str:
    """Start a nursery that lives as long as this process; return its address."""
    with contextlib.ExitStack() as stack:
        address = f"{stack.enter_context(tempfile.TemporaryDirectory(prefix='btk-'))}/door"
        process = stack.enter_context(
            subprocess.Popen(
                [sys.executable, "-m", "tests.cli.nursery", address],
                cwd=ROOT,
                env=_environment({}),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the tests, which end it
            )
        )
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        atexit.register(stack.pop_all().close)
    return address


def _environment(variables: dict[str, str]) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CC_") and name not in _OTHERS}
    return kept | {"PYTHONPATH": str(ROOT)} | variables


_OTHERS = {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "TERM"}

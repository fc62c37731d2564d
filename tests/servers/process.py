"""A server of the tests: a process of its own on loopback ports, with a folder that outlives a kill."""

import ctypes
import itertools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

START_SECONDS = 20.0
STOP_SECONDS = 10.0
POLL_SECONDS = 0.02
ATTEMPTS = 3
NOBODY = 65534
PR_SET_PDEATHSIG = 1

# A server dies with the thread that started it, and those of a test's event loop end before the test does.
_launcher = ThreadPoolExecutor(1, "launcher of servers")


class CannotRunError(Exception):
    """Why a server cannot run on this machine."""


class Server:
    """One server. `start` picks ports and begins; whoever starts one ends it with `close`, or uses `running`.

    A server found by its record (`found`) belongs to another process: it can be used, but not ended, here.
    """

    name: ClassVar[str]
    port_count: ClassVar[int] = 1
    end_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(self) -> None:
        self.ports: tuple[int, ...] = ()
        self._process: subprocess.Popen[bytes] | None = None
        self._owned = True
        self._program = self.find_program()
        self.folder = Path(tempfile.mkdtemp(prefix=f"btk-{self.name}-"))

    @classmethod
    def find_program(cls) -> Path:
        """Return where the server's program is; CannotRunError says why there is none."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Fill the folder before the first start."""

    def command(self) -> Sequence[Path | str]:
        """Return the command that serves `folder` on `ports` and stays in the foreground."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Say whether the server, which listens, does what it is there for."""
        raise NotImplementedError

    @property
    def process_options(self) -> dict[str, Any]:
        """Popen's arguments for the user and the environment that the server runs with, where they are others."""
        return {}

    @classmethod
    def started(cls) -> Self:
        """Return a new server that answers."""
        server = cls()
        try:
            server.prepare()
            server.start()
        except BaseException:
            server.close()
            raise
        return server

    @classmethod
    def found(cls, folder: Path, ports: Sequence[int]) -> Self:
        """Return a server that another process started and will end."""
        server = cls.__new__(cls)
        server.folder, server.ports = folder, tuple(ports)
        server._owned, server._process = False, None
        return server

    def through(self, port: int) -> Self:
        """Return this server as clients find it on another port, such as a proxy's."""
        return self.found(self.folder, (port, *self.ports[1:]))

    @property
    def port(self) -> int:
        """The port that clients use."""
        return self.ports[0]

    @property
    def pid(self) -> int:
        """The process id; of a server that was started here and runs."""
        return self._running().pid

    @property
    def is_up(self) -> bool:
        """Say whether the server, which was started here, has not been ended."""
        return self._process is not None

    def start(self) -> None:
        """Start on free ports and wait until it answers; ports that others took meanwhile are replaced."""
        for attempt in itertools.count(1):
            self.ports = free_ports(self.port_count)
            try:
                self._launch()
            except RuntimeError:
                if attempt == ATTEMPTS:
                    raise
            else:
                return

    def restart(self) -> None:
        """Start again, on the same ports and with the same data, after `stop`, `kill`, or neither."""
        if self._process is not None:
            self.stop()
        self._launch()

    def stop(self) -> None:
        """End the server as its operators would, or by force when that takes long."""
        process = self._running()
        process.send_signal(signal.SIGCONT)
        process.send_signal(self.end_signal)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(STOP_SECONDS)
        self._process = None

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        process = self._running()
        process.kill()
        process.wait(STOP_SECONDS)
        self._process = None

    def pause(self) -> None:
        """Let the server stand still: connections stay open, and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused server go on."""
        self._running().send_signal(signal.SIGCONT)

    def close(self) -> None:
        """Stop the server, if it runs, and remove its data."""
        if self._process is not None:
            self.stop()
        if self._owned:
            shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def log_file(self) -> Path:
        """What the server wrote to its output, over all its starts."""
        return self.folder / "log"

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run, or is shared: a test that ends a server starts its own")
        return self._process

    def _launch(self) -> None:
        process = self._process = _launcher.submit(self._begin).result(START_SECONDS)
        until = time.monotonic() + START_SECONDS
        while not (listens(process.pid, self.port) and self.answers()):
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                process.wait(STOP_SECONDS)
                self._process = None
                raise RuntimeError(f"{self.name} did not start: {self.log_file.read_text(errors='replace')[-2000:]}")
            time.sleep(POLL_SECONDS)

    def _begin(self) -> subprocess.Popen[bytes]:
        with self.log_file.open("ab") as log:
            return subprocess.Popen(
                self.command(),
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                preexec_fn=dying_with_its_parent(),  # noqa: PLW1509 - two system calls, looked up before the fork
                **self.process_options,
            )


AnyServer = TypeVar("AnyServer", bound=Server)


@contextmanager
def running(kind: type[AnyServer]) -> Iterator[AnyServer]:
    """Start a server for one test, which may kill it, and remove it afterwards."""
    with closing(kind.started()) as server:
        yield server


def new_name() -> str:
    """Return a name that no other test has: a letter, then letters and digits, fit for a database or a bucket."""
    return f"t{secrets.token_hex(6)}"


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports of loopback that were free a moment ago."""
    taken = [socket.socket() for _ in range(count)]
    try:
        for each in taken:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in taken)
    finally:
        for each in taken:
            each.close()


def listens(pid: int, port: int) -> bool:
    """Say whether the process *pid* itself, not another that took the port first, listens on *port* of IPv4."""
    rows = (line.split() for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:])
    inodes = {row[9] for row in rows if row[3] == "0A" and row[1].endswith(f":{port:04X}")}
    if not inodes:
        return False
    try:
        return any(file.readlink().name in {f"socket:[{inode}]" for inode in inodes} for file in _files(pid))
    except FileNotFoundError:
        return False  # it closed a file, or ended, while its files were listed


def _files(pid: int) -> Iterator[Path]:
    return Path(f"/proc/{pid}/fd").iterdir()


def dying_with_its_parent(with_signal: signal.Signals = signal.SIGKILL) -> Callable[[], None]:
    """Return what a child calls before its program so that it ends when the thread that started it does (Linux)."""
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def ask() -> None:
        prctl(PR_SET_PDEATHSIG, with_signal)
        if os.getppid() != parent:  # it died before the request
            os._exit(1)

    return ask


def wheel_folder(package: str) -> Path:
    """Return the folder of an installed package, which is not imported."""
    if sys.platform != "linux":
        raise CannotRunError(f"servers of the tests run on Linux only, not on {sys.platform}")
    import importlib.util

    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise CannotRunError(f"the wheel with {package} is not installed (it is made for Linux on x86-64 only)")
    return Path(next(iter(found.submodule_search_locations)))

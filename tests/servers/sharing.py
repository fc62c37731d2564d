"""One server for all worker processes of a run of tests.

The first worker that needs one starts a keeper: `python -m tests.servers.sharing` starts the server, says where it is,
and removes it when the process of the whole run is gone, however that ended.
"""

import json
import os
import select
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from filelock import FileLock

from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import ATTEMPTS, START_SECONDS, AnyServer, Server, running
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server

ROOT = Path(__file__).resolve().parents[2]
KINDS: dict[str, type[Server]] = {kind.name: kind for kind in (RedisServer, PostgresServer, MongoServer, S3Server)}

_keepers: list["subprocess.Popen[str]"] = []  # they outlive this process, and are to be no news when they do


def shared(kind: type[AnyServer], run_folder: Path, run_pid: int) -> AnyServer:
    """Return the run's server of a kind; the first caller of all processes starts it.

    Args:
        kind: Which server.
        run_folder: A folder that the processes of the run share, and no other run.
        run_pid: The process at whose end the server ends.
    """
    record = run_folder / f"{kind.name}.json"
    with FileLock(record.with_suffix(".lock"), timeout=ATTEMPTS * START_SECONDS):
        if not record.exists():
            record.write_text(_kept(kind, record.with_suffix(".log"), run_pid), encoding="utf-8")
    found = json.loads(record.read_text(encoding="utf-8"))
    return kind.found(Path(found["folder"]), found["ports"])


def _kept(kind: type[Server], log: Path, run_pid: int) -> str:
    """Start a keeper and return its record of the server."""
    with log.open("ab") as errors:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.sharing", kind.name, str(run_pid)],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,  # the end of the run ends it, no signal to a terminal's processes
        )
    _keepers.append(keeper)
    assert keeper.stdout
    with keeper.stdout as said:
        record = said.readline()
    if not record:
        raise RuntimeError(f"no {kind.name}: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    return record


def _keep(kind: type[Server], run_pid: int) -> None:
    run = os.pidfd_open(run_pid)
    with running(kind) as server:
        print(json.dumps({"folder": str(server.folder), "ports": server.ports}), flush=True)
        select.select([run], [], [])


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with suppress(ProcessLookupError):  # the run has ended already
        _keep(KINDS[sys.argv[1]], int(sys.argv[2]))

"""How the tests' servers begin and end, whoever dies first; shown with Redis, the quickest."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest

from tests.servers.fixtures import must_run
from tests.servers.process import CannotRunError, Server, listens, running
from tests.servers.redis import RedisServer
from tests.servers.sharing import ROOT, shared


def test_a_stopped_server_restarts_on_its_port_with_its_data(own_redis: RedisServer) -> None:
    port = own_redis.port
    own_redis.ask("SET", "key", "kept")
    own_redis.stop()
    with pytest.raises(OSError, match="refused"):
        own_redis.ask("PING")
    own_redis.restart()
    assert own_redis.port == port
    assert own_redis.ask("STRLEN", "key") == ":4"


def test_a_paused_server_answers_once_it_is_resumed(own_redis: RedisServer) -> None:
    own_redis.pause()
    resumption = Timer(0.2, own_redis.resume)
    resumption.start()
    began = time.monotonic()
    assert own_redis.ask("PING") == "+PONG"
    assert time.monotonic() - began > 0.1
    resumption.join()


def test_a_paused_server_can_be_stopped() -> None:
    with running(RedisServer) as server:
        server.pause()
    assert not server.folder.exists()


def test_a_server_outlives_the_thread_and_the_loop_that_restarted_it(own_redis: RedisServer) -> None:
    asyncio.run(asyncio.to_thread(own_redis.restart))
    time.sleep(0.05)
    assert own_redis.ask("PING") == "+PONG"


def test_a_server_dies_with_the_process_that_started_it() -> None:
    program = (
        "from tests.servers.redis import RedisServer; import time\n"
        "server = RedisServer.started(); print(server.pid, server.folder, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        pid, folder = parent.stdout.readline().decode().split()
        assert is_alive(int(pid))
        parent.kill()
    eventually(lambda: not is_alive(int(pid)))
    shutil.rmtree(folder)


def test_a_shared_server_is_started_once_and_ends_with_the_run(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as run:  # noqa: S607 - stands in for the process of a run
        first, second = shared(RedisServer, tmp_path, run.pid), shared(RedisServer, tmp_path, run.pid)
        assert first.ports == second.ports
        assert second.ask("PING") == "+PONG"
        with pytest.raises(RuntimeError, match="starts its own"):
            first.kill()
        run.kill()
    eventually(lambda: not first.folder.exists())


def test_a_port_that_another_process_took_is_not_the_servers(own_redis: RedisServer) -> None:
    assert listens(own_redis.pid, own_redis.port)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert not listens(own_redis.pid, taken.getsockname()[1])
        assert listens(os.getpid(), taken.getsockname()[1])


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_a_missing_server_skips_a_test_and_fails_it_in_ci(
    monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no elixir: it was never packed"):
        must_run(Elixir)


class Elixir(Server):
    """A server that nobody has."""

    name = "elixir"

    @classmethod
    def find_program(cls) -> Path:
        raise CannotRunError("it was never packed")


def is_alive(pid: int) -> bool:
    """Say whether a process runs; one that has died and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)

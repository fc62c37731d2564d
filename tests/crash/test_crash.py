"""Bots are killed in the midst of their orders and started again: nothing is lost, nothing is done twice."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.child import EVENTS, STATE
from tests.crash.differences import differences
from tests.crash.lives import Ending, Nursery, nursery
from tests.crash.secrets_left import secrets_left
from tests.crash.stores import SERVERS
from tests.crash.trial import killed, kills_of_orders, uninterrupted
from tests.laws import ALL_LAWS, takes_long
from tests.outage.outages import TRIALS, Setting, a_bench
from tests.outage.rivals import MATCHES, Arena, met
from tests.servers.fixtures import must_run
from tests.servers.process import running

ROUNDS = 2
LEASE_S = 2.0


@pytest.fixture(scope="module")
def there() -> Iterator[Nursery]:
    with nursery() as one:
        yield one


@pytest.fixture(scope="module", params=["paper", "live"] if ALL_LAWS else ["live"])
def whole(request: pytest.FixtureRequest, there: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Ending:
    """What one is compared with."""
    return uninterrupted(there, tmp_path_factory.mktemp("whole"), request.param, ROUNDS)


def test_a_bot_killed_amid_its_orders_ends_as_one_that_was_not(there: Nursery, whole: Ending, tmp_path: Path) -> None:
    mode = whole.mode
    kills = kills_of_orders(whole, random.Random(7))
    ending = killed(there, tmp_path / "killed", mode, ROUNDS, kills)
    assert ending.kills >= 8
    assert differences(ending, whole) == []
    trades = list((ending.folder / STATE / mode / "binance" / "trade").rglob("*.json"))
    assert len(trades) == 2 * ROUNDS
    assert _restored(ending.folder)
    assert secrets_left(tmp_path) == []


def _restored(folder: Path) -> list[str]:
    rows = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
    return [row["signal_id"] for row in rows if row["event"] == "position_restored"]


@takes_long
@pytest.mark.parametrize("store", list(SERVERS) if ALL_LAWS else ["redis"])
def test_a_bot_whose_store_is_killed_ends_as_if_nothing_had_been(
    there: Nursery, whole: Ending, tmp_path: Path, store: str
) -> None:
    """It is gone while positions are open, and back after exits were sent; all of them are made good.

    The others may race for one bot at the same server: `make outage` shows both in their full width.
    """
    must_run(SERVERS[store])
    with running(SERVERS[store]) as server, a_bench(server) as bench, nursery() as other:
        trials = list(TRIALS) if ALL_LAWS else ["killed_while_positions_are_open"]
        for name in trials:
            (tmp_path / name).mkdir()
            setting = Setting(there, tmp_path / name, whole.mode, ROUNDS, whole)
            assert TRIALS[name](setting, bench, random.Random(1)) == [], name
            if not bench.is_up:
                bench.start()
        for name in MATCHES if ALL_LAWS else ["killed"]:
            section = bench.store(0.5) | {"lease_seconds": LEASE_S}
            (tmp_path / f"race-{name}").mkdir()
            arena = Arena(
                (there, other),
                tmp_path / f"race-{name}",
                whole.mode,
                ROUNDS,
                whole,
                section,
                bench.proxy,
                server.port,
                LEASE_S,
            )
            assert met(arena, MATCHES[name], random.Random(1)) == [], name


def test_a_key_is_found_in_whatever_writing(tmp_path: Path) -> None:
    for name, text in {"plain": "x=loopback-KEY", "hex": b"loopback-key".hex(), "base64": "bG9vcGJhY2sta2V5"}.items():
        (tmp_path / name).write_text(text)
    assert len({line.split(":")[0] for line in secrets_left(tmp_path)}) == 3

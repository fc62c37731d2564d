"""Trials: a bot whose store is killed, cut off, slow or full in mid-run, of which each shows what it did not survive.

Each has the frame of `tests.crash.scene`: within a round all entries are before minute 5 and the last exit is in
minute 12, so an outage of the minutes between concerns exits alone, and all must end as if there had been none.
"""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.crash.child import EVENTS, STATE
from tests.crash.differences import differences
from tests.crash.lives import Ending, Nursery, a_venue, lived
from tests.crash.points import Kill
from tests.crash.scene import ROUND_MS, START_MS
from tests.crash.stores import Fresh, at
from tests.outage.fate import Act, fate_of
from tests.outage.full import tap_of
from tests.servers.mongo import MongoServer
from tests.servers.process import Server
from tests.servers.proxy import Faults, Proxy, proxied

_EXITS_FROM, _EXITS_TO = 5, 14
_UNSAVED = "the account of the run cannot be saved"
_DUST, _MONEY_OFF = 0.0005, 10.0
"""How many coins, and how much money, may be off where part of the exits was decided anew."""
_TIMEOUT_S, _TIMEOUT_OF_MONGO_S = 0.5, 1.5
"""How long an answer may take where a server is away for longer than a bot is patient: pymongo looks twice a second."""
_LEASE_S = 60.0
"""Longer than any outage here: what becomes of leases is asked in `tests.outage.rivals`."""


@dataclass
class Bench:
    """A server, a proxy before it, and what has befallen them."""

    server: Server
    proxy: Proxy
    fresh: Fresh
    happened: dict[str, int] = field(default_factory=dict)

    def store(self, patience_s: float, *, timeout_s: float = 5.0, through_proxy: bool = False) -> dict[str, Any]:
        """Return the section `store` of one more bot."""
        section = self.fresh() or {}
        url = section["url"]
        if through_proxy:
            url = url.replace(f":{self.server.port}", f":{self.proxy.port}")
        times = {"patience_seconds": patience_s, "timeout_seconds": timeout_s, "lease_seconds": _LEASE_S}
        return {**section, "url": url, **times}

    def counts(self, what: str, number: int = 1) -> None:
        self.happened[what] = self.happened.get(what, 0) + number

    @property
    def timeout_s(self) -> float:
        return _TIMEOUT_OF_MONGO_S if isinstance(self.server, MongoServer) else _TIMEOUT_S

    @property
    def is_up(self) -> bool:
        return self.server.is_up

    def kill(self) -> None:
        self.counts("kills")
        self.server.kill()

    def start(self) -> None:
        self.server.restart()
        time.sleep(self.timeout_s)  # for as long as it waited in vain a bot does not ask again

    def kill_and_start(self) -> None:
        """Kill the server and start it again while the bot goes on."""
        self.kill()
        threading.Thread(target=self.start, daemon=True).start()

    def pause_a_while(self, seconds: float) -> None:
        """Let the server stand still, and go on after *seconds*."""
        self.counts("stalls")
        self.proxy.stall(seconds)


@contextmanager
def a_bench(server: Server) -> Iterator[Bench]:
    """Put a proxy before *server*."""
    with proxied(server.port, seed=1) as proxy:
        yield Bench(server, proxy, at(server))


@dataclass(frozen=True)
class Setting:
    """What all trials of one mode share: who lives, where, for how many rounds, and what they are compared with."""

    there: Nursery
    folder: Path
    mode: str
    rounds: int
    whole: Ending


Trial = Callable[[Setting, Bench, random.Random], list[str]]


def killed_at_any_time(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """The server is killed and started again, at a moment of each round, while the bot is patient enough."""
    times = [START_MS + number * ROUND_MS + rng.randrange(ROUND_MS - MINUTE_MS) for number in range(setting.rounds)]
    return _as_whole(setting, bench.store(60.0), [Act(at_ms, bench.kill_and_start) for at_ms in times])


def killed_while_positions_are_open(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """The server is killed after the entries of each round, and started again after its exits."""
    return _as_whole(
        setting, bench.store(0.1, timeout_s=bench.timeout_s), _between(setting.rounds, bench.kill, bench.start)
    )


def refuses_writes(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """The store is full, or may only be read, from after the entries of each round until after its exits."""
    tap = tap_of(bench.server)
    if tap is None:
        bench.counts("times not made full, for there is no way to it")
        return []
    bench.counts("times full", setting.rounds)
    return _as_whole(setting, bench.store(5.0), _between(setting.rounds, tap.off, tap.on))


def connections_are_reset(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """Of all pieces that go through 1 % meet a reset instead."""
    before = bench.proxy.connections
    bench.proxy.faults = Faults(reset_probability=0.01)
    found = _as_whole(setting, bench.store(30.0, through_proxy=True), [])
    bench.proxy.mend()
    bench.counts("connections", bench.proxy.connections - before)
    return found


def answers_stall(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """All stands still for 2 s now and then, and single pieces for a quarter; an answer may take 1.5 s, or 5."""
    times = [START_MS + number * ROUND_MS + rng.randrange(ROUND_MS) for number in range(setting.rounds)]
    bench.proxy.faults = Faults(stall_probability=0.02, stall_seconds=0.25)
    store = bench.store(30.0, timeout_s=rng.choice((1.5, 5.0)), through_proxy=True)
    found = _as_whole(setting, store, [Act(at_ms, lambda: bench.pause_a_while(2.0)) for at_ms in times])
    bench.proxy.mend()
    return found


def dies_during_an_outage(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """The bot is killed as well, after it sent exits that it could not save; the next life finds the server again.

    It compares what it holds with the venue then, and goes on from that: nothing is left, and nothing sold twice.
    """
    begins = [START_MS + number * ROUND_MS for number in range(setting.rounds - 1)]
    kills = [
        Kill(begin_ms + rng.randrange(7, 13) * MINUTE_MS, begin_ms + ROUND_MS, rng.randrange(30)) for begin_ms in begins
    ]

    def found_again() -> None:
        if not bench.is_up:
            bench.start()

    acts = _between(setting.rounds, bench.kill, found_again)
    ending = _ending(setting, bench.store(0.1, timeout_s=bench.timeout_s), acts, kills=kills, before_life=found_again)
    bench.counts("deaths during an outage", ending.kills)
    return [*_left(ending, setting.whole), *_closed_twice(ending)]


def entries_wait(setting: Setting, bench: Bench, rng: random.Random) -> list[str]:
    """The server is away while entries are due: none is sent, and what is sent and kept agree in the end."""
    off_ms, on_ms = START_MS + 13 * MINUTE_MS, START_MS + ROUND_MS + 10 * MINUTE_MS
    ending = _ending(
        setting, bench.store(0.1, timeout_s=bench.timeout_s), [Act(off_ms, bench.kill), Act(on_ms, bench.start)]
    )
    told = [row for row in _events(ending) if off_ms <= row["at"] < on_ms]
    held_back = [row for row in told if row["event"] == "order_rejected" and "not saved" in row["reason"]]
    bench.counts("entries held back", len(held_back))
    found = [f"opened during an outage: {row}" for row in told if row["event"] == "position_opened"]
    if not held_back:
        found.append("no entry was held back")
    too_many = ("order too many", "orders of id", "event too many")
    allowed = (_UNSAVED, "order_rejected", "signal_cancelled")
    return found + [
        line
        for line in differences(ending, setting.whole)
        if any(one in line for one in too_many) and not any(one in line for one in allowed)
    ]


def _events(ending: Ending) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ending.folder / EVENTS).read_text().splitlines()]


def _left(ending: Ending, whole: Ending) -> Iterator[str]:
    """Yield coins that are there and should not be, or owed, and what a session still holds."""
    for asset, balance in ending.book["balances"].items():
        expected = whole.book["balances"].get(asset, {"free": "0", "locked": "0"})
        off = float(balance["free"]) + float(balance["locked"]) - float(expected["free"]) - float(expected["locked"])
        if abs(off) > (_MONEY_OFF if asset == "USDT" else _DUST):
            yield f"balance of {asset}: expected {expected}, found {balance}"
    for file in sorted((ending.folder / STATE).rglob("signal/**/*.json")):
        content = json.loads(file.read_text())["record"]["content"]
        if content is not None and (content["state"] or content["orders"]):
            yield f"still held: {content}"


def _closed_twice(ending: Ending) -> Iterator[str]:
    closed = Counter(row["signal_id"] for row in _events(ending) if row["event"] == "position_closed")
    yield from (f"closed {number} times: {signal}" for signal, number in closed.items() if number > 1)


def _between(rounds: int, off: Callable[[], object], on: Callable[[], object]) -> list[Act]:
    """Return acts of all rounds but the last: what is saved at the end is of another tick than without an outage."""
    begins = [START_MS + number * ROUND_MS for number in range(rounds - 1)]
    return [
        act
        for begin_ms in begins
        for act in (Act(begin_ms + _EXITS_FROM * MINUTE_MS - 1, off), Act(begin_ms + _EXITS_TO * MINUTE_MS - 1, on))
    ]


def _as_whole(setting: Setting, store: dict[str, Any], acts: list[Act], **more: Any) -> list[str]:
    found = differences(_ending(setting, store, acts, **more), setting.whole)
    return [line for line in found if _UNSAVED not in line]


def _ending(setting: Setting, store: dict[str, Any], acts: list[Act], **more: Any) -> Ending:
    with a_venue(setting.folder, setting.rounds) as venue, fate_of(acts) as fate:
        folder = setting.folder / "bot"
        return lived(setting.there, venue, folder, setting.mode, setting.rounds, store=store, fate=fate.address, **more)


TRIALS: dict[str, Trial] = {
    trial.__name__: trial
    for trial in (
        killed_at_any_time,
        killed_while_positions_are_open,
        refuses_writes,
        connections_are_reset,
        answers_stall,
        dies_during_an_outage,
        entries_wait,
    )
}

"""Trials: two processes, on machines of their own as far as they can tell, that want to trade the same.

Whoever is given up by the other one traded the same frame: what both did together must be what one would have done.
"""

import json
import os
import random
import signal
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.crash.child import EVENTS, FAILED, NOTES, TRACE, TRADES
from tests.crash.differences import differences
from tests.crash.lives import Ending, Nursery, a_venue, ended, life_of
from tests.crash.points import Kill
from tests.crash.scene import ROUND_MS, START_MS
from tests.outage.fate import Act, fate_of
from tests.servers.proxy import Proxy
from tests.venue.remote import RemoteVenue

_SOON_S = 60.0
_REFUSED = 2
"""The exit code of who may not trade."""
_SLACK_S = 1.0
"""What a busy machine may take longer than a lease."""


@dataclass
class Arena:
    """Where two bots meet: a nursery for each, a folder, a store, a proxy that stands before it, and what was seen."""

    nurseries: tuple[Nursery, Nursery]
    folder: Path
    mode: str
    rounds: int
    whole: Ending
    store: dict[str, Any]
    proxy: Proxy
    port: int
    lease_s: float
    took_s: list[float] = field(default_factory=list)
    refused_s: list[float] = field(default_factory=list)

    @property
    def through_proxy(self) -> dict[str, Any]:
        """Return the store as one finds it who is sent through the proxy."""
        return {**self.store, "url": self.store["url"].replace(f":{self.port}", f":{self.proxy.port}")}


@dataclass
class Meeting:
    """One meeting of two bots at a venue."""

    arena: Arena
    venue: RemoteVenue

    @property
    def folder(self) -> Path:
        return self.arena.folder / "bot"

    def begins(self, number: int, **more: Any) -> int:
        """Begin the life of bot *number* on a machine of its own; return its process."""
        arena = self.arena
        life = life_of(self.folder, self.venue, arena.mode, arena.rounds, arena.store)
        return arena.nurseries[number].begin({**life, "machine": f"machine-{number}", **more})

    def ends(self, number: int) -> int:
        return self.arena.nurseries[number].end()

    @property
    def notes(self) -> list[tuple[float, str, str]]:
        """Return what both said: when, on which machine, and what."""
        file = self.folder / NOTES
        return [tuple(json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []

    def when(self, number: int, text: str = TRADES) -> float:
        """Wait until bot *number* has said *text*; return when that was."""
        until_s = time.monotonic() + _SOON_S
        while time.monotonic() < until_s:
            for at_s, machine, said in self.notes:
                if machine == f"machine-{number}" and text in said:
                    return at_s
            time.sleep(0.005)
        raise RuntimeError(f"bot {number} never said {text!r}: {self.notes}")

    def compared(self, *given_up_ms: int) -> list[str]:
        """Return what is not as one bot would have left it, apart from what was broken off at *given_up_ms*."""
        arena = self.arena
        ending = Ending(self.folder, arena.mode, {}, killed_at=list(given_up_ms))
        return differences(ended(ending, self.venue, arena.store), arena.whole)

    def now_ms(self) -> int:
        return int(self.venue.ask("state")["now_ms"])


Match = Callable[[Meeting, random.Random], list[str]]


def both_at_once(meeting: Meeting, _rng: random.Random) -> list[str]:
    """Two begin at the same moment: one trades, the other one is refused after the time of a lease."""
    arena, begun_s = meeting.arena, time.monotonic()
    pace_s = 3 * arena.lease_s / (arena.rounds * 15)
    for number in (0, 1):
        meeting.begins(number, pace_s=pace_s)
    until_s = begun_s + _SOON_S
    first = 0
    while time.monotonic() < until_s:
        first = next((number for number in (0, 1) if arena.nurseries[number].has_ended(0.01)), -1)
        if first >= 0:
            break
    arena.refused_s.append(time.monotonic() - meeting.when(first, "waiting for up to"))
    codes = {first: meeting.ends(first), 1 - first: meeting.ends(1 - first)}
    found = [] if codes == {first: _REFUSED, 1 - first: 0} else [f"the bots ended with {codes}"]
    traded = {machine for _, machine, text in meeting.notes if text == TRADES}
    found += [f"traded: {sorted(traded)}"] if len(traded) != 1 else []
    found += _failed_by(meeting, "LockedError", "--standby")
    return found + meeting.compared()


def killed(meeting: Meeting, rng: random.Random) -> list[str]:
    """The one that trades is killed amid its orders; the one that stands by takes over within the time of a lease."""
    meeting.begins(0, kills=[_amid_orders(meeting.arena, rng)])
    meeting.when(0)
    meeting.begins(1, stands_by=True)
    code, died_s = meeting.ends(0), time.monotonic()
    died_ms = meeting.now_ms()
    found = [] if code == -signal.SIGKILL else [f"the first ended with {code}"]
    return found + _taken_over(meeting, died_s) + meeting.compared(died_ms)


def stands_still(meeting: Meeting, rng: random.Random) -> list[str]:
    """The one that trades stands still before an order for longer than its lease lasts, and goes on after that."""
    pid = meeting.begins(0, kills=[_amid_orders(meeting.arena, rng, "before broker.")], ends_by="SIGSTOP")
    meeting.when(0)
    meeting.begins(1, stands_by=True)
    _await_stop(pid)
    stopped_s, stopped_ms = time.monotonic(), meeting.now_ms()
    found = _begun_over(meeting, stopped_s)
    if rng.random() < 0.5:  # it wakes while the other one trades, or once that one has ended
        os.kill(pid, signal.SIGCONT)
        found += _ended_well(meeting)
    else:
        found += _ended_well(meeting)
        os.kill(pid, signal.SIGCONT)
    return found + _refused(meeting) + meeting.compared(stopped_ms)


def writes_late(meeting: Meeting, rng: random.Random) -> list[str]:
    """What the one that trades writes is on its way for longer than its lease lasts: the server does not take it."""
    arena = meeting.arena
    at_ms = START_MS + rng.randrange(2, 12) * MINUTE_MS
    stalled: list[float] = []

    def stall() -> None:
        stalled.append(time.monotonic())
        arena.proxy.stall(2.5 * arena.lease_s)

    with fate_of([Act(at_ms, stall)]) as fate:
        store = {**arena.through_proxy, "timeout_seconds": 5 * arena.lease_s}
        meeting.begins(0, store=store, fate=fate.address)
        meeting.when(0)
        meeting.begins(1, stands_by=True)
        found = _begun_over(meeting, 0.0)
        arena.took_s.append(meeting.when(1, "took over") - stalled[0])
        given_up_ms = meeting.now_ms()
        found += _ended_well(meeting) + _refused(meeting)
    arena.proxy.mend()
    minutes = range(at_ms - MINUTE_MS, given_up_ms + 2 * MINUTE_MS, MINUTE_MS)
    return found + meeting.compared(*minutes)


def cut_off(meeting: Meeting, _rng: random.Random) -> list[str]:
    """Cut off from its store beyond its lease it sends nothing; it goes on when the store is back and nobody has it."""
    arena, seen = meeting.arena, list[int]()

    def count() -> None:
        seen.append(len(meeting.venue.book["orders"]))

    def wait_and_count() -> None:
        time.sleep(arena.lease_s)  # by now it must not trust its lease
        count()

    def mend() -> None:
        count()
        arena.proxy.mend()

    acts = [(4, arena.proxy.cut), (5, wait_and_count), (8, mend)]
    with fate_of([Act(START_MS + minute * MINUTE_MS - 1, do) for minute, do in acts]) as fate:
        store = {**arena.through_proxy, "patience_seconds": 0.1}
        meeting.begins(0, store=store, fate=fate.address, pace_s=0.3)
        code = meeting.ends(0)
    arena.proxy.mend()
    book = meeting.venue.book
    found = [] if code == 0 else [f"it ended with {code}: {_failure(meeting)}"]
    found += [f"orders during the cut: {seen}"] if len(set(seen)) != 1 else []
    found += ["nothing was sent after the cut"] if len(book["orders"]) <= seen[-1] else []
    told = [json.loads(line)["event"] for line in (meeting.folder / EVENTS).read_text().splitlines()]
    for mark in ("connection_lost", "connection_restored"):
        found += [f"{mark} was told {told.count(mark)} times"] if told.count(mark) != 1 else []
    ids = [order["client_id"] for order in book["orders"]]
    return found + [f"order twice: {one}" for one in {one for one in ids if ids.count(one) > 1}]


MATCHES: dict[str, Match] = {
    match.__name__: match for match in (both_at_once, killed, stands_still, writes_late, cut_off)
}


def met(arena: Arena, match: Match, rng: random.Random) -> list[str]:
    """Return what went wrong in one meeting."""
    with ExitStack() as stack:
        meeting = Meeting(arena, stack.enter_context(a_venue(arena.folder, arena.rounds)))
        return match(meeting, rng)


def _taken_over(meeting: Meeting, since_s: float) -> list[str]:
    return _begun_over(meeting, since_s) + _ended_well(meeting)


def _begun_over(meeting: Meeting, since_s: float) -> list[str]:
    """Wait until the second one has taken over; return that it took longer than a lease, if it did."""
    at_s = meeting.when(1, "took over")
    if since_s == 0.0:
        return []
    took_s = at_s - since_s
    meeting.arena.took_s.append(took_s)
    lease_s = meeting.arena.lease_s
    return [] if took_s <= lease_s + _SLACK_S else [f"taken over after {took_s:.2f} s, for a lease of {lease_s:g} s"]


def _ended_well(meeting: Meeting) -> list[str]:
    code = meeting.ends(1)
    return [] if code == 0 else [f"the second ended with {code}: {_failure(meeting)}"]


def _refused(meeting: Meeting) -> list[str]:
    """Wait for the end of the first, which must be that it lost its lease."""
    code = meeting.ends(0)
    found = [] if code == _REFUSED else [f"the first ended with {code}"]
    return found + _failed_by(meeting, "LeaseLostError", "nothing more is sent or kept by this one")


def _failed_by(meeting: Meeting, kind: str, text: str) -> list[str]:
    last = _failure(meeting)
    return [] if kind in last and text in last else [f"expected {kind} with {text!r}, found {last!r}"]


def _failure(meeting: Meeting) -> str:
    file = meeting.folder / FAILED
    return file.read_text().strip().splitlines()[-1] if file.exists() else "nothing"


def _await_stop(pid: int) -> None:
    until_s = time.monotonic() + _SOON_S
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
        if time.monotonic() > until_s:
            raise RuntimeError(f"process {pid} never stood still")
        time.sleep(0.005)


def _amid_orders(arena: Arena, rng: random.Random, name: str = "") -> Kill:
    """Return one of the points of minutes with orders, of those that begin with *name*."""
    lines = [line.partition(" ") for line in (arena.whole.folder / TRACE).read_text().splitlines()]
    points: dict[int, list[str]] = {}
    for at, _, text in lines:
        points.setdefault(int(at), []).append(text)
    fit = [
        Kill(at_ms, at_ms + MINUTE_MS, number)
        for at_ms, names in points.items()
        if START_MS < at_ms < START_MS + arena.rounds * ROUND_MS and any("broker." in text for text in names)
        for number, text in enumerate(names)
        if text.startswith(name)
    ]
    return rng.choice(fit)

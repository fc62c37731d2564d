"""Trials: a frame lived through without interruption, and the same frame with kills, of which each shows what differs.

All trials of a mode share one frame, so that one uninterrupted life is the measure of all of them.
"""

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from backtestkit_cli.domain.interval import MINUTE_MS
from tests.crash.child import TRACE
from tests.crash.lives import Ending, Nursery, a_venue, lived
from tests.crash.points import Kill
from tests.crash.scene import CLOSES, ROUND_MS, START_MS

Store: TypeAlias = dict[str, Any] | None
_ORDER = re.compile(r"broker\.(open|close|cancel|amend)")
_ID = re.compile(r"[0-9a-f]{12}-[0-9a-f]{7}")


def uninterrupted(there: Nursery, folder: Path, mode: str, rounds: int, store: Store = None) -> Ending:
    """Let a bot live through so many *rounds* and write down the points it passes."""
    with a_venue(folder, rounds) as venue:
        return lived(there, venue, folder / "bot", mode, rounds, traces=True, store=store)


def killed(there: Nursery, folder: Path, mode: str, rounds: int, kills: Sequence[Kill], store: Store = None) -> Ending:
    """Let a bot live through so many *rounds*, killed at the points that *kills* name."""
    with a_venue(folder, rounds) as venue:
        return lived(there, venue, folder / "bot", mode, rounds, kills=kills, store=store)


def killed_any_time(
    there: Nursery, folder: Path, mode: str, rounds: int, rng: random.Random, most: int, store: Store = None
) -> Ending:
    """Let a bot live through so many *rounds*, killed at random moments, at *most* so many."""
    with a_venue(folder, rounds) as venue:
        return lived(there, venue, folder / "bot", mode, rounds, moments=rng, most_kills=most, store=store)


def kill_at(round_number: int, point: int) -> Kill:
    """Return the kill at a point of a round."""
    begin_ms = START_MS + round_number * ROUND_MS
    return Kill(begin_ms, begin_ms + ROUND_MS, point)


def points_of(whole: Ending, round_number: int, symbol: str = "BTCUSDT") -> dict[str, int]:
    """Return the points of *symbol* in a round by the way to them; of equal ways within a minute the first."""
    begin_ms = START_MS + round_number * ROUND_MS
    lines = [line.partition(" ") for line in (whole.folder / TRACE).read_text().splitlines()]
    names = [(int(at), name) for at, _, name in lines if begin_ms <= int(at) < begin_ms + ROUND_MS]
    ids = {_ID.search(name)[0] for _, name in names if symbol in name and _ID.search(name)}  # type: ignore[index]
    ways: dict[str, int] = {}
    minute, way = -1, ""
    for number, (at_ms, name) in enumerate(names):
        if not (symbol in name or "account" in name or any(one in name for one in ids)):
            continue
        way = f"{way} > {name}" if at_ms == minute else name
        minute = at_ms
        ways.setdefault(_ID.sub("", way), number)
    return ways


def rounds_of_kills(whole: Ending, rounds: int) -> Iterator[list[Kill]]:
    """Yield kills for trials of so many *rounds* until every point of every kind of round has had its own."""
    left = [list(points_of(whole, number).values()) for number in range(len(CLOSES))]
    while any(left):
        yield [kill_at(number, left[number % 4].pop(0)) for number in range(rounds) if left[number % 4]]


def kills_of_orders(whole: Ending, rng: random.Random) -> list[Kill]:
    """Return a kill at some point of each minute in which an order was sent or taken back."""
    points: dict[int, list[str]] = {}
    for line in (whole.folder / TRACE).read_text().splitlines():
        at, _, name = line.partition(" ")
        points.setdefault(int(at), []).append(name)
    sent = [at for at, names in points.items() if any(_ORDER.search(name) for name in names)]
    return [Kill(at, at + MINUTE_MS, rng.randrange(len(points[at]))) for at in sent]

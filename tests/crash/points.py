"""Fault points: every call of the store and of the broker, before it and after it, and every event that is told."""

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.crash.venue_time import VenueTime

WRITES = ("write", "write_all", "remove")
ORDERS = ("open", "close", "amend", "check", "cancel")


class Kill(NamedTuple):
    """Where to die: at the n-th point that is passed from `from_ms` on, and before `until_ms`."""

    from_ms: int
    until_ms: int
    number: int


class Points:
    """Counts the points of a life, writes them down, and ends it, or lets it stand still, at one of them."""

    def __init__(
        self,
        time: VenueTime,
        kills: Sequence[Kill],
        trace: Path | None,
        ends_by: signal.Signals = signal.SIGKILL,
    ) -> None:
        self._time = time
        self._kills = kills
        self._ends_by = ends_by
        self._trace = trace.open("a") if trace else None
        self._passed = dict.fromkeys(kills, 0)

    def passes(self, name: str) -> None:
        """Pass the point *name*, or die there."""
        now_ms = self._time.now_ms()
        kill = next((one for one in self._kills if one.from_ms <= now_ms < one.until_ms), None)
        if self._trace:
            self._trace.write(f"{now_ms} {name}\n")
            self._trace.flush()
        if kill is None:
            return
        self._passed[kill] += 1
        if self._passed[kill] == kill.number + 1:
            os.kill(os.getpid(), self._ends_by)


class Watched:
    """*inner*, whose coroutines keep time from going on; those *named* have a point before and after each call."""

    def __init__(self, inner: Any, time: VenueTime, points: Points, named: Sequence[str], label: str) -> None:
        self._inner = inner
        self._time = time
        self._points = points
        self._named = named
        self._label = label

    def __getattr__(self, name: str) -> Any:
        if name == "read_clock":  # the clock of this venue stands still: there is nothing to compare with ours
            raise AttributeError(name)
        found = getattr(self._inner, name)
        if not callable(found) or name in {"stream", "demand_keys"} or name.startswith("format"):
            return found
        return self._watched(name, found)

    def _watched(self, name: str, found: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def call(*arguments: Any, **more: Any) -> Any:
            with self._time.busy():
                if name not in self._named:
                    return await found(*arguments, **more)
                said = f"{self._label}.{name} {_shown(arguments[0])}"
                self._points.passes(f"before {said}")
                answer = await found(*arguments, **more)
                self._points.passes(f"after {said}")
                return answer

        return call


def _shown(asked: Any) -> str:
    if isinstance(asked, dict):
        return " ".join(map(_shown, asked))
    is_key = isinstance(asked, tuple) and isinstance(asked[0], str) and not hasattr(asked, "leg")
    return "/".join(asked) if is_key else str(asked.client_id)

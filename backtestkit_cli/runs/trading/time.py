"""The time of a trading run: that of the machine, or that of a replay."""

import asyncio
import time

_MS_PER_SECOND = 1000
_STEADY = getattr(time, "CLOCK_BOOTTIME", None)


def steady_s() -> float:
    """Return the seconds of a clock that nobody sets, and that goes on while the machine sleeps where it has one."""
    return time.monotonic() if _STEADY is None else time.clock_gettime(_STEADY)


class SystemTime:
    """The time of the machine, which nobody moves."""

    def now_ms(self) -> int:
        """Return the present, Unix milliseconds."""
        return time.time_ns() // 1_000_000

    async def sleep(self, seconds: float) -> None:
        """Return after *seconds*."""
        await asyncio.sleep(seconds)

    def jump(self, _to_ms: int) -> bool:
        """Return False: one has to wait."""
        return False


class ReplayTime:
    """The time of history replayed from `start_ms` on: so many minutes a minute, or as fast as it goes.

    `speed` is replayed minutes per minute, None for as fast as it goes: time then stands still until somebody waits.
    """

    def __init__(self, start_ms: int, speed: float | None = None) -> None:
        """Begin at *start_ms*."""
        self._base_ms = start_ms
        self._speed = speed
        self._begun_s = time.monotonic()

    def now_ms(self) -> int:
        """Return the present of the replay, Unix milliseconds."""
        if self._speed is None:
            return self._base_ms
        return self._base_ms + int((time.monotonic() - self._begun_s) * _MS_PER_SECOND * self._speed)

    async def sleep(self, seconds: float) -> None:
        """Return after so many *seconds* of the replay."""
        if self._speed is None:
            self._base_ms += round(seconds * _MS_PER_SECOND)
            await asyncio.sleep(0)
        else:
            await asyncio.sleep(seconds / self._speed)

    def jump(self, to_ms: int) -> bool:
        """Be at *to_ms* at once, unless the replay has a speed."""
        if self._speed is not None:
            return False
        self._base_ms = max(self._base_ms, to_ms)
        return True

from collections.abc import Awaitable, Callable

import pytest

from backtestkit_cli.errors import VenueError
from backtestkit_cli.exchange.retrying import (
    BarredError,
    Patience,
    Pause,
    Retry,
    UnansweredError,
)

NOW_MS = 1_735_689_600_000
USUAL = Retry()


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.sleeps: list[float] = []
        self.told: list[str] = []

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append(seconds)
        self.now += seconds

    @property
    def pause(self) -> Pause:
        return Pause(lambda: self.now, self.sleep)

    def patience(self, retry: Retry = USUAL) -> Patience:
        return Patience("binance", retry, lambda: NOW_MS, self.sleep, self.told.append)


def failing(times: int, error: Callable[[], UnansweredError]) -> Callable[[], Awaitable[str]]:
    left = [times]

    async def ask() -> str:
        if left[0]:
            left[0] -= 1
            raise error()
        return "answer"

    return ask


async def test_waits_double_with_jitter_and_have_a_limit() -> None:
    time = Time()
    ask = failing(7, lambda: UnansweredError("busy"))
    assert await time.patience(Retry(max_wait_seconds=10)).asking(ask, time.pause) == "answer"
    for wait, least in zip(time.sleeps, [0.5, 1, 2, 4, 8, 10, 10], strict=True):
        assert least <= wait <= min(least + 0.5, 10)
    assert len(set(time.sleeps[:5])) == 5
    assert [round(wait, 3) for wait in time.sleeps[:5]] != [0.5, 1, 2, 4, 8]


async def test_the_last_attempt_ends_in_one_line() -> None:
    time = Time()
    with pytest.raises(VenueError, match=r"^binance: no answer after 3 attempts: busy$") as caught:
        await time.patience(Retry(attempts=3)).asking(failing(3, lambda: UnansweredError("busy")), time.pause)
    assert caught.value.exit_code == 5
    assert len(time.sleeps) == 2
    assert time.told == [
        f"binance: busy; asking again in {wait:.1f} s (attempt {number} of 3)"
        for number, wait in enumerate(time.sleeps, start=1)
    ]


async def test_what_the_venue_asks_for_wins_when_it_is_longer() -> None:
    time = Time()
    pause = time.pause
    ask = failing(2, lambda: UnansweredError("429", is_limit=True, wait_seconds=7))
    await time.patience().asking(ask, pause)
    assert time.sleeps == [7, 7]


async def test_a_limit_stops_all_that_share_the_pause_and_other_failures_do_not() -> None:
    time = Time()
    pause = time.pause
    await time.patience(Retry(attempts=2)).asking(failing(1, lambda: UnansweredError("reset")), pause)
    assert pause.left_seconds == 0
    ask = failing(1, lambda: UnansweredError("429", is_limit=True, wait_seconds=7))
    with pytest.raises(VenueError, match=r"429"):
        await time.patience(Retry(attempts=1)).asking(ask, pause)
    assert pause.left_seconds == 7
    assert await pause.over(60)
    assert not await pause.over(60)


async def test_a_ban_is_not_waited_for_and_says_when_it_ends() -> None:
    time = Time()
    pause = time.pause
    ask = failing(1, lambda: UnansweredError("418", is_limit=True, wait_seconds=7_200))
    said = (
        "^binance: the venue wants no requests until 2025-01-01 02:00 UTC, for 7,200 s; waits of at most 60 s .*: 418$"
    )
    with pytest.raises(VenueError, match=said):
        await time.patience().asking(ask, pause)
    assert time.sleeps == []

    async def next_one() -> str:
        await pause.over(60)
        return "sent"

    with pytest.raises(VenueError, match=r"until 2025-01-01 02:00 UTC"):
        await time.patience().asking(next_one, pause)
    with pytest.raises(BarredError):
        await pause.over(60)


async def test_a_bug_is_not_asked_again() -> None:
    async def ask() -> str:
        raise ZeroDivisionError

    time = Time()
    with pytest.raises(ZeroDivisionError):
        await time.patience().asking(ask, time.pause)

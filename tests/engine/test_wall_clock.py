"""The clock of the present: who wakes when, who waits for whom, and how it ends."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.engine.wall_clock import Body, WallClock, minute_of
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.trading.time import ReplayTime
from tests.builders import START_MS
from tests.laws import tried
from tests.warp import WarpTime, warped


def at(minute: float) -> int:
    return START_MS + round(minute * MINUTE_MS)


@dataclass
class Scene:
    """Sleepers on a clock, and what they did: (who, the minute of its tick, the minute of real time)."""

    bodies: int = 1
    minutes: int = 5
    works_s: Callable[[int, int], float] = lambda _who, _minute: 0.0
    is_ready: Callable[[int, int, float], bool] = lambda _who, _minute, _now: True
    goes_first: frozenset[int] = frozenset()
    done: list[tuple[int, int, float]] = field(default_factory=list)
    passed: list[tuple[int, int]] = field(default_factory=list)
    reached: list[int] = field(default_factory=list)
    clock: Any = None
    time: Any = None

    def now(self) -> float:
        now_ms: int = self.time.now_ms()
        return (now_ms - START_MS) / MINUTE_MS

    def body(self, who: int) -> Body:
        async def run(clock: Clock) -> None:
            for minute in range(1, self.minutes + 1):
                await clock.sleep_until(at(minute))
                self.done.append((who, minute, self.now()))
                await asyncio.sleep(self.works_s(who, minute))

        def is_ready(at_ms: int) -> bool:
            return self.is_ready(who, (at_ms - START_MS) // MINUTE_MS, self.now())

        return Body(run, is_ready, goes_first=who in self.goes_first)

    async def reach(self, at_ms: int) -> None:
        self.reached.append((at_ms - START_MS) // MINUTE_MS)

    async def play(self, *, after: Callable[["Scene"], Any] | None = None, **options: Any) -> "Scene":
        self.time = self.time or WarpTime(START_MS)
        self.clock = WallClock(self.time, self.reach, on_passed=lambda *one: self.passed.append(one), **options)
        playing = asyncio.ensure_future(self.clock.run([self.body(who) for who in range(self.bodies)]))
        if after is not None:
            await after(self)
        await playing
        return self


def test_each_tick_is_at_its_minute_and_none_drifts() -> None:
    scene = warped(Scene(bodies=3, minutes=600, works_s=lambda who, minute: (who + minute) % 7).play())
    assert [minute for _, minute, _ in scene.done[::3]] == list(range(1, 601))
    assert all(now == minute for _, minute, now in scene.done)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_sleepers_of_an_instant_wake_in_the_order_of_their_numbers(one_by_one: bool) -> None:
    scene = warped(Scene(bodies=4, minutes=3).play(one_by_one=one_by_one))
    assert [who for who, _, _ in scene.done] == [0, 1, 2, 3] * 3


def test_nobody_waits_for_a_slow_session_which_catches_up_tick_by_tick() -> None:
    slow = Scene(bodies=3, minutes=6, works_s=lambda who, minute: 130.0 if (who, minute) == (0, 2) else 1.0)
    scene = warped(slow.play())
    assert all(now == minute for who, minute, now in scene.done if who)
    late = [(minute, round(now * 60)) for who, minute, now in scene.done if who == 0]
    assert late == [(1, 60), (2, 120), (3, 250), (4, 251), (5, 300), (6, 360)]


def test_as_a_replay_each_gets_to_its_next_sleep_before_the_next_one_wakes() -> None:
    scene = warped(Scene(bodies=2, minutes=3, works_s=lambda who, _: 90.0 * (who == 0)).play(one_by_one=True))
    assert [(who, minute) for who, minute, _ in scene.done] == [(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]


def test_who_goes_first_gets_a_head_start_and_no_more() -> None:
    works = {1: 3.0, 2: 400.0}
    jobs = Scene(
        bodies=2, minutes=4, goes_first=frozenset({0}), works_s=lambda who, m: works.get(m, 0.0) if who == 0 else 0.0
    )
    scene = warped(jobs.play())
    assert [(minute, round(now * 60)) for who, minute, now in scene.done if who == 1] == [
        (1, 63),  # after the job
        (2, 125),  # which may take five seconds
        (3, 180),
        (4, 240),
    ]


def test_who_has_no_candles_is_woken_as_soon_as_they_are_there_and_others_are_not_held_up() -> None:
    async def candles_come(scene: Scene) -> None:
        await asyncio.sleep(200)
        scene.clock.look_again()

    lost = Scene(bodies=2, minutes=5, is_ready=lambda who, minute, now: who == 1 or now >= 200 / 60)
    scene = warped(lost.play(after=candles_come))
    assert [(m, round(now * 60)) for who, m, now in scene.done if who == 0] == [
        *[(1, 200), (2, 200), (3, 200)],
        *[(4, 240), (5, 300)],
    ]
    assert all(now == minute for who, minute, now in scene.done if who)


def test_each_instant_is_reached_once_also_while_somebody_catches_up() -> None:
    slow = Scene(bodies=2, minutes=6, works_s=lambda who, minute: 150.0 if (who, minute) == (0, 1) else 0.0)
    assert warped(slow.play()).reached == [1, 2, 3, 4, 5, 6]


def test_it_is_told_when_each_tick_is_through() -> None:
    scene = warped(Scene(bodies=2, minutes=3, works_s=lambda who, _: float(who)).play())
    assert scene.passed == [(0, at(1)), (1, at(1)), (0, at(2)), (1, at(2))], "who ends does not sleep again"


def test_a_body_that_raises_ends_the_others_and_is_told() -> None:
    def works_s(who: int, minute: int) -> float:
        if (who, minute) == (1, 2):
            raise ZeroDivisionError
        return 0.0

    scene = Scene(bodies=3, minutes=5, works_s=works_s)
    with pytest.raises(ZeroDivisionError):
        warped(scene.play())
    assert max(minute for _, minute, _ in scene.done) == 2


def test_a_body_that_is_given_up_is_not_lost_in_silence() -> None:
    def works_s(who: int, _minute: int) -> float:
        if who == 1:
            raise asyncio.CancelledError
        return 0.0

    with pytest.raises(asyncio.CancelledError):
        warped(Scene(bodies=2, works_s=works_s).play())


@pytest.mark.parametrize(("works_s", "ends_s"), [(0.0, 130), (30.0, 150), (500.0, 190)])
def test_a_stop_lets_ticks_under_way_come_to_their_end_within_patience(works_s: float, ends_s: int) -> None:
    finished = []

    async def stopped(scene: Scene) -> None:
        await asyncio.sleep(130)
        scene.clock.stop()
        await asyncio.sleep(60)
        scene.clock.cut()

    async def main() -> float:
        scene = Scene(bodies=2, minutes=50, works_s=lambda who, _: works_s * (who == 0), time=WarpTime(START_MS))
        stopping = asyncio.ensure_future(stopped(scene))
        await scene.play()
        ended_s = scene.now() * 60
        finished.append([minute for who, minute, _ in scene.done if who == 1])
        await stopping
        return ended_s

    assert round(warped(main())) == ends_s
    assert finished == [[1, 2]]


def test_an_end_from_outside_leaves_nothing_behind() -> None:
    async def main() -> None:
        playing = asyncio.ensure_future(Scene(bodies=3, minutes=50).play())
        await asyncio.sleep(90)
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        assert playing.cancelled()

    warped(main())


class Siren:
    """An alarm at some minutes; `asked` is when it was asked about what, in minutes."""

    def __init__(self, scene: Scene, *minutes: int) -> None:
        self.scene = scene
        self.minutes = list(minutes)
        self.asked: list[tuple[int, float]] = []

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        self.asked.append(((from_ms - START_MS) // MINUTE_MS, self.scene.now()))
        for minute in self.minutes:
            if from_ms <= at(minute) < until_ms:
                self.minutes.remove(minute)
                return at(minute)
        return None


def test_the_alarm_judges_an_instant_once_all_are_through_with_it_and_wakes_them_within_it() -> None:
    scene = Scene(bodies=2, minutes=4, works_s=lambda who, _: 2.0 * who)
    woken: list[tuple[int, int, float]] = []

    def body(who: int) -> Body:
        async def run(clock: Clock) -> None:
            for minute in range(1, 5):
                while clock.now_ms < at(minute):
                    await clock.sleep_until(at(minute))
                    woken.append((who, (clock.now_ms - START_MS) // MINUTE_MS, round(scene.now() * 60)))
                await asyncio.sleep(scene.works_s(who, minute))

        return Body(run, lambda _: True)

    async def main() -> Siren:
        scene.time = WarpTime(START_MS)
        siren = Siren(scene, 2)
        await WallClock(scene.time, scene.reach, alarm=siren).run([body(0), body(1)])
        return siren

    warped(main())
    assert [one for one in woken if one[1] == 2] == [(0, 2, 120), (1, 2, 120), (0, 2, 122), (1, 2, 122)]


def test_the_alarm_does_not_wait_for_somebody_who_hangs() -> None:
    scene = Scene(bodies=2, minutes=4, works_s=lambda who, _: 1_000.0 * who)

    async def main() -> Siren:
        scene.time = WarpTime(START_MS)
        siren = Siren(scene)
        clock = WallClock(scene.time, scene.reach, alarm=siren)
        running = asyncio.ensure_future(clock.run([scene.body(0), scene.body(1)]))
        await asyncio.sleep(200)
        clock.cut()
        await running
        return siren

    assert [(minute, round(now * 60)) for minute, now in warped(main()).asked] == [(1, 65), (2, 125), (3, 185)]


def test_a_clock_that_was_set_ahead_is_followed_at_once_when_it_looks_again() -> None:
    async def lid(scene: Scene) -> None:
        await asyncio.sleep(90)
        scene.time.set_s = 600.0
        scene.clock.look_again()

    scene = warped(Scene(minutes=12).play(after=lid))
    assert [(minute, round(now * 60)) for _, minute, now in scene.done] == [
        (1, 60),
        *[(minute, 690) for minute in range(2, 12)],
        (12, 720),
    ]


@tried(15, 40)
@given(
    works=st.lists(st.lists(st.integers(0, 200), min_size=5, max_size=5), min_size=1, max_size=4),
    readiness=st.lists(st.integers(0, 300), min_size=1, max_size=4),
)
def test_whatever_takes_long_each_session_has_all_its_ticks_in_order_and_none_before_its_time(
    works: list[list[int]], readiness: list[int]
) -> None:
    async def candles_come(scene: Scene) -> None:
        for second in sorted(readiness):
            await asyncio.sleep(max(0.0, second - scene.now() * 60))
            scene.clock.look_again()

    def is_ready(who: int, _minute: int, now: float) -> bool:
        return round(now * 60) >= readiness[who % len(readiness)]

    scene = Scene(bodies=len(works), works_s=lambda who, minute: works[who][minute - 1], is_ready=is_ready)
    warped(scene.play(after=candles_come))
    for who in range(len(works)):
        free_s = readiness[who % len(readiness)]
        ticks = [(minute, round(now * 60)) for one, minute, now in scene.done if one == who]
        assert [minute for minute, _ in ticks] == [1, 2, 3, 4, 5]
        for minute, second in ticks:
            due_s = max(minute * 60, free_s)
            assert second == due_s, "it is neither early nor held up by another"
            free_s = due_s + works[who][minute - 1]


async def test_at_a_speed_ticks_of_real_time_are_at_their_minutes() -> None:
    scene = Scene(bodies=2, minutes=4, time=ReplayTime(START_MS, speed=2_000.0))
    await scene.play()
    assert [(who, minute) for who, minute, _ in scene.done] == [(who, m) for m in range(1, 5) for who in (0, 1)]
    assert all(minute <= now < minute + 1 for _, minute, now in scene.done)


@pytest.mark.parametrize(("now_ms", "minute"), [(at(1), at(1)), (at(1) + 1, at(2)), (at(2) - 1, at(2))])
def test_a_run_begins_at_the_next_boundary(now_ms: int, minute: int) -> None:
    assert minute_of(now_ms) == minute

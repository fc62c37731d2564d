"""What goes on beside the sessions: the clocks, the connection, alerts, the status, and a clean end."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.errors import VenueError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.venue_facts import (
    ClockJumped,
    ConnectionLost,
    ConnectionRestored,
    EntriesAllowed,
    EntriesBlocked,
)
from backtestkit_cli.exchange.venue_clock import ClockReading
from backtestkit_cli.runs.trading.clock_watch import JumpWatch, SkewWatch
from backtestkit_cli.runs.trading.connection import Connection
from backtestkit_cli.runs.trading.lateness import Lateness
from backtestkit_cli.runs.trading.memory import resident_mb
from tests.builders import START_MS
from tests.runs.trading.worlds import EAGER, Present, World, a_world
from tests.warp import warped


def test_a_lost_connection_is_told_once_and_once_that_it_is_back() -> None:
    told: list[Event] = []
    now = iter(range(START_MS, START_MS + 10**6, 4_000))
    connection = Connection(lambda: next(now), told.append)
    connection.restored("BTCUSDT")
    connection.lost("BTCUSDT", "no answer")
    connection.lost("orders", "no answer either")
    connection.restored("BTCUSDT")
    assert connection.reasons == {"orders": "no answer either"}
    connection.restored("orders")
    connection.restored("orders")
    assert told == [ConnectionLost(START_MS, "", "", "no answer"), ConnectionRestored(START_MS + 4_000, "", "", 4.0)]


@pytest.mark.parametrize("jump_s", [-3_600.0, -6.0, 6.0, 900.0])
def test_a_clock_that_jumps_is_noticed_and_one_that_is_slewed_is_not(jump_s: float) -> None:
    wall, steady = [0.0], [0.0]
    told: list[Event] = []

    def pass_s(steady_s: float, wall_s: float) -> None:
        steady[0] += steady_s
        wall[0] += wall_s
        watch.look()

    watch = JumpWatch(lambda: START_MS + round(wall[0] * 1000), lambda: steady[0], told.append)
    for _ in range(100):
        pass_s(1.0, 1.002)
    assert not told
    pass_s(1.0, 1.0 + jump_s)
    pass_s(1.0, 1.0)
    assert [(type(event), getattr(event, "seconds", 0)) for event in told] == [(ClockJumped, jump_s)]


def skewed(skew_ms: float, round_trip_ms: int = 40, *, is_coarse: bool = False) -> ClockReading:
    return ClockReading(START_MS + round(skew_ms), START_MS, round_trip_ms, is_coarse)


@pytest.mark.parametrize(
    ("reading", "is_right"),
    [
        (skewed(0), True),
        (skewed(1_015), True),  # half of the way is in doubt
        (skewed(1_100), False),
        (skewed(-1_100), False),
        (skewed(-1_400, is_coarse=True), True),
        (skewed(-3_600_000, is_coarse=True), False),
    ],
)
async def test_a_clock_that_is_off_is_refused_with_both_times_and_what_to_do(
    reading: ClockReading, is_right: bool
) -> None:
    async def read() -> ClockReading:
        return reading

    told: list[Event] = []
    watch = SkewWatch("binance", read, 1.0, {}, told.append)
    if is_right:
        await watch.demand()
        return
    with pytest.raises(VenueError) as caught:
        await watch.demand()
    text = str(caught.value)
    assert caught.value.exit_code == 5
    assert "2025-05-04 00:00:00.000 UTC" in text
    assert ("ahead of" if reading.skew_ms < 0 else "behind") in text
    assert "max_clock_skew_seconds: 1" in text
    assert "timedatectl" in text
    assert "\n" not in text


class Clocked(Present):
    """A venue with a clock, which is off by `skew_ms`."""

    skew_ms = 0.0

    async def read_clock(self) -> ClockReading:
        return ClockReading(self._time.now_ms() + round(self.skew_ms), self._time.now_ms(), 20)


def test_a_clock_that_goes_wrong_within_the_run_blocks_entries_until_it_is_right_again(tmp_path: Path) -> None:
    async def main() -> World:
        world = await a_world(tmp_path, begins_s=30, strategy=EAGER, source=Clocked)

        async def drift() -> None:
            await asyncio.sleep(3_000)
            world.source.skew_ms = 4_000.0
            await asyncio.sleep(3_600)
            world.source.skew_ms = 0.0

        drifting = asyncio.ensure_future(drift())
        await world.live(130)
        await drifting
        return world

    world = warped(main())
    blocked, allowed = world.told(EntriesBlocked, EntriesAllowed)
    assert isinstance(blocked, EntriesBlocked)
    assert "4.0 s behind" in blocked.explanation
    opened = [event.at_ms for event in world.events if type(event).__name__ == "PositionOpened"]
    assert not [at_ms for at_ms in opened if blocked.at_ms < at_ms < allowed.at_ms]
    assert min(opened) < blocked.at_ms
    assert max(opened) > allowed.at_ms


def test_a_clock_an_hour_off_ends_the_run_before_it_begins_and_closes_all(tmp_path: Path) -> None:
    class HourOff(Clocked):
        skew_ms = 3_600_000.0

    async def main() -> World:
        world = await a_world(tmp_path, source=HourOff)
        with pytest.raises(VenueError, match=r"3600\.0 s behind"):
            await world.live(5)
        return world

    world = warped(main())
    assert world.source.is_closed
    assert not world.source.asked


def test_a_laptop_lid_is_noticed_and_what_was_missed_is_caught_up(tmp_path: Path) -> None:
    async def main() -> World:
        world = await a_world(tmp_path, begins_s=30, beat_s=1.0)

        async def lid() -> None:
            await asyncio.sleep(200)
            world.time.set_s = 900.0

        closing = asyncio.ensure_future(lid())
        await world.live(10)
        await closing
        return world

    world = warped(main())
    (jumped,) = world.told(ClockJumped)
    assert isinstance(jumped, ClockJumped)
    assert jumped.seconds == 900.0
    assert world.minutes_of("BTCUSDT") == list(range(1, 26))
    late = [second for minute, second in world.ticks["BTCUSDT"] if 4 <= minute <= 18]
    assert max(late) < 30 + 200 + 900 + 5


def test_lateness_is_told_once_for_each_session_and_once_that_it_is_over() -> None:
    told: list[Any] = []
    lateness = Lateness(45.0, told.append)
    for lateness_ms in (1_000, 46_000, 90_000, 45_000, 200, 50_000):
        lateness.passed("one", "BTCUSDT", START_MS, lateness_ms)
    assert [type(event) for event in told] == [EntriesBlocked, EntriesAllowed, EntriesBlocked]
    assert "46 s after its minute" in told[0].explanation


class SlowOutbox:
    """Stands for alerts whose place never answers; the store behind it is quick."""

    def __init__(self) -> None:
        self.heard: list[Event] = []
        self.began = self.closed_within = -1.0

    async def start(self) -> None:
        self.began = asyncio.get_running_loop().time()

    async def post(self, event: Event) -> None:
        self.heard.append(event)

    async def close(self, timeout_seconds: float) -> None:
        self.closed_within = timeout_seconds


def test_alerts_hear_every_event_from_the_first_and_are_closed_last_in_bounded_time(tmp_path: Path) -> None:
    async def main() -> tuple[World, SlowOutbox]:
        outbox = SlowOutbox()
        world = await a_world(tmp_path, begins_s=30, strategy=EAGER, outbox=lambda _store, _time: outbox)
        world.source.is_down = lambda second, _: 200 <= second < 300
        return await world.live(10), outbox

    world, outbox = warped(main())
    assert outbox.heard == world.events
    assert world.told(ConnectionLost)
    assert outbox.began == 0.0
    assert outbox.closed_within == 5.0


def test_the_status_is_complete_and_told_once_a_second(tmp_path: Path) -> None:
    async def main() -> World:
        return await (await a_world(tmp_path, begins_s=30, beat_s=1.0, strategy=EAGER)).live(4)

    world = warped(main())
    seconds = sorted({one.now_ms // 1000 for one in world.statuses})
    assert len(seconds) >= 235
    newest = world.statuses[-1]
    (session,) = newest.sessions
    assert newest.is_stopping
    assert 20 < newest.memory_mb < 2_000
    assert abs(newest.memory_mb - resident_mb()) < 100
    assert session.last_event in {"position_opened", "position_closed"}
    assert START_MS < session.last_event_ms <= newest.now_ms
    assert session.price
    assert session.trades
    assert 1_000 <= session.lateness_ms < 1_500


@pytest.mark.filterwarnings("error")
def test_a_stop_ends_everything_and_leaves_no_task(tmp_path: Path) -> None:
    async def main() -> World:
        world = await a_world(tmp_path, "BTCUSDT", "ETHUSDT", begins_s=30, strategy=EAGER)
        world.source.is_down = lambda _second, symbol: symbol == "ETHUSDT" and world.second > 90
        return await world.live(3.4)

    began_s = time.monotonic()
    world = warped(main(), debug=True)
    assert world.source.is_closed
    assert world.outcome is not None
    assert time.monotonic() - began_s < 10


async def test_a_run_at_the_time_of_the_machine_stops_within_a_second(tmp_path: Path) -> None:
    from dataclasses import replace

    from backtestkit_cli.data.demo import DemoMarket
    from backtestkit_cli.runs.trading.time import SystemTime

    async def a_real_world() -> World:
        world = await a_world(tmp_path)
        outside = replace(world.outside, time=SystemTime(), source=DemoMarket(), steady_s=time.monotonic)
        return replace(world, outside=outside)

    world = await a_real_world()
    began_s = time.monotonic()
    await world.live(1.2 / 60)
    assert time.monotonic() - began_s < 4
    assert len(world.statuses) >= 1
    assert asyncio.all_tasks() == {asyncio.current_task()}

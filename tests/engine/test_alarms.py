"""The alarm of the virtual clock: who wakes when it rings, how often, and in which order."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from backtestkit_cli.engine.clock import VirtualClock
from backtestkit_cli.ports import Clock

Body = Callable[[Clock], Coroutine[Any, Any, None]]


class RingsAt:
    """An alarm at given instants; it writes down what it was asked."""

    def __init__(self, *instants: int) -> None:
        self.instants = list(instants)
        self.asked: list[tuple[int, int]] = []

    def next_ms(self, from_ms: int, until_ms: int) -> int | None:
        self.asked.append((from_ms, until_ms))
        if self.instants and from_ms <= self.instants[0] < until_ms:
            return self.instants.pop(0)
        return None


def sleeper(name: str, log: list[tuple[int, str]], *until: int) -> Body:
    """Return who sleeps until each of these instants, is awake early when the alarm rings, and goes on sleeping."""

    async def body(clock: Clock) -> None:
        for at_ms in until:
            await clock.sleep_until(at_ms)
            while clock.now_ms < at_ms:
                log.append((clock.now_ms, f"{name} early"))
                await clock.sleep_until(at_ms)
            log.append((clock.now_ms, name))

    return body


def told(alarm: RingsAt, *bodies: Callable[[list[tuple[int, str]]], Body]) -> list[tuple[int, str]]:
    log: list[tuple[int, str]] = []
    asyncio.run(VirtualClock(alarm=alarm).run([body(log) for body in bodies]))
    return log


def test_all_who_sleep_wake_at_the_alarm_in_the_order_of_their_index_and_those_who_are_done_do_not() -> None:
    log = told(
        RingsAt(25),
        lambda log: sleeper("c", log, 10, 50),
        lambda log: sleeper("a", log, 10, 30),
        lambda log: sleeper("over", log, 10),
        lambda log: sleeper("b", log, 20, 30),
    )
    assert log == [
        (10, "c"), (10, "a"), (10, "over"), (20, "b"),
        (25, "c early"), (25, "a early"), (25, "b early"),
        (30, "a"), (30, "b"), (50, "c"),
    ]  # fmt: skip


def test_an_alarm_at_the_instant_that_has_just_been_wakes_everyone_a_second_time_at_it() -> None:
    log = told(RingsAt(10), lambda log: sleeper("a", log, 10, 20), lambda log: sleeper("b", log, 10, 30))
    assert log == [(10, "a"), (10, "b"), (10, "a early"), (10, "b early"), (20, "a"), (30, "b")]


def test_alarms_at_one_instant_twice_and_one_after_the_other_lose_nobody() -> None:
    log = told(RingsAt(15, 15, 17, 19), lambda log: sleeper("a", log, 10, 20), lambda log: sleeper("b", log, 20))
    early = [(at_ms, f"{name} early") for at_ms in (15, 15, 17, 19) for name in "ab"]
    assert log == [(10, "a"), *early, (20, "a"), (20, "b")]


def test_the_alarm_is_asked_of_every_stretch_once_without_gap_and_never_before_the_first_instant() -> None:
    alarm = RingsAt(25)
    told(alarm, lambda log: sleeper("a", log, 10, 30, 60), lambda log: sleeper("b", log, 20))
    assert alarm.asked == [(10, 20), (20, 30), (25, 30), (30, 60)]


def test_an_alarm_while_a_session_waits_for_the_event_loop_rings_once_it_is_done() -> None:
    log: list[tuple[int, str]] = []

    async def waits(clock: Clock) -> None:
        await clock.sleep_until(10)
        await asyncio.sleep(0.001)
        log.append((clock.now_ms, "awaited"))
        await clock.sleep_until(30)
        log.append((clock.now_ms, "woken"))

    asyncio.run(VirtualClock(alarm=RingsAt(10)).run([waits, sleeper("b", log, 10)]))
    assert log == [(10, "awaited"), (10, "b"), (10, "woken")]


def test_who_ends_at_the_alarm_is_not_woken_again() -> None:
    log: list[tuple[int, str]] = []

    async def once(clock: Clock) -> None:
        await clock.sleep_until(100)
        log.append((clock.now_ms, "ends"))

    asyncio.run(VirtualClock(alarm=RingsAt(15, 16)).run([sleeper("a", log, 10, 20), once]))
    assert log == [(10, "a"), (15, "a early"), (15, "ends"), (16, "a early"), (20, "a")]

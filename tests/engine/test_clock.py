"""The clock of a replay as it ends: nobody is left asleep, and what ended it stays what it is."""

import asyncio

import pytest

from backtestkit_cli.engine.clock import VirtualClock
from backtestkit_cli.ports import Clock


async def test_a_sleeper_that_will_not_end_or_fails_at_it_keeps_nobody_else_from_ending() -> None:
    ended: list[str] = []

    async def sleeps(clock: Clock) -> None:
        try:
            await clock.sleep_until(100)
        finally:
            ended.append("sleeps")

    async def goes_on(clock: Clock) -> None:
        try:
            await clock.sleep_until(100)
        except GeneratorExit:
            ended.append("goes on")
            await asyncio.sleep(0)

    async def fails_at_it(clock: Clock) -> None:
        try:
            await clock.sleep_until(100)
        finally:
            ended.append("fails at it")
            raise ValueError("while it ended")

    async def fails(clock: Clock) -> None:
        await clock.sleep_until(50)
        raise LookupError("the first")

    with pytest.raises(LookupError, match="the first") as caught:
        await VirtualClock().run([sleeps, goes_on, fails_at_it, fails, sleeps])
    assert ended == ["sleeps", "goes on", "fails at it", "sleeps"]
    assert caught.value.__notes__ == [
        "session 1 did not end in order: RuntimeError('coroutine ignored GeneratorExit')",
        "session 2 did not end in order: ValueError('while it ended')",
    ]

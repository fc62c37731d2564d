"""Looking at things that may never answer: a disk that hangs, a strategy file that loops, a venue that is silent."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future
from contextvars import copy_context
from threading import Thread
from typing import TypeVar

from backtestkit_cli.runs.doctor.findings import Finding, failed

T = TypeVar("T")


async def in_thread(work: Callable[[], T]) -> T:
    """Return what *work* returns, without keeping the process from ending where that never comes."""
    outcome: Future[T] = Future()
    Thread(target=copy_context().run, args=(_fulfil, outcome, work), daemon=True).start()
    return await asyncio.wrap_future(outcome)


def _fulfil(outcome: "Future[T]", work: Callable[[], T]) -> None:
    if not outcome.set_running_or_notify_cancel():
        return
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where it is waited for
        outcome.set_exception(error)


async def bounded(check: str, looking: Awaitable[Sequence[Finding]], seconds: float, exit_code: int) -> list[Finding]:
    """Return what *looking* finds, or that it took too long."""
    try:
        async with asyncio.timeout(seconds):
            return list(await looking)
    except TimeoutError:
        return [failed(check, f"no answer within {seconds:g} s", "see what it waits for, and try again", exit_code)]

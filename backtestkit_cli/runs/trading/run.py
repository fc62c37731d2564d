"""Drives one run on the wall clock, from its plan to its outcome."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.alerts import AlertsOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.status import RunStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPlan:
    """A run on the wall clock: everything is resolved, nothing is started.

    `run` says in its mode whether orders are real; its frame is that of the candles that are replayed, and empty where
    the run goes on from now. `state_folder` is that of the file store. With `is_replay` the candles of the frame pass
    as if they closed now, `speed` minutes of them a minute of real time, None for as fast as it goes.

    Reports go below `out`, and the manifest keeps `told` besides what the run is. `alerts` are None where nobody is to
    be told anything.
    """

    run: RunPlan
    options: TradingOptions
    paper: PaperOptions
    state_folder: str
    is_replay: bool = False
    speed: float | None = None
    alerts: AlertsOptions | None = None
    out: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)


class StopRequest:
    """The wish to end a run, from a signal handler or another thread: once to stop cleanly, twice to go at once."""

    def __init__(self) -> None:
        """Begin with nobody wishing anything."""
        self._count = 0
        self._wakers: list[Callable[[], object]] = []

    def request(self) -> None:
        """Wish it once more, and wake who waits for it."""
        self._count += 1
        for wake in tuple(self._wakers):
            wake()

    @property
    def is_made(self) -> bool:
        """Say whether the run is to end."""
        return self._count > 0

    @property
    def is_forced(self) -> bool:
        """Say whether it is to end without looking after anything."""
        return self._count > 1

    async def wait(self) -> None:
        """Return once it is wished that the run ends."""
        made = asyncio.Event()
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(made.set)

        self._wakers.append(wake)
        try:
            if not self.is_made:
                await made.wait()
        finally:
            self._wakers.remove(wake)


async def run_trading(
    plan: TradingPlan,
    *,
    on_status: Callable[[RunStatus], None] | None,
    on_event: Callable[[Event], None] | None,
    stop: StopRequest,
) -> RunOutcome:
    """Trade as *plan* says until *stop* is requested or a replay is over, and write the reports.

    `on_status` is told after each tick, and about once a second of real time between them; `on_event` every event,
    in the order in which they are published.
    """
    raise NotImplementedError

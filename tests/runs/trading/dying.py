"""Paper runs of history that are killed at any of their calls, and begun again from what is left."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.trading import PaperOptions
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.events.facts import Event
from backtestkit_cli.execution.account import Account
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.runs.history import history_of
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.outside import Outside, Recorded
from backtestkit_cli.runs.trading.run import Trading
from backtestkit_cli.runs.trading.stopping import StopRequest
from backtestkit_cli.runs.trading.time import ReplayTime
from tests.replay import RICH, replay_of

_CALLS = {"write", "remove", "open", "close", "amend", "cancel", "check"}
_ACCOUNT = ("paper", "held", "account", "simulated")


class KilledError(Exception):
    """The process is no more."""


@dataclass
class Death:
    """Comes with the call `at`, before or after it has taken effect; `calls` has the instant of each call.

    The call never returns, and no later one has any effect.
    """

    now_ms: Callable[[], int]
    at: int | None
    is_before: bool
    calls: list[tuple[int, str]]
    has_come: asyncio.Event = field(default_factory=asyncio.Event)

    async def passing(self, name: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Return what *call* returns, unless this is the end."""
        if self.has_come.is_set():
            raise KilledError
        is_last = len(self.calls) == self.at
        self.calls.append((self.now_ms(), name))
        result = None if is_last and self.is_before else await call()
        if is_last:
            self.has_come.set()
            await asyncio.Event().wait()
        return result


class Mortal:
    """A store or a broker whose every changing call may be the last of the process."""

    def __init__(self, real: Any, death: Death) -> None:
        """Pass calls on to *real*."""
        self._real = real
        self._death = death

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._real, name)
        if name not in _CALLS:
            return found

        async def call(*arguments: Any) -> Any:
            return await self._death.passing(name, lambda: found(*arguments))

        return call


@dataclass(frozen=True)
class Left:
    """What is there after a run: trades and memory by session, the account, and what was told meanwhile."""

    trades: dict[tuple[str, str], list[Trade]]
    memories: dict[tuple[str, str], SessionMemory]
    account: Account
    told: list[Event]


class World:
    """A store that outlives processes, and time that stands still between them."""

    def __init__(self, plan: RunPlan, paper: PaperOptions | None = None) -> None:
        """Let runs of *plan* live in it."""
        self.plan = replace(plan, mode="paper")
        self.paper = paper or PaperOptions(balance=RICH)
        self.time = ReplayTime(plan.start_ms)
        self.store = MemoryStore()
        self.calls: list[tuple[int, str]] = []

    def lives(self, at: int | None = None, *, is_before: bool = True) -> Left | None:
        """Run until the end, or until the process dies with the call *at*: then there is nothing to return."""
        return asyncio.run(self._lives(at, is_before=is_before))

    async def _lives(self, at: int | None, *, is_before: bool) -> Left | None:
        death = Death(self.time.now_ms, at, is_before, self.calls)
        life = asyncio.ensure_future(self._life(death))
        end = asyncio.ensure_future(death.has_come.wait())
        await asyncio.wait((life, end), return_when=asyncio.FIRST_COMPLETED)
        is_dead = end.done()
        for one in (life, end) if is_dead else (end,):
            one.cancel()
        await asyncio.gather(life, end, return_exceptions=True)
        return None if is_dead else life.result()

    async def _life(self, death: Death) -> Left:
        store, plan = Mortal(self.store, death), self.plan
        told: list[Event] = []
        costs = {name: Costs.of(one) for name, one in plan.settings.items()}
        broker = await PaperBroker.recalled(self.paper, costs, quote="quote", store=store, key=_ACCOUNT)
        outside = Outside(
            time=self.time,
            store=store,
            broker=Mortal(broker, death),
            source=Recorded(plan.source, history_of(plan).span),
            rng=random.Random(1),
            lock=nullcontext(),
            is_history=True,
        )
        trading = Trading(replay_of(plan), outside, lambda _status: None, told.append)
        await trading.trade(StopRequest())
        keepers = {(keeper.symbol, keeper.spec.name): keeper for keeper in trading.keepers}
        return Left(
            {key: list(keeper.trades) for key, keeper in keepers.items()},
            {key: keeper.memory for key, keeper in keepers.items()},
            broker.account,
            told,
        )

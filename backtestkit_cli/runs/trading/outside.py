"""What is real of a trading run: its time, its venue, its candles and where it is kept."""

import asyncio
import os
import random
import time as real_time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.domain.stores import secrets_of
from backtestkit_cli.persistence.tenure import Tenure
from backtestkit_cli.ports import Broker, CandleSource, Store, Time
from backtestkit_cli.runs.history import history_of
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.gated_broker import gated
from backtestkit_cli.runs.trading.growing_book import Windows
from backtestkit_cli.runs.trading.plan import LIVE, TradingPlan
from backtestkit_cli.runs.trading.time import ReplayTime, SystemTime
from backtestkit_cli.runs.trading.venue import broker_at

if TYPE_CHECKING:
    from backtestkit_cli.alerts.outbox import Outbox
    from backtestkit_cli.execution.paper import PaperBroker

_QUOTE = "quote"


async def _at_once() -> None:
    """Wait for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """The adapters of one run. `lock` and `tenure` are held while it trades; `is_history` says that time is replayed.

    `begin` reads what of them is kept, once nobody else writes it.

    Unless it `is_kept`, what the sessions must not forget is not written to the store.
    `windows` are those of candles, by default as long as it takes. `secrets` are taken out of all
    that is written. `steady_s` is a clock that nobody sets, in seconds, and `beat_s` how often clocks are compared
    and the status is told. `hindrances` are what speaks against opening anything, each by a name of its own.
    """

    time: Time
    store: Store
    broker: Broker
    source: CandleSource
    rng: random.Random
    lock: AbstractContextManager[Any]
    tenure: Tenure | None = None
    begin: Callable[[], Awaitable[None]] = _at_once
    is_history: bool = False
    is_kept: bool = True
    windows: Windows | None = None
    outbox: "Outbox | None" = None
    secrets: tuple[str, ...] = ()
    steady_s: Callable[[], float] = real_time.monotonic
    beat_s: float = 1.0
    hindrances: dict[str, str] = field(default_factory=dict)


def outside_of(plan: TradingPlan, environ: Mapping[str, str] | None = None) -> Outside:
    """Return the adapters that *plan* names; nothing is opened, locked or asked.

    Raises:
        ConfigError: the venue cannot be traded on, or a store cannot be made.
    """
    environ = os.environ if environ is None else environ
    return _replayed(plan) if plan.is_replay else _present(plan, environ)


def _replayed(plan: TradingPlan) -> Outside:
    """Return adapters of history, which leave nothing behind."""
    from backtestkit_cli.persistence.memory_store import MemoryStore

    run, memory = plan.run, MemoryStore()
    return Outside(
        time=ReplayTime(run.start_ms, plan.speed),
        store=memory,
        broker=_paper(plan, memory),
        source=Recorded(run.source, history_of(run).span),
        rng=random.Random(run.exchange),
        lock=nullcontext(),
        is_history=True,
        is_kept=False,
    )


def _present(plan: TradingPlan, environ: Mapping[str, str]) -> Outside:
    """Return adapters of the present."""
    from backtestkit_cli.persistence.account_lock import account_of
    from backtestkit_cli.runs.trading.kept import kept_by

    run, clock, is_live = plan.run, SystemTime(), plan.run.mode == LIVE
    kept = kept_by(plan, account_of(_api_key(plan, environ)) if is_live else "simulated", environ)
    paper = None if is_live else _paper(plan, kept.store)
    broker: Broker = paper or _venue(plan, environ, clock)
    return Outside(
        time=clock,
        store=kept.store,
        broker=broker if kept.tenure is None else gated(broker, kept.tenure.why_not),
        source=run.source,
        rng=random.Random(),
        lock=kept.lock,
        tenure=kept.tenure,
        begin=_at_once if paper is None else paper.recall,
        outbox=_outbox(plan, kept.store, environ, clock),
        secrets=_secrets(plan, environ),
    )


def _paper(plan: TradingPlan, store: Store) -> "PaperBroker":
    from backtestkit_cli.execution.paper import PaperBroker

    run = plan.run
    costs = {name: Costs.of(settings) for name, settings in run.settings.items()}
    balance = plan.paper.balance if run.portfolio is None else max(plan.paper.balance, run.portfolio.balance)
    options = replace(plan.paper, balance=balance)
    key = (run.mode, run.exchange, "account", "simulated")
    return PaperBroker(options, costs, quote=_QUOTE, store=store, key=key)


def _venue(plan: TradingPlan, environ: Mapping[str, str], time: Time) -> Broker:
    assert plan.venue is not None  # noqa: S101 - only venues of ccxt take real orders
    broker = broker_at(plan.run.exchange, plan.venue, environ, time.now_ms)
    broker.demand_keys()
    return broker


def _api_key(plan: TradingPlan, environ: Mapping[str, str]) -> str:
    from backtestkit_cli.exchange.credentials import Credentials

    return Credentials.of(plan.run.exchange, environ).api_key


def _secrets(plan: TradingPlan, environ: Mapping[str, str]) -> tuple[str, ...]:
    from backtestkit_cli.exchange.credentials import Credentials

    return (*Credentials.of(plan.run.exchange, environ).secrets, *secrets_of(plan.store, environ))


def _outbox(plan: TradingPlan, store: Store, environ: Mapping[str, str], time: Time) -> "Outbox | None":
    if plan.alerts is None:
        return None
    from backtestkit_cli.alerts.building import sinks_of
    from backtestkit_cli.alerts.courier import Limits
    from backtestkit_cli.alerts.outbox import Outbox

    return Outbox(
        store,
        plan.run.mode,
        plan.run.exchange,
        sinks_of(plan.alerts, environ, time.now_ms),
        now_ms=time.now_ms,
        sleep=asyncio.sleep,
        rng=random.Random(),
        limits=Limits(max_waiting=plan.alerts.max_waiting),
        secrets=_secrets(plan, environ),
    )


class Recorded:
    """A source whose minutes of a span are fetched once and handed out as if they closed one by one."""

    def __init__(self, source: CandleSource, span: Span) -> None:
        """Replay what *source* has of *span*."""
        self._source = source
        self._span = span
        self._minutes: dict[str, Candles] = {}

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the source has
        return getattr(self._source, name)

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return candles as the source does."""
        if interval != "1m" or start_ms < self._span[0] or end_ms > self._span[1]:
            return await self._source.fetch(symbol, interval, start_ms, end_ms)
        if symbol not in self._minutes:
            self._minutes[symbol] = await self._source.fetch(symbol, interval, *self._span)
        return self._minutes[symbol].between(start_ms, end_ms)


def settings_at_venue(run: RunPlan) -> RunPlan:
    """Return *run* with fills that are booked as the venue tells them: slippage is in their prices already."""
    settings = {name: replace(one, slippage_pct=0.0) for name, one in run.settings.items()}
    return replace(run, settings=settings)

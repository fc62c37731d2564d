"""What bots hold, running or stopped, read from their saved state without touching it."""

import asyncio
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass

from backtestkit_cli.alerts.outbox import ALERT
from backtestkit_cli.config.stores import StoreConfig
from backtestkit_cli.engine.coordination import Stop
from backtestkit_cli.engine.memory import PortfolioMemory, RunMemory, SessionMemory
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.holders import Holder
from backtestkit_cli.persistence.occupancy import holders_in
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SCHEDULE, SIGNAL, TRADE, SessionJournal
from backtestkit_cli.ports import Key, Store
from backtestkit_cli.runs.sources import now_ms
from backtestkit_cli.runs.trading.plan import LIVE, PAPER

TRADING_MODES = (PAPER, LIVE)
_SESSION_KINDS = {SIGNAL, SCHEDULE}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldSession:
    """A session as it was saved last; `memory` is None where that cannot be read, and `problem` says why."""

    strategy: str
    symbol: str
    memory: SessionMemory | None
    trades: int
    problem: str = ""

    @property
    def is_quiet(self) -> bool:
        """Say whether there is nothing to take up again and nothing to look at."""
        memory = self.memory
        if memory is None:
            return False
        return memory.state is None and not (memory.orders or memory.closing or memory.blocked or memory.dust)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBot:
    """All that is kept for one mode on one exchange; `alerts` counts messages that have not arrived.

    `problems` say what else cannot be read.
    """

    mode: str
    exchange: str
    holders: tuple[Holder, ...]
    run: RunMemory | None
    stop: Stop | None
    alerts: int
    sessions: tuple[HeldSession, ...]
    problems: tuple[str, ...]

    @property
    def tick_ms(self) -> int | None:
        """Return the newest tick that any session has saved, None where none has."""
        return max((s.memory.tick_ms for s in self.sessions if s.memory and s.memory.tick_ms >= 0), default=None)


async def all_bots(
    config: StoreConfig, environ: Mapping[str, str], *, mode: str | None = None, exchange: str | None = None
) -> tuple[list[str], list[HeldBot]]:
    """Return the names of the stores of *config* and the bots there, of one *mode* or *exchange* or of all.

    Raises:
        ConfigError: nobody says where a server is.
        StoreError: a place cannot be read.
    """
    names, bots = [], []
    for store, modes in config.shared(TRADING_MODES if mode is None else [mode]):
        places = Places(store, environ)
        try:
            known = places.cached(now_ms, is_onlooker=True)
            bots += await bots_in(places, modes=modes, exchange=exchange, known=known)
        finally:
            await places.close()
        names.append(places.store(is_onlooker=True).name)
    return names, sorted(bots, key=lambda bot: (bot.mode, bot.exchange))


async def bots_in(
    places: Places, *, modes: Container[str], exchange: str | None = None, known: Store | None = None
) -> list[HeldBot]:
    """Return what is kept at *places* of bots of *modes*, on one *exchange* or all; nothing where there is nothing.

    It is read from *known*, or else it is what is so at this moment.

    Raises:
        StoreError: a place cannot be read.
    """
    store = known or places.store(is_onlooker=True)
    keys = await store.keys(())
    holders = await holders_in(places)
    names = {key[:2] for key in keys if len(key) > 2} | {(one.mode, one.exchange) for one in holders}
    return [
        await _bot(store, name, [key for key in keys if key[:2] == name], holders)
        for name in sorted(names)
        if name[0] in modes and exchange in {None, name[1]}
    ]


async def _bot(store: Store, name: Key, keys: list[Key], holders: list[Holder]) -> HeldBot:
    mode, exchange = name
    problems: list[str] = []
    shared = RunJournal(store, mode, exchange)
    run: RunMemory | None = None
    portfolio: PortfolioMemory | None = None
    try:
        run = await shared.recall(RunMemory)
        portfolio = await shared.recall(PortfolioMemory)
    except StoreError as error:
        problems.append(str(error))
    return HeldBot(
        mode=mode,
        exchange=exchange,
        holders=tuple(one for one in holders if (one.mode, one.exchange) == name),
        run=run,
        stop=None if portfolio is None else portfolio.stop,
        alerts=sum(key[2] == ALERT for key in keys),
        sessions=tuple(await asyncio.gather(*(_session(store, name, place, keys) for place in _places(keys)))),
        problems=tuple(problems),
    )


def _places(keys: list[Key]) -> Iterator[tuple[str, str]]:
    """Yield strategy and symbol of each session, in the order of (symbol, strategy)."""
    places = {(key[3], key[4]) for key in keys if len(key) == 5 and key[2] in _SESSION_KINDS}
    yield from sorted(places, key=lambda place: (place[1], place[0]))


async def _session(store: Store, name: Key, place: tuple[str, str], keys: list[Key]) -> HeldSession:
    (mode, exchange), (strategy, symbol) = name, place
    memory, problem = None, ""
    try:
        memory = await SessionJournal(store, mode, exchange, strategy, symbol).peek()
    except StoreError as error:
        problem = str(error)
    trades = sum(key[2:5] == (TRADE, *place) for key in keys)
    return HeldSession(strategy=strategy, symbol=symbol, memory=memory, trades=trades, problem=problem)

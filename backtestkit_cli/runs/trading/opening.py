"""Opening a trading run: what was saved is taken up, the venue is asked for its rules, and history is read."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.domain.interval import MINUTE_MS, floor_to
from backtestkit_cli.domain.venue import VenueRules
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.dealing.blotter import DealingPlan
from backtestkit_cli.engine.dealing.dealer import Dealer
from backtestkit_cli.engine.dealing.sending import Wire
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import VenueError
from backtestkit_cli.persistence.session_journal import SessionJournal
from backtestkit_cli.ports import Broker
from backtestkit_cli.runs.history import history_plan, problems_of_each
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.candles import Feed
from backtestkit_cli.runs.trading.floor import Floor
from backtestkit_cli.runs.trading.growing_book import UNSETTLED_MS, GrowingBook, Windows
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.recalling import Recalled, recalled
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper
from backtestkit_cli.runs.trading.status import SessionStatus

_ROOM_MINUTES = 2 * 1440
_LEAST_KEPT = 1440
"""How many candles go over from window to window at least: what a strategy may look back on without saying so."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """A session of the run: its names, where it is kept, and what was there."""

    spec: StrategySpec
    symbol: str
    dealing: DealingPlan
    recalled: Recalled

    @property
    def memory(self) -> SessionMemory:
        """Return what the session must not forget."""
        return self.recalled.memory


async def opened(
    plan: TradingPlan,
    outside: Outside,
    run: RunPlan,
    run_id: str,
    life: RunLife,
    shared: Coordination | None,
    on_failure: Callable[[str, str], None],
) -> tuple[Floor, list[SessionKeeper]]:
    """Return the floor of *run* and its sessions, in the order of (symbol, strategy).

    Raises:
        StoreError: what was saved cannot be taken up.
        VenueError: the venue does not have a symbol, refused, or was not reached.
        DataError: the history of a symbol could not be had.
    """
    await _demand_leave(outside.broker)
    rules = await _rules_of(outside, run.symbols)
    wire = Wire(
        broker=outside.broker,
        options=plan.options,
        now_ms=outside.time.now_ms,
        sleep=outside.time.sleep,
        rng=outside.rng,
        hindrances=outside.hindrances,
    )
    seats = [
        await _seat(outside, run, spec, symbol, rules[symbol], wire)
        for symbol in sorted(run.symbols)
        for spec in sorted(run.strategies, key=lambda one: one.name)
    ]
    ticks = [seat.memory.tick_ms + MINUTE_MS for seat in seats if seat.memory.tick_ms >= 0 and seat.memory.state]
    first_ms = min([run.start_ms, *ticks])
    book = _book(outside, run, first_ms)
    feed = Feed(
        book,
        outside.source,
        outside.time,
        plan.options,
        outside.rng,
        is_complete=outside.is_history,
    )
    problems = await problems_of_each(book.load, set(run.symbols))
    for symbol in sorted(problems):
        raise problems[symbol]
    for symbol in run.symbols:
        feed.begins(symbol)
    floor = Floor(
        plan=run,
        run_id=run_id,
        options=plan.options,
        life=life,
        book=book,
        feed=feed,
        time=outside.time,
        start_ms=run.start_ms,
        is_history=outside.is_history,
        on_failure=on_failure,
    )
    return floor, [_keeper(floor, seat, shared) for seat in seats]


async def _demand_leave(broker: Broker) -> None:
    """Make sure that the account may trade, as far as its venue tells.

    Raises:
        VenueError: the venue refused the keys, they may only read, or it was not reached.
    """
    asked = getattr(broker, "permissions", None)
    if asked is None:
        await broker.balances()
    elif (await asked()).can_trade is False:
        raise VenueError(f"{broker.name}: the keys may not trade: expected spot trading, found read-only keys")


async def _rules_of(outside: Outside, symbols: tuple[str, ...]) -> Mapping[str, VenueRules]:
    found = await asyncio.gather(*map(outside.broker.rules, symbols))
    return dict(zip(symbols, found, strict=True))


async def _seat(
    outside: Outside, run: RunPlan, spec: StrategySpec, symbol: str, rules: VenueRules, wire: Wire
) -> _Seat:
    journal = None
    if outside.is_kept:
        journal = SessionJournal(outside.store, run.mode, run.exchange, spec.name, symbol)
    dealing = DealingPlan(
        strategy=spec.name,
        symbol=symbol,
        settings=run.settings[spec.name],
        rules=rules,
        wire=wire,
        journal=journal,
    )
    return _Seat(spec, symbol, dealing, await recalled(journal))


def _book(outside: Outside, run: RunPlan, first_ms: int) -> GrowingBook:
    """Return the markets of *run*, whose history reaches back as far as *first_ms* needs it.

    Replayed, it goes on to the end; of the present it is what is settled, and the feed brings the rest.
    """
    settings = next(iter(run.settings.values()))
    begin_ms = end_ms = run.start_ms - UNSETTLED_MS
    if outside.is_history:
        begin_ms, end_ms = max(run.start_ms, floor_to(outside.time.now_ms(), MINUTE_MS)), run.end_ms
    needed = history_plan((min(first_ms, begin_ms), end_ms), run.strategies, run.settings, settings.gaps)
    kept = max(_LEAST_KEPT, (begin_ms - needed.start_ms) // MINUTE_MS)
    windows = Windows(_ROOM_MINUTES, kept)
    if outside.is_history:
        windows = outside.windows or Windows((end_ms - begin_ms) // MINUTE_MS, None)
    return GrowingBook(
        outside.source,
        replace(needed, frame_start_ms=begin_ms),
        windows,
        avg_price_candles=settings.avg_price_candles,
        is_history=outside.is_history,
    )


def _keeper(floor: Floor, seat: _Seat, shared: Coordination | None) -> SessionKeeper:
    status = SessionStatus(strategy=seat.spec.name, symbol=seat.symbol)
    keeper = SessionKeeper(
        floor=floor,
        spec=seat.spec,
        symbol=seat.symbol,
        shared=shared,
        dealing=seat.dealing,
        status=status,
        dealer=Dealer(seat.dealing, seat.memory),
        trades=list(seat.recalled.trades),
        damages=seat.recalled.damages,
    )
    keeper.collect()
    return keeper

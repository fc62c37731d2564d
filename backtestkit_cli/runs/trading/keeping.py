"""What a run keeps and writes beside its sessions: who it is, what they share, its events and its reports."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from backtestkit_cli.alerts.scrubbing import Scrubber
from backtestkit_cli.analytics.outcome import RunFacts, RunOutcome
from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.jobs import CalledJobs
from backtestkit_cli.engine.portfolio_guard import PortfolioGuard
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.events.facts import ErrorOccurred, Event, PositionClosed
from backtestkit_cli.persistence.run_journal import RunJournal
from backtestkit_cli.persistence.session_journal import SessionJournal, sessions_in
from backtestkit_cli.reports.saved.event_log import EventLog
from backtestkit_cli.reports.saved.run_folder import run_folder
from backtestkit_cli.runs.life import RunLife
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.error_report import error_report
from backtestkit_cli.runs.trading.event_journal import EventJournal
from backtestkit_cli.runs.trading.floor import Floor, errors_folder
from backtestkit_cli.runs.trading.identity import Identity, identified
from backtestkit_cli.runs.trading.midnights import Midnights
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.recalling import closed_before
from backtestkit_cli.runs.trading.reporter import Reporter
from backtestkit_cli.runs.trading.session_keeper import SessionKeeper
from backtestkit_cli.runs.trading.shared_state import SharedState
from backtestkit_cli.runs.trading.so_far import SoFar

_LOG = logging.getLogger("btk.run")


class Keeping:
    """One process of a run without an end; `begun` finds out which run it is."""

    def __init__(self, outside: Outside, run: RunPlan, facts: RunFacts, identity: Identity, out: str) -> None:
        """Keep in the store of *outside*, and below *out* unless that is empty, what *run* is to leave."""
        self._outside = outside
        self._run = run
        self._out = Path(out) if out else None
        self._journal = RunJournal(outside.store, run.mode, run.exchange)
        self._scrubber = Scrubber(outside.secrets)
        self._so_far: SoFar | None = None
        self._reporter: Reporter | None = None
        self._state: SharedState | None = None
        self._keepers: Sequence[SessionKeeper] = ()
        self._life: RunLife | None = None
        self._telling: set[asyncio.Task[None]] = set()
        self._unwritten = ""
        self.identity = identity
        self.facts = replace(facts, run_id=identity.run_id, start_ms=identity.started_at_ms)
        scrubbed = self._scrubber.text if outside.secrets else None
        folder = None if self._out is None else run_folder(self._out, identity.run_id)
        self.events = EventJournal(folder, scrubbed)

    @classmethod
    async def begun(cls, outside: Outside, run: RunPlan, facts: RunFacts, out: str) -> "Keeping":
        """Return what keeps the run that *facts* go on with, or begin.

        Raises:
            StoreError: what is kept cannot be read.
            OutputError: the events cannot be written.
        """
        identity = await identified(RunJournal(outside.store, run.mode, run.exchange), run, facts)
        if identity.note:
            _LOG.info("%s", identity.note)
        return cls(outside, run, facts, identity, out)

    def record(self, life: RunLife) -> None:
        """Take the record of *life* over from memory."""
        self._life = life
        life.bus.keeps_record = False
        life.bus.on_record = self._heard

    def _heard(self, event: Event) -> None:
        self.events.write(event)
        if self._reporter is not None and isinstance(event, PositionClosed):
            self._reporter.ask()

    async def restore(
        self, floor: Floor, keepers: Sequence[SessionKeeper], shared: Coordination | None, told: Mapping[str, Any]
    ) -> None:
        """Rebuild what *keepers* share from what was saved, and begin to write reports.

        Raises:
            StoreError: what was saved cannot be read.
        """
        self._keepers = keepers
        self._state = SharedState(self._journal, shared, self._complain)
        memories = [(keeper.spec.name, keeper.symbol, keeper.memory) for keeper in keepers]
        await self._state.restore([*await self._other_trades(), *(t for k in keepers for t in k.trades)], memories)
        self.events.complete(t for k in keepers for t in k.trades if t.closed_at_ms >= self.facts.start_ms)
        midnights = Midnights(floor, self.facts.start_ms)
        await midnights.look_back(self._outside.source, self._run.symbols)
        self._so_far = SoFar(
            facts=self.facts,
            floor=floor,
            keepers=keepers,
            journal=self.events,
            midnights=midnights,
            shared=shared,
            guard=None,
        )
        if self._out is not None:
            self._reporter = Reporter(self._out, told, self._now, self._complain)

    async def _other_trades(self) -> list[Trade]:
        """Return the trades of sessions that are kept and are not in this run: the account is theirs as well."""
        run, store = self._run, self._outside.store
        ours = {(keeper.spec.name, keeper.symbol) for keeper in self._keepers}
        found: list[Trade] = []
        for strategy, symbol in await sessions_in(store, run.mode, run.exchange):
            if (strategy, symbol) not in ours:
                journal = SessionJournal(store, run.mode, run.exchange, strategy, symbol)
                memory = await journal.peek()
                trades = await journal.trades()
                found += trades if memory is None else closed_before(memory, trades)
        return found

    @property
    def called_jobs(self) -> CalledJobs | None:
        """Return which boundaries of jobs are done."""
        return None if self._state is None else self._state.jobs

    def guard(self, guard: PortfolioGuard | None) -> None:
        """Let *guard* go on where the process before was."""
        if guard is not None and self._state is not None:
            self._state.resume(guard, self.identity.deposit)
        if self._so_far is not None:
            self._so_far = replace(self._so_far, guard=guard)

    def look(self, now_ms: int) -> None:
        """Note the midnight that has passed, and save what has changed by *now_ms*, beside trading."""
        if self._so_far is not None and self._state is not None:
            self._so_far.midnights.note(now_ms)
            self._state.look()
        if self.events.problem != self._unwritten:
            self._unwritten = self.events.problem
            if self._unwritten:
                self._complain(f"events cannot be written: {self._unwritten}")

    def _complain(self, text: str) -> None:
        """Tell that something is not kept, beside trading, which goes on."""
        if self._life is None or self._so_far is None:
            _LOG.warning("%s", text)
            return
        task = asyncio.ensure_future(self._tell(self._life.publisher(), text, self._so_far.floor))
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _tell(self, publisher: Publisher, text: str, floor: Floor) -> None:
        now_ms = self._outside.time.now_ms()
        with floor.seen_at(now_ms):
            await publisher.publish(ErrorOccurred(now_ms, "", "", "keeping", text, ""))

    def failed(self, strategy: str, symbol: str) -> None:
        """Write what is known of a session that has failed, in the place of what was written before."""
        if self._out is None:
            return
        keeper = next(one for one in self._keepers if (one.spec.name, one.symbol) == (strategy, symbol))
        names = (self.identity.run_id, strategy, symbol)
        now_ms = self._outside.time.now_ms()
        events = self.events.of_session(strategy, symbol)
        text = error_report(names, keeper.error or "", now_ms, keeper.memory, events)
        safe = "".join(c if c.isalnum() or c in "-_." else "_" for c in strategy)
        path = errors_folder(str(self._out), symbol) / f"{safe}.md"
        try:
            write_bytes(path, self._scrubber.text(text).encode())
        except OSError as error:
            self._complain(f"cannot write {path}: {error.strerror or error}")

    def _now(self) -> tuple[RunOutcome, EventLog]:
        assert self._so_far is not None  # noqa: S101 - reports are asked for by sessions
        return self._so_far.outcome(has_charts=False), self.events.events()

    async def finish(self) -> RunOutcome:
        """Save what is left, write all reports, if there is a folder for them, and return the outcome.

        Raises:
            OutputError: a report could not be written.
        """
        assert self._so_far is not None  # noqa: S101 - restored before anything could end
        assert self._state is not None  # noqa: S101 - as above
        await self._state.save()
        outcome = self._so_far.outcome(has_charts=True)
        if self._reporter is not None:
            await self._reporter.finish(outcome, self.events.events())
        return outcome

    def close(self) -> None:
        """Let go of the file of events."""
        self.events.close()

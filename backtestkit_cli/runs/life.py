"""What lives as long as a run, beside its sessions: who listens, the plug-ins and the services."""

import asyncio
import traceback
import warnings
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack, nullcontext, suppress
from types import TracebackType
from typing import Any, Self

from backtestkit_cli.analytics.outcome import Failure, SessionOutcome
from backtestkit_cli.analytics.timings import TimingRecorder
from backtestkit_cli.api.plugins import handlers_of, name_of
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.api.services import Services, serving
from backtestkit_cli.api.specs import StrategySpec
from backtestkit_cli.engine.failures import as_told, is_from_outside, one_line
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.time_limits import called, called_at_once
from backtestkit_cli.errors import StrategyError
from backtestkit_cli.events.bus import Audience, Bus, Handler, Listener
from backtestkit_cli.events.facts import ErrorOccurred, Event
from backtestkit_cli.runs.coordination import risk_listeners
from backtestkit_cli.runs.plan import RunPlan, handler_seconds_of
from backtestkit_cli.runs.watchdog import watching


class RunLife:
    """The plug-ins and services of one run, as an async context manager around it.

    Within it `bus` has all who listen: of each strategy the callbacks, then its plug-ins, and after all strategies
    those who `listen`. `problems` says which strategies cannot run because a plug-in failed to begin. Once it has
    ended, `reports` are the errors of ending: each is told, and none keeps the rest from ending.
    """

    def __init__(self, plan: RunPlan, timings: TimingRecorder) -> None:
        """Prepare the life of *plan*, measured by *timings*; nothing of the author's is called yet."""
        self._plan = plan
        self._services = Services(plan.services)
        self._scope = ExitStack()
        self._begun: list[tuple[str, object]] = []
        self._failed: dict[int, str] = {}
        self._details: dict[str, str] = {}
        self._heard: dict[int, list[Listener]] = {}
        self._left: list[str] = []
        self.bus = Bus()
        self.timings = timings
        self.problems: dict[str, str] = {}
        self.reports: list[Event] = []

    async def __aenter__(self) -> Self:
        self._scope.enter_context(serving(self._services))
        during_init = Registry()
        has_plugins = any(spec.plugins for spec in self._plan.strategies)
        try:
            with registering_in(during_init), watched(self._plan) if has_plugins else nullcontext():
                for spec in self._plan.strategies:
                    self._subscribe(spec.name, spec.callbacks.items())
                    await self._attach(spec)
        except BaseException as error:
            await self._end(error)
            raise
        for listener in (*risk_listeners(self._plan), *self._plan.listeners, *during_init.listeners):
            self.bus.subscribe(listener)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        await self._end(error)

    def publisher(self, *, strategy: str = "", symbol: str = "") -> Publisher:
        """Return who publishes what is of no session under way; without a name it belongs to none."""
        plan, seconds = self._plan, handler_seconds_of(self._plan, strategy)
        names = {"strategy": strategy, "symbol": symbol, "mode": plan.mode}
        return Publisher(self.bus, self.timings, **names, handler_seconds=seconds)

    async def failed_session(self, spec: StrategySpec, symbol: str) -> tuple[SessionOutcome, tuple[Event, ...]]:
        """Return the outcome and the events of a session that cannot run, for *problems* has its strategy."""
        problem = self.problems[spec.name]
        event = ErrorOccurred(self._plan.start_ms, spec.name, symbol, "plug-in", problem, self._details[spec.name])
        events = await self._published(event)
        outcome = SessionOutcome(
            strategy=spec.name,
            symbol=symbol,
            trades=(),
            marks=(),
            counts={"error_occurred": len(events)},
            candles=None,
            error=problem,
            failure=Failure.STRATEGY,
        )
        return outcome, events

    async def _attach(self, spec: StrategySpec) -> None:
        """Begin the plug-ins of *spec* in order; the first that fails is the problem of the strategy."""
        for given in spec.plugins:
            try:
                plugin = (
                    await called(given, handler_seconds_of(self._plan, spec.name)) if isinstance(given, type) else given
                )
                await self._begin(spec.name, plugin)
            except BaseException as error:
                if is_from_outside(error):
                    raise
                reason = str(error) if isinstance(error, StrategyError) else self._said(error, spec.name)
                self._failed[id(given)] = reason
                self.problems[spec.name] = f"{spec.where}: plug-in {name_of(given)} did not begin: {reason}"
                self._details[spec.name] = "".join(traceback.format_exception(error))
                return
            self._heard.setdefault(id(plugin), []).extend(self._subscribe(spec.name, handlers_of(plugin)))

    async def _begin(self, strategy: str, plugin: Any) -> None:  # noqa: ANN401 - any object
        """Call `init` of *plugin*, once though several strategies share the object."""
        if id(plugin) in self._failed:
            raise StrategyError(self._failed[id(plugin)])
        if any(plugin is begun for _, begun in self._begun):
            return
        if hasattr(plugin, "init"):
            await called(plugin.init, handler_seconds_of(self._plan, strategy))
        self._begun.append((strategy, plugin))

    async def _end(self, ending: BaseException | None) -> None:
        """End plug-ins and then services, last begun first; a cancellation waits until all had their turn."""
        cancelled = None
        if isinstance(ending, asyncio.CancelledError):
            with suppress(asyncio.CancelledError):  # one that is still to be told would hit the first who waits here
                await asyncio.sleep(0)
        has_parts = bool(self._begun or self._services.made)
        try:
            with watched(self._plan) if has_parts else nullcontext():
                for strategy, plugin in reversed(self._begun):
                    for listener in self._heard.get(id(plugin), ()):
                        self.bus.drop(listener)
                    cancelled = await self._end_one(strategy, plugin, ("dispose",), ending or cancelled) or cancelled
                for made in list(self._services.made.values())[::-1]:
                    cancelled = await self._end_one("", made, ("aclose", "close"), ending or cancelled) or cancelled
        finally:
            self._scope.close()
        if self._left:
            warnings.warn(
                f"{', '.join(self._left)}: not ended, for nobody could wait when the run was left:"
                " use `async with` around it, or `await` its aclose()",
                RuntimeWarning,
                stacklevel=2,
            )
        if cancelled is not None and ending is None:
            raise cancelled

    async def _end_one(
        self, strategy: str, part: object, methods: Iterable[str], ending: BaseException | None
    ) -> BaseException | None:
        """Call the first of *methods* that *part* has; tell its failure, or note it on *ending*, which nobody outlives.

        Return what cancelled the run meanwhile.
        """
        found = ((name, getattr(part, name, None)) for name in methods)
        name, end = next(((name, method) for name, method in found if callable(method)), ("", None))
        if end is None:
            return None
        try:
            if not isinstance(ending, GeneratorExit):
                await called(end, handler_seconds_of(self._plan, strategy))
            elif not called_at_once(end, handler_seconds_of(self._plan, strategy)):
                self._left.append(f"{name_of(part)}.{name}")
        except BaseException as error:  # noqa: BLE001 - the others are ended first
            source, said = f"{name_of(part)}.{name}", self._said(error, strategy)
            if ending is not None:
                ending.add_note(f"{source} failed as well: {said}")
            elif is_from_outside(error):
                return error
            else:
                detail = "".join(traceback.format_exception(error))
                report = ErrorOccurred(self._plan.end_ms, strategy, "", source, said, detail)
                self.reports += await self._published(report)
        return None

    async def _published(self, event: ErrorOccurred) -> tuple[Event, ...]:
        """Tell who listens, and return the record of it: *event*, and the failures of those who heard it."""
        publisher = self.publisher(strategy=event.strategy, symbol=event.symbol)
        await publisher.publish(event)
        return tuple(publisher.record)

    def _subscribe(self, strategy: str, handlers: Iterable[tuple[type, Handler[Any]]]) -> list[Listener]:
        audience = Audience(strategy=strategy)
        listeners = [Listener(kind, handler, audience, None, once=False) for kind, handler in handlers]
        for listener in listeners:
            self.bus.subscribe(listener)
        return listeners

    def _said(self, error: BaseException, strategy: str) -> str:
        return one_line(as_told(error, "max_handler_seconds", handler_seconds_of(self._plan, strategy)))


def watched(plan: RunPlan) -> AbstractContextManager[None]:
    """Return a block in which the author's code is cut off when it blocks for longer than *plan* allows."""
    settings = plan.settings.values()
    shortest_s = min(min(each.max_handler_seconds, each.max_job_seconds) for each in settings)
    return watching(max(each.max_signal_seconds for each in settings), shortest_s)

"""Runs that a program starts: awaited, in the background, or pulled trade by trade."""

import contextvars
import shlex
import sys
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, Unpack, overload

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.listening import check_kind
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.config.secrets import without_secrets
from backtestkit_cli.config.snapshot import snapshot_of
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.events.bus import Audience, Bus, Listener
from backtestkit_cli.events.facts import Event, PositionClosed
from backtestkit_cli.runs.arguments import RunArguments, load_arguments
from backtestkit_cli.runs.assembly import assemble, entry_of
from backtestkit_cli.runs.background import BackgroundRun, OnDone, check_background
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.own_program import BY_PROGRAM, beside_program, brought_by, strategies_of_program
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.pulling import Pulled, context_of_its_own, driven, hand_over

E = TypeVar("E")
_Work: TypeAlias = Coroutine[Any, Any, RunOutcome]


class Backtest:
    """Runs over history, started by a program; `backtest` is the only one.

    Keywords are those of `RunArguments`, checked like the flags of the command line, and environment variables
    and `.env` hold as they do there. But nothing is read that is not named: without `config` there is no file,
    and without `out` nothing is written. `entry` is loaded anew for each run, so that runs share none of its
    variables. Without `entry` a run has the strategies that the program itself registered with `add_strategy`;
    where it registered none, the entry of `config` or `CC_ENTRY`. Exchanges, frames, listeners and the like of the
    program are there in each of its runs. A run is of one process, whatever `workers` says.

    Wrong input is a ConfigError or StrategyError of the call itself, before anything runs.
    """

    async def run(self, **what: Unpack[RunArguments]) -> RunOutcome:
        """Run to the end; a session that failed is in the outcome. Cancelling the caller ends the run."""
        inside = context_of_its_own()
        outcome = await driven(_work(inside, what), inside)
        assert isinstance(outcome, RunOutcome)  # noqa: S101 - nobody listens who would hand something over
        return outcome

    def background(self, *, on_done: OnDone | None = None, **what: Unpack[RunArguments]) -> BackgroundRun:
        """Start a run beside what the program does, and return its handle; *on_done* is called once with that.

        Raises:
            ContextError: no event loop runs.
        """
        check_background(on_done)
        inside = context_of_its_own()
        buses: list[Bus] = []
        return BackgroundRun(_work(inside, what, on_bus=buses.append), inside, buses, on_done)

    def trades(self, **what: Unpack[RunArguments]) -> Pulled[Trade]:
        """Return the closed trades one by one, in the order of (time, session), while the run that makes them waits.

        With `max_concurrent` one wave of sessions comes after the other.
        """
        return _pulled(PositionClosed, lambda event: event.trade, what)

    @overload
    def events(self, **what: Unpack[RunArguments]) -> Pulled[Event]: ...

    @overload
    def events(self, *, kind: type[E], **what: Unpack[RunArguments]) -> Pulled[E]: ...

    def events(self, *, kind: type = Event, **what: Unpack[RunArguments]) -> Pulled[Any]:
        """Return the events of *kind* one by one, like `trades`; without *kind* all that are recorded."""
        check_kind(kind, caller())
        return _pulled(kind, lambda event: event, what)


backtest = Backtest()


def _pulled(kind: type, item_of: Callable[[Any], E], what: RunArguments) -> Pulled[E]:
    inside = context_of_its_own()
    pulling = Listener(kind, hand_over, Audience(), None, once=False)
    return Pulled(_work(inside, what, pulling), inside, item_of)


def _work(
    inside: contextvars.Context,
    what: RunArguments,
    *listeners: Listener,
    on_bus: Callable[[Bus], None] | None = None,
) -> _Work:
    """Return the run of *what*, checked and ready to begin, with *listeners* after all others."""
    plan, told = inside.run(_planned, what)
    out = what.get("out")
    plan = replace(plan, listeners=(*plan.listeners, *listeners))
    return _run(plan, told, None if out is None else Path(out), on_bus)


def _planned(what: Mapping[str, object]) -> tuple[RunPlan, dict[str, Any]]:
    """Return the plan of *what*, and what its manifest keeps of how it was asked for."""
    own = registry()
    is_own = what.get("entry") is None and bool(own.strategies)
    loaded = load_arguments(what, needs_entry=not is_own)
    module = strategies_of_program(own) if is_own else beside_program(entry_of(loaded), own)
    return assemble(loaded, module=module), {**snapshot_of(loaded), BY_PROGRAM: brought_by(own, is_own=is_own)}


async def _run(
    plan: RunPlan, told: Mapping[str, Any], out: Path | None, on_bus: Callable[[Bus], None] | None
) -> RunOutcome:
    started_at = _now()
    outcome = await run_backtest(plan, on_bus=on_bus)
    if out is not None:
        _write(outcome, out, {**told, "started_at": started_at, "finished_at": _now()})
    return outcome


def _write(outcome: RunOutcome, out: Path, told: Mapping[str, Any]) -> None:
    """Write everything that the run leaves behind, unless a better run of the same id is there.

    Raises:
        OutputError: a file could not be written.
    """
    from backtestkit_cli.reports.saved.record import record_of
    from backtestkit_cli.reports.saving import save_run

    program = shlex.join([Path(sys.argv[0]).name, *map(without_secrets, sys.argv[1:])])
    deque(save_run(record_of(outcome, {**told, "command": program}), out), maxlen=0)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")

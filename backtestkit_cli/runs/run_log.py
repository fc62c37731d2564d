"""The lines that a run writes to the log: to the loggers `btk.run` and `btk.data`, and to the author's own.

A run that nobody listens to costs nothing: what happens in it becomes lines by a subscription to its bus,
which is made only where a line of some level would arrive.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import cast

from backtestkit_cli.analytics.outcome import CandleFacts, RunFacts, RunOutcome
from backtestkit_cli.api.log_context import LOG_KEYS, log_context
from backtestkit_cli.api.specs import LogSink
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.engine.clock import SessionBody
from backtestkit_cli.engine.failures import one_line
from backtestkit_cli.engine.publishing import AUTHORS_FAILURES
from backtestkit_cli.engine.session import Session
from backtestkit_cli.events.bus import Audience, Listener
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.lines import level_of, line_of
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.ports import Clock
from backtestkit_cli.runs.plan import RunPlan, Unavailable

_TREE = logging.getLogger("btk")
_RUN = logging.getLogger("btk.run")
_DATA = logging.getLogger("btk.data")
_NOBODY = logging.CRITICAL + 1
_HEAD = ("at", "strategy", "symbol")  # of an event's row, which the context says already


class RunLog:
    """Writes the lines of one run; `level` is the least that anybody hears."""

    def __init__(self, facts: RunFacts, sink: LogSink | None) -> None:
        """Write for the run that *facts* describe, to the standard loggers and to *sink*."""
        names = {"run_id": facts.run_id, "mode": facts.mode, "exchange": facts.exchange, "frame": facts.frame}
        self._names = dict.fromkeys(LOG_KEYS, "") | names
        self.run_id = facts.run_id
        self._sink = sink
        self.level = _level_asked_for() if sink is None else logging.DEBUG

    def begins(self, plan: RunPlan) -> None:
        """Say that the run begins."""
        if self.level > logging.INFO:
            return
        settings = {name: asdict(one) for name, one in plan.settings.items()}
        count = len(plan.symbols) * len(plan.strategies)
        text = f"run begins: {counted(count, 'session')} of {', '.join(sorted(plan.settings))}"
        self._write(logging.INFO, text, {}, facts={"symbols": sorted(plan.symbols), "settings": settings})

    def ends(self, outcome: RunOutcome) -> None:
        """Say that the run ends, and with what."""
        trades = sum(len(session.trades) for session in outcome.sessions)
        failed = sum(session.failure is not None for session in outcome.sessions)
        text = f"run ends: {counted(trades, 'trade')}, {counted(failed, 'session')} failed"
        self._write(logging.INFO, text, {}, facts={"trades": trades, "failed": failed})

    def read(self, candles: Mapping[str, CandleFacts], problems: Mapping[str, Unavailable]) -> None:
        """Say which candles were read, and which could not be had."""
        for symbol, facts in sorted(candles.items()):
            missing = f", {facts.missing:,} of {facts.minutes:,} minutes missing" if facts.missing else ""
            counts = {"count": facts.count, "missing": facts.missing}
            text = f"candles read: {facts.count:,}{missing}"
            self._write(logging.INFO, text, {"symbol": symbol}, logger=_DATA, facts=counts)
        for symbol, problem in sorted(problems.items()):
            self._write(logging.ERROR, f"no candles: {problem}", {"symbol": symbol}, logger=_DATA)

    def listeners(self) -> tuple[Listener, ...]:
        """Return what hears every event of the run, nothing where nobody would hear its lines."""
        if self.level > logging.ERROR:
            return ()
        return (Listener(Event, self._heard, Audience(), None, once=False),)

    def bodies(self, sessions: Iterable[tuple[str, str, Session]]) -> list[SessionBody]:
        """Return what runs *sessions*, each with its strategy and symbol, and says when they begin and end."""
        if self.level > logging.INFO:
            return [cast(SessionBody, session.live) for _, _, session in sessions]
        return [self._told(strategy, symbol, session) for strategy, symbol, session in sessions]

    def _told(self, strategy: str, symbol: str, session: Session) -> SessionBody:
        async def run(clock: Clock) -> None:
            self._write(logging.INFO, "session begins", {"strategy": strategy, "symbol": symbol})
            await session.run(clock)
            end = "ends" if session.error is None else "fails"
            self._write(logging.INFO, f"session {end}: {counted(len(session.trades), 'trade')}", {})

        return run

    def _heard(self, event: Event) -> None:
        level = level_of(event)
        if level >= self.level:
            row = {key: value for key, value in event_row(event).items() if key not in _HEAD}
            self._write(level, line_of(event), {"strategy": event.strategy, "symbol": event.symbol}, facts=row)

    def _write(
        self,
        level: int,
        text: str,
        names: Mapping[str, str],
        *,
        logger: logging.Logger = _RUN,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Write a line about *names*, or about the session in which it is written."""
        inside = log_context()
        context = {**self._names, **(inside if inside["run_id"] == self.run_id else {}), **names}
        if logger.isEnabledFor(level) and _is_asked(logger):
            logger.log(level, "%s", text, extra={**context, "facts": facts or {}})
        if self._sink is not None:
            try:
                self._sink(level, text, context)
            except AUTHORS_FAILURES as error:
                self._sink = None
                self.level = _level_asked_for()
                self._write(logging.WARNING, f"the logger of set_logger is not asked again: {one_line(error)}", {})


def _level_asked_for() -> int:
    """Return the least level of the lines that somebody wants."""
    if not _RUN.hasHandlers() or not _is_asked(_RUN):
        return _NOBODY
    levels = (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR)
    return next((level for level in levels if _RUN.isEnabledFor(level)), _NOBODY)


def _is_asked(logger: logging.Logger) -> bool:
    """Say whether a level was chosen: that a program has left the root at its default is no wish to hear warnings."""
    return bool(logger.level or _TREE.level) or logging.getLogger().level not in {logging.NOTSET, logging.WARNING}

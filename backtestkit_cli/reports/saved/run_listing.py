"""Saved runs at a glance: a line a folder, from the manifests alone."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from backtestkit_cli.errors import SavedRunError
from backtestkit_cli.events.plain_values import finite
from backtestkit_cli.reports.saved.manifest import SavedSession, facts_of, sessions_of
from backtestkit_cli.reports.saved.run_reading import read_manifest, run_folders


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What a saved run was and came to.

    `finished_at` is a time in ISO 8601, empty where the manifest has none. `total_pnl_pct` adds up the trades
    without compounding; a sum is None where there is no trade, or it is not finite.
    """

    run_id: str
    folder: Path
    finished_at: str
    mode: str
    exchange: str
    strategies: tuple[str, ...]
    symbols: tuple[str, ...]
    frame: str
    start_ms: int
    end_ms: int
    trades: int
    total_pnl_pct: float | None
    net_quote: float | None
    exit_code: int | None


@dataclass(frozen=True, slots=True)
class UnreadableRun:
    """A folder among the runs that is none, or not a whole one, and why."""

    run_id: str
    folder: Path
    problem: str


def run_summaries(out: Path) -> Iterator[RunSummary | UnreadableRun]:
    """Yield what the runs below *out* were, the latest first; what nobody asks for is not read.

    Raises:
        ConfigError: *out* is a file.
    """
    for folder in run_folders(out):
        try:
            yield summary_of(folder)
        except SavedRunError as error:
            yield UnreadableRun(folder.name, folder, str(error))


def summary_of(folder: Path) -> RunSummary:
    """Return what the run saved in *folder* was.

    Raises:
        SavedRunError: it is half-written, damaged, or of another program or version.
    """
    content = read_manifest(folder)
    facts, sessions = facts_of(content), sessions_of(content)
    exit_code = content.get("exit_code")
    return RunSummary(
        run_id=facts.run_id,
        folder=folder,
        finished_at=str(content.get("finished_at") or ""),
        mode=facts.mode,
        exchange=facts.exchange,
        strategies=tuple(facts.settings),
        symbols=facts.symbols,
        frame=facts.frame,
        start_ms=facts.start_ms,
        end_ms=facts.end_ms,
        trades=sum(session.trades for session in sessions),
        total_pnl_pct=_total(sessions, "total_pnl_pct"),
        net_quote=_total(sessions, "net_quote"),
        exit_code=exit_code if isinstance(exit_code, int) else None,
    )


def _total(sessions: tuple[SavedSession, ...], name: str) -> float | None:
    values = [getattr(session, name) for session in sessions if session.trades]
    return finite(math.fsum(values)) if values and None not in values else None

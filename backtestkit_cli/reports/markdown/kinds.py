"""The kinds of reports, each as numbers, as text and as a file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, NamedTuple, TypeAlias, TypeVar

from backtestkit_cli.analytics.live_figures import LiveStatistics
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.partials import PartialStatistics
from backtestkit_cli.analytics.refusals import RefusalStatistics
from backtestkit_cli.analytics.schedule import ScheduleStatistics
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.reports.markdown import backtest, heatmap, live, partial, performance, risk, schedule
from backtestkit_cli.reports.markdown.backtest import BacktestData
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.markdown.heatmap import HeatmapData
from backtestkit_cli.reports.markdown.performance import Performance
from backtestkit_cli.reports.markdown.text import Summary
from backtestkit_cli.reports.report_files import write_or_remove
from backtestkit_cli.reports.saved.manifest import encoded
from backtestkit_cli.reports.saved.record import RunRecord, record_of

D = TypeVar("D")
Run: TypeAlias = RunOutcome | RunRecord
"""A finished run: as `backtest.run` returns it, or as `load_run` reads it."""


def _is_backtest(record: RunRecord) -> bool:
    return not live.is_live(record)


def _every_run(_record: RunRecord) -> bool:
    return True


@dataclass(frozen=True, slots=True)
class Kind(Generic[D]):
    """A kind of report on one strategy of a finished run, `<out>/<name>/<strategy>.md`.

    Attributes:
        name: What it is asked for by, and its folder.
        numbers: Returns the numbers of a strategy, or of all.
        text: Returns the Markdown of a strategy, None where there is nothing to say.
        nothing: Why there may be nothing to say.
        summary: Returns the numbers as one table for a terminal, None where terminals show the kind in their own way.
        document: Returns the numbers of a strategy as plain values for `<strategy>.json` beside the text, if a file.
        written_by: Says whether a run writes it by itself; else it is written where it is asked for.
        is_of_whole_run: Whether its numbers are not known by symbol.
    """

    name: str
    numbers: Callable[[RunRecord, str | None], D]
    text: Callable[[RunRecord, str], str | None]
    nothing: str
    summary: Callable[[D], Summary] | None = None
    document: Callable[[RunRecord, str], Mapping[str, Any]] | None = None
    written_by: Callable[[RunRecord], bool] = _every_run
    is_of_whole_run: bool = False

    def get_data(self, run: Run, strategy: str | None = None) -> D:
        """Return the numbers of *strategy*; where none is named, of the only one, or of all together.

        Raises:
            UnknownNameError: the run has no such strategy.
        """
        record = _record(run)
        together = strategy is None and len(record.facts.settings) > 1
        return self.numbers(record, None if together else _strategy(record, strategy))

    def get_report(self, run: Run, strategy: str | None = None) -> str | None:
        """Return the Markdown of *strategy*, which only a run of several needs; None where there is nothing to say.

        Raises:
            ConfigError: the run has no such strategy, or several and none was named.
        """
        record = _record(run)
        return self.text(record, _strategy(record, strategy))

    def dump(self, run: Run, out: str | Path, strategy: str | None = None) -> Path | None:
        """Write what `get_report` returns below *out* and return the file.

        Where there is nothing to say, the file of an earlier run is removed: it would be taken for one of this run.

        Raises:
            ConfigError: the run has no such strategy, or several and none was named.
            OutputError: the file could not be written; the message names it and says why.
        """
        record = _record(run)
        return next(iter(self.write(record, _strategy(record, strategy), out)), None)

    def write(self, record: RunRecord, strategy: str, out: str | Path) -> list[Path]:
        """Write what there is to say on *strategy* of *record* below *out* like `dump`; return the files, text first.

        Raises:
            OutputError: a file could not be written; the message names it and says why.
        """
        path, text = self.path(record, out, strategy), self.text(record, strategy)
        contents = {path: None if text is None else text.encode()}
        if self.document is not None:
            beside = None if text is None else encoded(self.document(record, strategy))
            contents[path.with_name(f"{path.stem}.json")] = beside
        return write_or_remove(contents)

    def path(self, record: RunRecord, out: str | Path, strategy: str) -> Path:
        """Return where the report on *strategy* lies below *out*."""
        return Path(out) / self.name / f"{file_stems(record.facts.settings)[strategy]}.md"


class Reports(NamedTuple):
    """Every kind of report, by its name."""

    backtest: Kind[BacktestData]
    live: Kind[LiveStatistics]
    heatmap: Kind[HeatmapData]
    schedule: Kind[ScheduleStatistics]
    partial: Kind[PartialStatistics]
    risk: Kind[RefusalStatistics]
    performance: Kind[Performance]


report: Final = Reports(
    backtest=Kind("backtest", backtest.get_data, backtest.get_report, "nothing was run", written_by=_is_backtest),
    live=Kind("live", live.get_data, live.get_report, "nothing happened", live.summary, written_by=live.is_live),
    heatmap=Kind(
        "heatmap", heatmap.get_data, heatmap.get_report, "no position was closed", document=heatmap.get_document
    ),
    schedule=Kind("schedule", schedule.get_data, schedule.get_report, "no signal waited", schedule.summary),
    partial=Kind(
        "partial", partial.get_data, partial.get_report, "no position reached a partial level", partial.summary
    ),
    risk=Kind("risk", risk.get_data, risk.get_report, "no signal was refused", risk.summary),
    performance=Kind(
        "performance",
        performance.get_data,
        performance.get_report,
        "nothing was measured",
        performance.summary,
        is_of_whole_run=True,
    ),
)
"""The reports of a run, in the order they are written."""

KINDS: Final[dict[str, Kind[Any]]] = {kind.name: kind for kind in report}


def write_reports(record: RunRecord, out: Path) -> list[Path]:
    """Write `<out>/<kind>/<strategy>.md` for each kind of every run and strategy; return the files.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    kinds = [kind for kind in KINDS.values() if kind.written_by(record)]
    strategies = sorted(record.facts.settings)
    return [path for kind in kinds for name in strategies for path in kind.write(record, name, out)]


def _record(run: Run) -> RunRecord:
    return run if isinstance(run, RunRecord) else record_of(run)


def _strategy(record: RunRecord, strategy: str | None) -> str:
    known = record.facts.settings
    if strategy is None and len(known) == 1:
        return next(iter(known))
    if strategy is None:
        raise ConfigError(f"run {record.run_id}: expected the name of a strategy, found none; there are {len(known)}")
    record.require_strategy(strategy)
    return strategy

"""A saved run, run once more from its manifest: are its trades equal, and what of its input has changed?"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from backtestkit_cli.analytics.outcome import Failure, RunOutcome
from backtestkit_cli.config.loader import LoadedConfig
from backtestkit_cli.config.places import is_file_path
from backtestkit_cli.config.snapshot import from_snapshot, is_snapshot, resolved_now
from backtestkit_cli.errors import BacktestKitError, ConfigError, DataError, VenueError
from backtestkit_cli.reports.comparison.differences import (
    TradeDifference,
    first_candle_difference,
    first_trade_difference,
)
from backtestkit_cli.reports.saved.manifest import versions
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.backtest import OnProgress
from backtestkit_cli.runs.facts import installed_version
from backtestkit_cli.runs.inputs import (
    Input,
    InputKind,
    candle_inputs,
    config_inputs,
    file_inputs,
    program_inputs,
    version_inputs,
)
from backtestkit_cli.runs.own_program import BY_PROGRAM
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.sources import DataAccess, access_of, venue_called
from backtestkit_cli.runs.workers import run_to_end

_UNAVAILABLE: Final = (DataError, VenueError)
_ERROR_OF: Final = {Failure.DATA: DataError, Failure.VENUE: VenueError, Failure.STRATEGY: BacktestKitError}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What came of running a saved run once more.

    `trades_now` is None where it could not be run, and `problems` say why, or what it lacked. `difference` is None
    where the trades are equal.
    """

    run_id: str
    inputs: tuple[Input, ...]
    trades_saved: int
    trades_now: int | None = None
    difference: TradeDifference | None = None
    problems: tuple[BacktestKitError, ...] = ()

    @property
    def is_equal(self) -> bool:
        """Say whether the run could be run, and made the trades that were saved."""
        return self.trades_now is not None and self.difference is None and not self.problems

    @property
    def changed(self) -> tuple[Input, ...]:
        """Return the inputs that have changed."""
        return tuple(one for one in self.inputs if one.change is not None)

    @property
    def exit_code(self) -> int:
        """Return 0 for equal trades, 1 for others, and else the code of the first problem."""
        return 0 if self.is_equal else next((problem.exit_code for problem in self.problems), 1)


def reproduce(
    saved: RunRecord,
    *,
    access_for: Callable[[LoadedConfig], DataAccess] = access_of,
    on_progress: OnProgress | None = None,
) -> Reproduction:
    """Run *saved* once more, with its own config and the strategy, candles and versions there are now.

    Nothing is written but candles that the cache lacks, as the run itself would do.

    Raises:
        ConfigError: the manifest does not say enough, or what it says is no config today.
    """
    told = saved.manifest
    check_repeatable(saved)
    loaded, of_config = config_then(saved)
    inputs = [
        *of_config,
        *program_inputs(told.get(BY_PROGRAM, ())),
        *version_inputs(told["versions"], versions(installed_version())),
    ]
    try:
        plan = assemble(loaded, access=access_for(loaded))
        outcome = run_to_end(loaded, plan, on_progress=on_progress)
    except BacktestKitError as error:
        files = file_inputs(_files(saved.facts.files), _files_there(loaded, saved))
        return Reproduction(
            run_id=saved.run_id, inputs=(*files, *inputs), trades_saved=saved.trades.height, problems=(error,)
        )
    return _compared(saved, plan, outcome, inputs)


def check_repeatable(saved: RunRecord) -> None:
    """Check that the manifest of *saved* says all that a command needs to run it once more.

    Raises:
        ConfigError: it does not.
    """
    if saved.facts.mode != "backtest":
        raise ConfigError(f"run {saved.run_id}: cannot be repeated: expected a backtest, found mode {saved.facts.mode}")
    if "strategies" in saved.manifest.get(BY_PROGRAM, ()):
        reason = "its strategies were registered by the program that started it; run that program once more"
        raise ConfigError(f"run {saved.run_id}: cannot be repeated by a command: {reason}")
    if not is_snapshot(saved.manifest):
        raise ConfigError(f"run {saved.run_id}: cannot be repeated: its manifest does not hold a whole config")


def config_then(saved: RunRecord) -> tuple[LoadedConfig, list[Input]]:
    """Return the config of the run, which its manifest holds whole, and what has become of the file it came from.

    Raises:
        ConfigError: it is no config today.
    """
    told, where = saved.manifest, f"run {saved.run_id}"
    file = told["config_file"]
    try:
        now = resolved_now(told, built_in=venue_called)
    except ConfigError as error:
        return from_snapshot(told, where=where), [Input(InputKind.CONFIG, file, error.problems[0])]
    then = from_snapshot(told, where=where, now=now)
    return then, [] if now is None else config_inputs(file, then, now)


def _compared(saved: RunRecord, plan: RunPlan, outcome: RunOutcome, inputs: list[Input]) -> Reproduction:
    record = record_of(outcome)
    failures = _new_failures(saved, outcome)
    return Reproduction(
        run_id=saved.run_id,
        inputs=(
            *file_inputs(_files(saved.facts.files), _files(plan.source_files)),
            *inputs,
            *candle_inputs(
                saved.manifest["candles"],
                record.manifest["candles"],
                missing={symbol: str(error) for symbol, error in failures if isinstance(error, _UNAVAILABLE)},
                first_difference=lambda symbol: first_candle_difference(saved.candles, record.candles, symbol),
            ),
        ),
        trades_saved=saved.trades.height,
        trades_now=record.trades.height,
        difference=first_trade_difference(saved.trades, record.trades),
        problems=tuple(error for _, error in failures),
    )


def _new_failures(saved: RunRecord, outcome: RunOutcome) -> list[tuple[str, BacktestKitError]]:
    """Return symbol and error of each session that fails now and did not then, what lacks candles first."""
    failed_then = {(one.strategy, one.symbol): one.failure for one in saved.sessions}
    found = [
        (one.symbol, _ERROR_OF[one.failure](f"{one.symbol}: {one.error}"))
        for one in outcome.sessions
        if one.failure is not None and failed_then.get((one.strategy, one.symbol)) is not one.failure
    ]
    return sorted(found, key=lambda one: not isinstance(one[1], _UNAVAILABLE))


def _files(by_strategy: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {path: digest for files in by_strategy.values() for path, digest in files.items()}


def _files_there(loaded: LoadedConfig, saved: RunRecord) -> dict[str, str]:
    """Return the hashes of those files of the saved run that are there, where their strategy does not load."""
    entry = loaded.config.entry
    if entry is None or not is_file_path(entry):
        return {}
    places = {path: Path(entry).resolve().parent / path for path in _files(saved.facts.files)}
    return {path: hashlib.sha256(file.read_bytes()).hexdigest() for path, file in places.items() if file.is_file()}

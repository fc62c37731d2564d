"""The README holds what it says: its strategies run, and what it names exists."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import MISSING, fields
from enum import StrEnum
from pathlib import Path
from types import FunctionType
from typing import Any, get_type_hints

import pytest
import yaml
from typer.main import get_command

import backtestkit_cli
from backtestkit_cli import Atr, CommandResult, Correlation, FixedPct, Ladder, PositionView, Signal, errors
from backtestkit_cli.api.callbacks import EVENT_OF
from backtestkit_cli.api.context import Context
from backtestkit_cli.cli.app import app, run
from backtestkit_cli.cli.stopping import STOPPED
from backtestkit_cli.config.environment import variables
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.config.risks import RiskProfile, rules_of
from backtestkit_cli.config.sizings import METHODS
from backtestkit_cli.config.stores import StoreConfig
from backtestkit_cli.domain.position import Plan
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.errors import BacktestKitError
from backtestkit_cli.events import facts
from backtestkit_cli.policies.risk.catalogue import RULES
from tests.strategies.demo_run import run_on_demo

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
STRATEGIES = [code for code in BLOCKS if "add_strategy(" in code]
PROGRAMS = [code for code in BLOCKS if code not in STRATEGIES]
OF_PYTEST = {"--btk-store", "--pyargs"}


def test_there_is_a_first_strategy_one_with_columns_and_a_batch_one() -> None:
    assert len(STRATEGIES) == 3


def test_the_first_strategy_has_at_most_ten_lines() -> None:
    lines = [line for line in STRATEGIES[0].splitlines() if line.strip()]
    assert len(lines) <= 10


@pytest.mark.parametrize("code", STRATEGIES, ids=["first", "columns", "batch"])
@pytest.mark.parametrize("model", ["vwap", "candle"])
def test_a_strategy_of_the_readme_runs_and_trades(code: str, model: str, tmp_path: Path) -> None:
    file = tmp_path / "my_strategy.py"
    file.write_text(code, encoding="utf-8")
    outcome = run_on_demo(file, fill_model=model)
    assert [session.error for session in outcome.sessions] == [None, None]
    assert all(5 <= len(session.trades) <= 200 for session in outcome.sessions)


def test_the_program_of_the_readme_runs_the_first_strategy(tmp_path: Path) -> None:
    (tmp_path / "my_strategy.py").write_text(STRATEGIES[0], encoding="utf-8")
    lines = printed_by(PROGRAMS[0], tmp_path)
    assert re.fullmatch(r"[1-9]\d+ trades", lines[0])
    assert all(line.startswith("BTCUSDT ") for line in lines[1:-2])
    assert [float(line.split()[0]) for line in lines[-2:]] == [0.05, 0.1]
    assert (tmp_path / "dump/backtest/new_high.md").is_file()


def test_a118_the_log_of_trades_of_the_readme_is_written_read_and_removed_as_it_says(tmp_path: Path) -> None:
    assert printed_by(PROGRAMS[1], tmp_path) == [
        "2: {'symbol': 'ETHUSDT', 'pnl_pct': -0.4}",
        "1 BTCUSDT 1.2",
        "2 ETHUSDT -0.4",
        "10 BTCUSDT 0.3",
        "1 lost; [{'symbol': 'BTCUSDT', 'pnl_pct': 1.2}, {'symbol': 'ETHUSDT', 'pnl_pct': -0.4}] came first",
        "['1', '10'] [{'symbol': 'BTCUSDT', 'pnl_pct': 1.2}, {'symbol': 'BTCUSDT', 'pnl_pct': 0.3}]",
        "2 removed",
    ]
    assert (tmp_path / "my_data").is_dir()


def printed_by(program: str, folder: Path) -> list[str]:
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_there_are_two_programs() -> None:
    assert len(PROGRAMS) == 2


def test_the_file_that_is_saved_is_the_file_that_is_run() -> None:
    assert "Save this as `my_strategy.py`" in README
    assert ".venv/bin/btk backtest --entry my_strategy.py " in README


def commands(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
    for name, part in getattr(command, "commands", {}).items():
        yield from commands(f"{path} {name}", part)


COMMANDS = dict(commands("btk", get_command(app)))


def test_every_command_is_named_and_no_other() -> None:
    named = set(re.findall(r"^\| `(btk [a-z ]+)` \|", README, re.MULTILINE))
    assert named == set(COMMANDS)


def test_every_flag_that_is_named_exists() -> None:
    known = {option for command in COMMANDS.values() for part in command.params for option in part.opts}
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README))
    assert named - known == {"--help", *OF_PYTEST}


def test_every_exit_code_is_in_the_table() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BacktestKitError)]
    some_failed, stopped_by_portfolio = 4, 6
    codes = {0, some_failed, stopped_by_portfolio, STOPPED} | {kind.exit_code for kind in kinds}
    table = README[README.index("| exit code |") :]
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)} == codes


def test_the_table_of_settings_has_each_with_its_default() -> None:
    section = README[README.index("## Settings") : README.index("## Sizing")]
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| (`[\w`., ]+`) \|", section, re.MULTILINE)
    told = {
        name: default
        for names, defaults in rows
        for name, default in zip(re.findall(r"\w+", names), re.findall(r"[\w.]+", defaults), strict=True)
    }
    true = {f.name: f.default for f in fields(Settings)}
    assert told == {k: v.value if isinstance(v, StrEnum) else f"{v:g}" for k, v in true.items()}


POSITIONS = README[README.index("## Positions") : README.index("## Risk")]


def test_the_levels_with_names_are_those_of_the_code() -> None:
    """A142: one set of constants, in the README and in the code."""
    told = {name: int(value) for name, value in re.findall(r"`([TS][PL]_LEVEL\d)` = (\d+)", POSITIONS)}
    code = {name: getattr(backtestkit_cli, name) for name in backtestkit_cli.__all__ if "_LEVEL" in name}
    assert told == code == {"TP_LEVEL1": 100, "TP_LEVEL2": 50, "TP_LEVEL3": 25, "SL_LEVEL1": 100, "SL_LEVEL2": 50}


def test_every_field_of_the_view_of_a_position_is_named_and_no_other() -> None:
    table = POSITIONS[POSITIONS.index("| of `position()` |") : POSITIONS.index("### Partial levels")]
    named = {name for row in re.findall(r"^\| (`.+?`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)", row)}
    named.add("since_best")
    assert "`since_best`" in table
    there = {name for name in {*dir(PositionView), *(f.name for f in fields(PositionView))} if not name.startswith("_")}
    assert named == there


POLICIES = {f.name for f in fields(Signal)} & set(Plan._fields) - {"take_profit", "stop_loss", "minutes", "note"}


def is_command(member: object) -> bool:
    return get_type_hints(member).get("return") is CommandResult if isinstance(member, FunctionType) else False


def test_every_command_and_every_policy_is_in_its_table() -> None:
    table = POSITIONS[POSITIONS.index("| command |") : POSITIONS.index("`position()` is what")]
    first_cells = " ".join(re.findall(r"^\| (`.+?) \|", table, re.MULTILINE))
    commands = [name for name, member in vars(Context).items() if is_command(member)]
    assert sorted(re.findall(r"`(\w+)\(", first_cells)) == sorted(commands)
    assert set(re.findall(r"^\| `(\w+)=", POSITIONS, re.MULTILINE)) == POLICIES
    assert all(f"`{field.name}" in POSITIONS or f"{field.name}=" in POSITIONS for field in fields(Ladder))


def test_every_callback_is_beside_the_event_that_it_hears() -> None:
    rows = re.findall(r"^\| (`on_[^|]+`) \| (`[^|]+`) \|", POSITIONS, re.MULTILINE)
    told = {
        callback: event
        for callbacks, events in rows
        for callback, event in zip(re.findall(r"\w+", callbacks), re.findall(r"\w+", events), strict=True)
    }
    assert told == {callback: event.__name__ for callback, event in EVENT_OF.items()}


def test_every_event_is_named() -> None:
    classes = [kind for kind in vars(facts).values() if isinstance(kind, type) and kind.__module__ == facts.__name__]
    kinds = {kind.__name__ for kind in classes if hasattr(kind, "at_ms")}
    assert {name for name in kinds if f"`{name}`" not in POSITIONS and f"listen({name}" not in POSITIONS} == set()


def test_every_example_is_in_the_table_of_examples() -> None:
    named = set(re.findall(r"^\| `strategies/(\w+)\.py` \|", README, re.MULTILINE))
    assert named == {file.stem for file in (ROOT / "strategies").glob("*.py")}


def test_the_readme_says_what_processes_share_and_names_all_that_a_run_of_several_is_refused_for() -> None:
    """A94, A95."""
    section = README[README.index("### One process or several") : README.index("## Entry orders")]
    for what in ("portfolio", "risk profiles", "jobs", "sizings", "services", "listeners", "variables", "candles"):
        assert what in section
    assert "Without `portfolio:`, risk profiles and sizings" in README


SIZING = README[README.index("## Sizing") : README.index("## Indicator columns")]


def test_every_method_of_sizing_has_a_row_that_says_when_to_use_it() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \| (.+) \|$", SIZING, re.MULTILINE)
    assert [method for method, *_ in rows] == list(METHODS)
    assert all(len(words.split()) > 5 for _, _, use, careful in rows for words in (use, careful))


def test_the_sizings_of_the_readme_are_a_config(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(re.findall(r"```yaml\n(.*?)```", SIZING, re.DOTALL)[0], encoding="utf-8")
    config = load_config(file, flags={}, sets=["sizings.small.risk_pct=2"], environ={}, dotenv=None, required=()).config
    assert config.sizings["small"] == FixedPct(risk_pct=2, max_position_pct=10)
    assert config.sizings["calm"] == Atr(risk_pct=1, balance=10_000, correlation=Correlation())
    assert config.sizing == "small"


def test_the_calculations_of_the_readme_are_done() -> None:
    lines = re.findall(r"^\.venv/bin/btk (size .*)$", SIZING, re.MULTILINE)
    assert [line.split()[1] for line in lines] == ["fixed", "kelly", "atr"]
    assert [run(line.split()) for line in lines] == [0, 0, 0]


def test_the_table_of_risk_rules_has_each_as_it_can_be_written() -> None:
    rows = re.findall(r"^\| `(\w+: .+?)` \| `(\w+)[.(].*?` \|", README, re.MULTILINE)
    for written, python in rows:
        ((name, value),) = yaml.safe_load(written).items()
        (rule,) = rules_of(RiskProfile.model_validate({name: value}))
        assert (rule.name, type(rule).__name__) == (name, python)
    assert [written.partition(":")[0] for written, _ in rows] == list(RULES)


def test_every_make_target_and_every_path_that_is_named_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"\bmake ([a-z]+)", README.replace("`make` alone", "")))
    assert {"demo", "test"} <= targets <= set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    paths = re.findall(r"\b(?:strategies|configs|tests)/[\w/]+(?:\.\w+)?", README)
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_layer_picture_has_every_folder_of_the_package() -> None:
    picture = README[README.index("## Shape of the code") :]
    folders = {init.parent.name for init in (ROOT / "backtestkit_cli").glob("*/__init__.py")}
    assert {name for name in folders if not re.search(rf"(^|\| ){name}\b", picture, re.MULTILINE)} == set()


TRADING = README[README.index("## Paper and live") : README.index("## Alerts")]


def test_every_flag_of_the_commands_that_trade_is_named() -> None:
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", README))
    for name in ("paper", "live", "status", "broker test", *(path[4:] for path in COMMANDS if "btk store" in path)):
        flags = {part.opts[0] for part in COMMANDS[f"btk {name}"].params if part.opts[0].startswith("--")}
        assert flags <= named, name


def test_the_table_of_trading_has_each_key_with_its_default() -> None:
    told = dict(re.findall(r"^\| `(\w+\.\w+)` \| `([\w./]+)` \|", TRADING, re.MULTILINE))
    sections: dict[str, Any] = {"trading": TradingOptions(), "paper": PaperOptions()}
    true = {f"{name}.{f.name}": getattr(one, f.name) for name, one in sections.items() for f in fields(one)}
    true |= {f"store.{one.name}": one.default for one in fields(StoreConfig) if one.default is not MISSING}
    assert told == {key: default_text(value) for key, value in true.items()}


def default_text(value: object) -> str:
    if value is None:
        return "null"
    return f"{value:g}" if isinstance(value, float | int) else str(value)


def test_the_variables_of_trading_that_are_named_exist() -> None:
    named = set(re.findall(r"CC_(?:TRADING|PAPER|STORE)_\w+", README))
    assert named <= set(variables())
    assert len(named) == 4

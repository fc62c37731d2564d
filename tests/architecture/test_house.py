"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "backtestkit_cli"
SOURCES = sorted(PACKAGE.rglob("*.py"))
FOLDERS = [source for source in SOURCES if source.name == "__init__.py" and source.parent != PACKAGE]
MODULES = [source for source in SOURCES if source.name not in {"__init__.py", "__main__.py"}]
MODE_BLIND = [
    source for source in MODULES if source.relative_to(PACKAGE).parts[0] in {"domain", "events", "policies", "engine"}
]

VAGUE_NAMES = {"base", "common", "core", "helpers", "manager", "misc", "utils"}
HEAVY = {"ccxt", "matplotlib", "numpy", "polars", "yaml"}
MODES = {"backtest", "paper", "live"}

# Values are frozen. Each exception is a class that is filled step by step, and says here why.
UNFROZEN = {
    "api/registry.py:Registry": "is filled while a strategy file is imported",
    "runs/trading/session_keeper.py:SessionKeeper": "follows a session through its restarts",
    "runs/trading/status.py:RunStatus": "is what a run shows of itself while it goes on",
    "runs/trading/status.py:SessionStatus": "is the part of it that one session writes",
}


def _inside(source: Path) -> str:
    return source.relative_to(PACKAGE).as_posix()


def _parsed(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


def _of(modules: Iterable[Path], breaks: Callable[[Path], Any]) -> dict[str, Any]:
    """Return what of each of the *modules* breaks a rule, by module."""
    return {_inside(module): found for module in modules if (found := breaks(module))}


def test_a_module_stays_under_300_lines() -> None:
    assert len(MODULES) > 300
    assert _of(MODULES, lambda module: len(module.read_text(encoding="utf-8").splitlines()) > 300) == {}


def test_a_module_has_a_telling_name_and_says_what_it_holds() -> None:
    assert _of(MODULES, lambda module: VAGUE_NAMES & {module.stem, *module.relative_to(PACKAGE).parts[:-1]}) == {}
    assert _of(MODULES, lambda module: not ast.get_docstring(_parsed(module))) == {}


def test_a_folder_says_in_one_line_what_belongs_there_and_nothing_else() -> None:
    trees = {_inside(folder): _parsed(folder) for folder in FOLDERS}
    assert {name for name, tree in trees.items() if len((ast.get_docstring(tree) or "").splitlines()) != 1} == set()
    assert {name for name, tree in trees.items() if len(tree.body) != 1} == set()


def test_no_module_imports_the_package_itself() -> None:
    """The package hands on the author's API from every layer, so importing it would hide an import that points up."""
    assert _of(MODULES, lambda module: PACKAGE.name in _imported(_parsed(module))) == {}


def _imported(tree: ast.Module) -> set[str | None]:
    return {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }


def test_the_core_does_not_know_in_which_mode_it_runs() -> None:
    assert len(MODE_BLIND) > 50
    assert _of(MODE_BLIND, lambda module: [*_mode_words(_parsed(module))]) == {}


def _mode_words(tree: ast.Module) -> Iterator[str]:
    """Yield where *tree* names a mode; docstrings, and the enum that defines the words, may."""
    skipped = {id(node) for node in _prose_and_enums(tree)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(word)) if word in MODES and id(node) not in skipped:
                yield f"line {node.lineno}: {word!r}"
            case ast.Attribute(attr=name) if name in {mode.upper() for mode in MODES}:
                yield f"line {node.lineno}: .{name}"
            case ast.Attribute(attr=name) | ast.Name(id=name) if name in {f"is_{mode}" for mode in MODES}:
                yield f"line {node.lineno}: {name}"


def _prose_and_enums(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            yield node.value
        elif isinstance(node, ast.ClassDef) and any(ast.unparse(base).endswith("Enum") for base in node.bases):
            yield from ast.walk(node)


def test_dataclasses_are_frozen_but_for_the_listed_ones() -> None:
    found = {f"{_inside(module)}:{name}" for module in MODULES for name in _unfrozen_dataclasses(_parsed(module))}
    assert found == set(UNFROZEN)


def _unfrozen_dataclasses(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for decorator in map(ast.unparse, node.decorator_list):
                if re.match(r"(dataclasses\.)?dataclass\b", decorator) and "frozen=True" not in decorator:
                    yield node.name


def test_importing_the_command_line_loads_nothing_heavy() -> None:
    code = "import sys, backtestkit_cli.cli.app; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert not HEAVY & set(ended.stdout.split())


def test_every_command_and_every_flag_has_a_help_text() -> None:
    mute = [path for path, command in _commands().items() if not command.help]
    mute += [f"{path} {part.name}" for path, command in _commands().items() for part in command.params if not part.help]
    assert mute == []


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path for path in _commands() if path not in readme] == []


def _commands() -> dict[str, Any]:
    """Return every command by what a user types, those in groups included: ``{"btk backtest": command}``."""
    from typer.main import get_command

    from backtestkit_cli.cli.app import app

    return dict(_below("btk", get_command(app)))


def _below(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, part in command.commands.items():
        yield from _below(f"{path} {name}", part)


def _normalized(requirement: str) -> str:
    """Return the name that starts *requirement*, the way package registries compare names."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def test_the_constraints_pin_every_declared_dependency_and_name_no_host() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = [requirement for extra in project["optional-dependencies"].values() for requirement in extra]
    declared = [text for text in [*project["dependencies"], *extras] if not text.startswith(project["name"])]
    pins = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []
    assert {_normalized(requirement) for requirement in declared} <= {_normalized(pin) for pin in pins}

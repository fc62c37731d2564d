"""Which files a strategy is made of: a change in any of them makes another run."""

import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from backtestkit_cli.runs.source_files import source_files
from backtestkit_cli.runs.strategy_file import load_strategies

STRATEGY = """
import numpy
import json
from helper_levels import FAR
from parts.near import NEAR
from backtestkit_cli import add_strategy

def get_signal(symbol, when, price):
    import later_on
    from parts import hidden
    return None

add_strategy("one", interval="1h", get_signal=get_signal)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Yield a folder that can be imported from, away from where the program runs; what was imported is forgotten."""
    home, away = tmp_path / "strategies", tmp_path / "away"
    for each in (home, away):
        each.mkdir()
    monkeypatch.chdir(away)
    monkeypatch.syspath_prepend(home)
    before = set(sys.modules)
    yield home
    for name in sys.modules.keys() - before:
        del sys.modules[name]


def write(folder: Path, **texts: str) -> None:
    for name, text in texts.items():
        file = folder / f"{name.replace('__', '/')}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)


def test_all_modules_below_the_folder_of_the_entry_count_and_nothing_installed(folder: Path) -> None:
    write(folder, one=STRATEGY, helper_levels="import math\nfrom parts import deep\nFAR = 3", later_on="", unused="")
    write(folder, parts__near="from . import beside\nNEAR = 1", parts__deep="", parts__beside="", parts__hidden="")
    found = source_files(folder / "one.py")
    parts = ["parts/beside.py", "parts/deep.py", "parts/hidden.py", "parts/near.py"]
    assert list(found) == ["helper_levels.py", "later_on.py", "one.py", *parts]
    assert found["one.py"] == sha256((folder / "one.py").read_bytes()).hexdigest()


def test_a_module_of_the_working_folder_counts_by_its_path_from_the_entry(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(Path.cwd())
    write(Path.cwd(), shared_here="")
    write(folder, one="import shared_here")
    assert list(source_files(folder / "one.py")) == ["../away/shared_here.py", "one.py"]


def test_an_environment_within_the_project_does_not_count(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packages = folder / "env" / "site-packages"
    packages.mkdir(parents=True)
    monkeypatch.syspath_prepend(packages)
    write(packages, installed_one="")
    write(folder, one="import installed_one")
    assert list(source_files(folder / "one.py")) == ["one.py"]


def test_modules_that_import_each_other_or_do_not_parse_count_once(folder: Path) -> None:
    write(folder, one="import circle_a", circle_a="import circle_b", circle_b="import circle_a, broken_one")
    write(folder, broken_one="def (")
    assert list(source_files(folder / "one.py")) == ["broken_one.py", "circle_a.py", "circle_b.py", "one.py"]


def test_a_module_of_a_package_imports_from_above_it(folder: Path) -> None:
    write(folder, pack__common="")
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "sub").mkdir()
    (folder / "pack" / "sub" / "__init__.py").write_text("")
    entry = folder / "pack" / "sub" / "entry.py"
    entry.write_text("from .. import common\nfrom ..common import x\n")
    assert list(source_files(entry, "pack.sub")) == ["../__init__.py", "../common.py", "__init__.py", "entry.py"]


def test_each_strategy_of_an_entry_has_the_files_of_the_entry(folder: Path) -> None:
    write(folder, one=STRATEGY.replace("def ", "from parts import hidden\ndef "), helper_levels="FAR = 3", later_on="")
    write(folder, parts__near="NEAR = 1", parts__hidden="")
    loaded = load_strategies(str(folder / "one.py"))
    assert loaded.source_hashes["one"] == loaded.source_files["one"]["one.py"]
    assert "parts/hidden.py" in loaded.source_files["one"]


def test_a_module_in_a_folder_below_the_entry_is_imported_anew_by_the_next_load(folder: Path) -> None:
    write(folder, two="import package_two.levels as l\nfrom backtestkit_cli import add_strategy\nadd_strategy(l.NAME, "
    "interval='1h', get_signal=print)", package_two__levels="NAME = 'first'")  # fmt: skip
    assert list(load_strategies(str(folder / "two.py")).registry.strategies) == ["first"]
    write(folder, package_two__levels="NAME = 'the second'")
    assert list(load_strategies(str(folder / "two.py")).registry.strategies) == ["the second"]

"""`--charts`: pictures after a run, and what is wrong with them before it."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from backtestkit_cli.reports.charts import formats
from tests.cli.program import RUN, called


def test_the_pictures_of_a_run_are_written_and_listed_with_the_other_files(folder: Path) -> None:
    ended = called(*RUN, "--charts", "svg", "--json")
    assert (ended.code, ended.err) == (0, "")
    paths = [Path(path) for path in json.loads(ended.out)["paths"]]
    pictures = [path for path in paths if path.suffix == ".svg"]
    (run,) = (folder / "dump/runs").iterdir()
    assert pictures == [Path("dump/charts", run.name, f"{name}.svg") for name in ("equity", "heatmap", "months")]
    assert all(path.read_bytes().startswith(b"<?xml") for path in pictures)
    assert Path("dump/heatmap/tiny.md") in paths


def test_without_the_flag_there_are_none(folder: Path) -> None:
    assert called(*RUN).code == 0
    assert not (folder / "dump/charts").exists()


def test_an_unknown_format_is_one_line_before_the_run(folder: Path) -> None:
    ended = called(*RUN, "--charts", "pdf")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == "error: --charts: unknown format 'pdf'; known: png, svg\n"
    assert not (folder / "dump").exists()


def test_a_missing_matplotlib_is_one_line_before_the_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))
    ended = called(*RUN, "--charts", "png")
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    assert line.endswith("found none; pip install 'backtestkit-cli[charts]'")
    assert not (folder / "dump").exists()


def test_a_folder_that_cannot_be_written_is_one_line(folder: Path) -> None:
    (folder / "dump").mkdir()
    (folder / "dump/charts").write_text("")
    ended = called(*RUN, "--charts", "svg")
    assert ended.code == 1
    (line,) = ended.errors
    assert "equity.svg: expected a folder" in line

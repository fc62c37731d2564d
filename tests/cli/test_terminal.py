"""What a person at a terminal sees, and what Ctrl-C and a closed pipe do."""

import re
from pathlib import Path

import pytest

from tests.cli.program import DAY, RUN, TINY, a_strategy, interrupted, on_a_terminal, popen, started

COLOUR = re.compile(r"\033\[[0-9;]*[1-9][0-9;]*m")
CODES = re.compile(r"\033\[[0-9;?]*[A-Za-z]")
SLOW = TINY.replace("    return", "    open('begun', 'w').close()\n    time.sleep(60)\n    return", 1) + "import time\n"


def test_a_terminal_shows_a_bar_with_percent_rate_and_time(folder: Path) -> None:
    shown = on_a_terminal(*RUN, folder=folder)
    assert shown.code == 0
    bar = CODES.sub("", shown.out).split("Symbol")[0]
    assert re.search(r"backtest ━+ 100% [\d.]+[kMG]? candles/s \d:\d\d:\d\d", bar)
    assert COLOUR.search(shown.out)


def test_no_color_leaves_no_colour(folder: Path) -> None:
    shown = on_a_terminal(*RUN, folder=folder, NO_COLOR="1")
    assert "100%" in shown.out
    assert not COLOUR.search(shown.out)
    wrong = on_a_terminal("backtest", "--symbls", folder=folder, NO_COLOR="1")
    assert not COLOUR.search(wrong.out)
    assert COLOUR.search(on_a_terminal("backtest", "--symbls", folder=folder).out)


@pytest.mark.parametrize("columns", [60, 140])
def test_tables_fit_the_terminal_and_no_number_is_cut(folder: Path, columns: int) -> None:
    shown = on_a_terminal(*RUN, "-q", folder=folder, columns=columns)
    lines = CODES.sub("", shown.out).replace("\r", "").splitlines()
    table = lines[: 1 + next(i for i, line in enumerate(lines) if line.startswith("Total"))]
    assert max(map(len, table)) <= columns
    assert "…" not in shown.out
    assert ("no room for" in shown.out) == (columns < 100)
    assert all(re.search(r"Total PNL", line) for line in table[:1])


def test_json_on_a_terminal_comes_after_the_bar(folder: Path) -> None:
    shown = on_a_terminal(*RUN, "--json", folder=folder)
    assert shown.out.rstrip().endswith("}")
    assert "100%" in shown.out


def test_ctrl_c_stops_a_strategy_that_does_not_let_go(folder: Path) -> None:
    a_strategy(folder, SLOW)
    ended = interrupted(popen(*RUN, folder=folder), folder / "begun")
    assert (ended.code, ended.out, ended.err) == (130, "", "stopped\n")
    assert not (folder / "dump").exists()


def test_ctrl_c_stops_workers_too(folder: Path) -> None:
    a_strategy(folder, SLOW)
    arguments = ("backtest", "-e", "tiny.py", "-s", "A,B,C", *DAY, "--workers", "2")
    ended = interrupted(popen(*arguments, folder=folder), folder / "begun")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err.splitlines()[-1] == "stopped"


def test_a_reader_that_has_gone_away_is_no_error_and_files_are_written(folder: Path) -> None:
    process = popen(*RUN, folder=folder)
    assert process.stdout
    process.stdout.close()
    assert process.stderr
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert "Traceback" not in err
    assert len(list(folder.glob("dump/runs/*/manifest.json"))) == 1


def test_a_bug_keeps_its_traceback(folder: Path) -> None:
    (folder / "sitecustomize.py").write_text(
        "import backtestkit_cli.runs.assembly as assembly\ndef assemble(loaded, **_): raise ZeroDivisionError\n"
        "assembly.assemble = assemble\n"
    )
    from tests.cli.program import ROOT

    ended = started(*RUN, folder=folder, PYTHONPATH=f"{folder}:{ROOT}")
    assert ended.code == 1
    assert ended.err.startswith("Traceback")
    assert ended.err.rstrip().endswith("ZeroDivisionError")

"""What `btk report compare` shows, writes and ends with."""

import json
from pathlib import Path

import pytest

from tests.cli.program import TINY, a_strategy, called

TWO_WEEKS = ("--from", "2025-05-04", "--to", "2025-05-18", "-q")


@pytest.fixture
def runs(folder: Path) -> list[str]:
    """Save a run with either fill model and return their ids, the first one first."""
    for model in ("vwap", "candle"):
        run = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT,ETHUSDT", *TWO_WEEKS, "--fill-model", model)
        assert called(*run).code == 0
    models = {
        json.loads(path.read_text())["settings"]["tiny"]["fill_model"]: path.parent.name
        for path in folder.glob("dump/runs/*/manifest.json")
    }
    return [models["vwap"], models["candle"]]


def test_two_runs_are_shown_with_their_differences_and_how_sure_these_are(runs: list[str], folder: Path) -> None:
    ended = called("report", "compare", *runs)
    assert ended.code == 0
    rows = [line.split() for line in ended.out.splitlines()]
    assert ["settings.fill_model", "vwap", "candle"] in rows
    first = {row[0]: row for row in rows if row}
    assert {"Trades", "Profit", "Return", "BTCUSDT", "ETHUSDT", "Total"} <= first.keys()
    assert "95 % interval" in ended.out
    assert "98 % may still be chance" in ended.out
    assert any(verdict in ended.out for verdict in ("may be chance", "B is higher", "B is lower"))
    assert "no interval of Max drawdown, Calmar: the order of days matters" in ended.out
    assert "SYNTHETIC" in ended.out
    path = Path("dump/compare") / f"{runs[0]}--{runs[1]}.md"
    assert ended.err == f"wrote {path}\n"
    assert called("report", "compare", *runs, "--markdown", "-q").out == (folder / path).read_text()


def test_json_has_deltas_intervals_and_a_significance_value(runs: list[str]) -> None:
    there, back = (json.loads(called("report", "compare", *pair, "--json").out) for pair in (runs, runs[::-1]))
    assert (there["a"]["run_id"], there["b"]["run_id"]) == tuple(runs)
    assert there["symbols"] == ["BTCUSDT", "ETHUSDT"]
    assert there["inputs"] == [{"name": "settings.fill_model", "a": "vwap", "b": "candle"}]
    for one, other in zip(there["figures"], back["figures"], strict=True):
        assert one["delta"] == pytest.approx(one["b"] - one["a"])
        assert other["delta"] == -one["delta"]
        if one["interval"] is None:
            assert one["no_interval"]
        else:
            low, high = one["interval"]
            assert other["interval"] == [-high, -low]
            assert one["is_significant"] == (low > 0 or high < 0)
            assert one["above_share_pct"] == pytest.approx(100 - other["above_share_pct"])
    assert sum(group["trades"] for group in there["matches"][:3]) == there["figures"][0]["a"]


def test_a_run_may_be_compared_with_itself_and_its_strategies_with_each_other(folder: Path) -> None:
    a_strategy(folder, TINY + TINY.replace('"tiny"', '"other"').replace("1.01", "1.02"))
    run = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT", "--strategy", "tiny,other", *TWO_WEEKS)
    assert called(*run).code == 0
    assert "all inputs are the same" in called("report", "compare", "latest", "latest").out
    ended = called("report", "compare", "latest", "latest", "--strategy", "tiny,other")
    assert ["strategy", "tiny", "other"] in [line.split() for line in ended.out.splitlines()]
    assert ended.code == 0
    (name,) = [path.name for path in folder.glob("dump/compare/*tiny*other*.md") if ".tiny--" in path.name]
    assert name.endswith(".other.md")


def test_what_cannot_be_compared_is_one_line_and_code_2(runs: list[str]) -> None:
    later = ("backtest", "-e", "tiny.py", "-s", "BTCUSDT", "--from", "2025-06-04", "--to", "2025-06-05")
    assert called(*later, "-q").code == 0
    for arguments, said in (
        ([runs[0], "latest"], "expected frames that overlap"),
        ([runs[0], "nope"], "unknown run 'nope'"),
        ([runs[0], runs[1], "--strategy", "a,b,c"], "expected one name, or one of each run, found 3"),
        ([runs[0], runs[1], "--strategy", "tini"], "did you mean 'tiny'"),
        ([*runs, "--json", "--markdown"], "leave out one"),
        ([runs[0]], "missing argument"),
    ):
        ended = called("report", "compare", *arguments)
        assert (ended.code, ended.out, len(ended.errors)) == (2, "", 1)
        assert said in ended.err

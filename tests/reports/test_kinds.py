"""A150: every kind of report is had as numbers, as text and as a file."""

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from backtestkit_cli import RunRecord, load_run, report
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.reports.figure_columns import SYMBOL_COLUMNS
from backtestkit_cli.reports.json_values import json_value
from backtestkit_cli.reports.markdown.kinds import Kind
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.tables import cell_text
from tests.builders import a_record, a_session, a_trade, an_outcome, trades_of
from tests.coordinated_run import coordinated_record, coordinated_run


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> RunRecord:
    """Return the run of `coordinated_run` as it is read back."""
    return load_run(write_run(coordinated_record(), tmp_path_factory.mktemp("saved")))


@pytest.mark.parametrize("kind", [kind for kind in report if kind.name != "schedule"], ids=lambda kind: kind.name)
def test_three_calls_a_kind_agree_for_a_run_in_memory_and_a_saved_one(
    kind: Kind[Any], saved: RunRecord, tmp_path: Path
) -> None:
    texts = set()
    for run in (coordinated_run(), coordinated_record(), saved):
        data, text, path = kind.get_data(run), kind.get_report(run), kind.dump(run, tmp_path / "out")
        assert text is not None
        assert path == tmp_path / "out" / kind.name / "sma_cross.md"
        assert path.read_text(encoding="utf-8") == text
        assert json_value(data) == json_value(kind.get_data(saved, "sma_cross"))
        texts.add(text)
    assert len(texts) == 1


def test_a_kind_without_anything_to_say_has_numbers_and_no_text_and_no_file(tmp_path: Path) -> None:
    assert report.schedule.get_data(coordinated_run()).scheduled == 0
    assert report.schedule.get_report(coordinated_run()) is None
    assert report.schedule.dump(coordinated_run(), tmp_path) is None
    assert list(tmp_path.rglob("*.md")) == []


def test_the_text_of_a_backtest_has_its_numbers() -> None:
    data, text = report.backtest.get_data(coordinated_record()), report.backtest.get_report(coordinated_record())
    assert text is not None
    for row in (*data.symbols, data.total):
        assert all(cell_text(row, column) in text for column in SYMBOL_COLUMNS)
    for reason, count in data.closed.items():
        assert re.search(rf"\| Closed: {reason} +\| +{count:,} \|", text)
    assert data.account is not None
    assert f"{data.account['equity']:,.2f}" in text
    assert len(data.trades) == data.total["trades"] == sum(data.closed.values())


def test_the_texts_of_levels_and_refusals_have_their_numbers() -> None:
    run = coordinated_record()
    levels, text = report.partial.get_data(run), report.partial.get_report(run)
    assert f"{levels.total_events:,} events: {levels.profit_events:,} in profit, {levels.loss_events:,} in loss" in str(
        text
    )
    refusals, text = report.risk.get_data(run), report.risk.get_report(run)
    assert refusals.by_rule
    for rule in refusals.by_rule:
        assert re.search(rf"\| {rule.profile} +\| {rule.rule} +\| +{rule.appears:,} \|", str(text))


def two_strategies() -> RunRecord:
    return a_record(a_session(a_trade(strategy="near"), strategy="near"), a_session(strategy="far"))


def test_a_run_of_several_strategies_needs_the_name_of_one_for_its_text() -> None:
    run = two_strategies()
    assert report.backtest.get_data(run).total["strategy"] is None
    assert report.backtest.get_data(run, "near").total["strategy"] == "near"
    assert str(report.backtest.get_report(run, "far")).startswith("# Backtest: far")
    with pytest.raises(ConfigError, match=r"expected the name of a strategy, found none; there are 2"):
        report.backtest.get_report(run)
    for call in (report.risk.get_data, report.risk.get_report):
        with pytest.raises(UnknownNameError, match=r"unknown strategy 'nea'; did you mean 'near'\?"):
            call(run, "nea")


def test_nothing_to_say_is_no_text_and_no_file(tmp_path: Path) -> None:
    (tmp_path / "risk").mkdir()
    (tmp_path / "risk" / "sma_cross.md").write_text("of an earlier run")
    run = an_outcome(a_session())
    assert report.risk.get_report(run) is None
    assert report.risk.dump(run, tmp_path) is None
    assert list((tmp_path / "risk").iterdir()) == []


def test_a_part_of_a_run_says_so() -> None:
    run = a_record(a_session(*trades_of(1)), a_session(*trades_of(2, symbol="ETHUSDT"), symbol="ETHUSDT"))
    text = report.backtest.get_report(run.only(["ETHUSDT"]))
    assert re.search(r"\| Part +\| ETHUSDT; the run has 2 symbols", str(text))
    assert "| Part " not in str(report.backtest.get_report(run))


class Point(NamedTuple):
    x: float
    side: Side


@dataclass(frozen=True)
class Shape:
    points: tuple[Point, ...]
    counts: dict[int, float]
    column: Any


def test_numbers_become_json_without_nan_or_infinity() -> None:
    shape = Shape((Point(math.nan, Side.LONG),), {10: math.inf}, np.array([1.5, -math.inf]))
    assert json_value(shape) == {
        "points": [{"x": None, "side": "long"}],
        "counts": {"10": None},
        "column": [1.5, None],
    }
    assert json_value({"count": np.int64(3), "flag": np.bool_(True), "text": "NaN"}) == {
        "count": 3,
        "flag": True,
        "text": "NaN",
    }


@pytest.mark.parametrize("pnl_pct", [(), (1.0,), (1.0, 1.0), (2.0, 3.0), (-100.0,)], ids=str)
@pytest.mark.parametrize("kind", report, ids=report._fields)
def test_degenerate_runs_have_numbers_or_none_in_every_kind(kind: Kind[Any], pnl_pct: tuple[float, ...]) -> None:
    """A157."""
    run = a_record(a_session(*trades_of(*pnl_pct)))
    numbers = [*_numbers(json.loads(json.dumps(json_value(kind.get_data(run)), allow_nan=False)))]
    assert all(math.isfinite(number) for number in numbers)
    assert not re.search(r"\b(nan|inf|infinity)\b", str(kind.get_report(run)), re.IGNORECASE)


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from _numbers(one)
    elif isinstance(value, int | float):
        yield value

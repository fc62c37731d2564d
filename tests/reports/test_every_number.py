"""No output of a run holds NaN or infinity, whatever its trades: A157, on all kinds, files and the page at once."""

import json
import math
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.analytics.outcome import TradePath
from backtestkit_cli.cli.comparing import document as comparison_document
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.numbers import MAX_COST, MIN_COST
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.reports.html.document import document
from backtestkit_cli.reports.json_values import json_value
from backtestkit_cli.reports.markdown import compare
from backtestkit_cli.reports.markdown.kinds import KINDS, write_reports
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import write_run
from tests.builders import START_MS, a_record, a_session, a_trade, trades_of
from tests.laws import tried

_UNREAL = re.compile(r"\b(nan|inf|infinity)\b", re.IGNORECASE)

prices = st.floats(1e-9, 1e9)
trades = st.builds(
    a_trade,
    side=st.sampled_from(Side),
    minutes=st.integers(1, 2000),
    opened_at_ms=st.integers(0, 2000).map(lambda minute: START_MS + minute * MINUTE_MS),
    price_open=prices,
    price_close=prices,
    cost=st.floats(MIN_COST, MAX_COST),
    reason=st.sampled_from(CloseReason),
    costs=st.builds(Costs, st.floats(0, 0.5), st.floats(0, 0.5)),
)
paths = st.builds(TradePath, st.floats(), st.floats(), st.booleans())


def a_run(made: list[Trade], gone: list[TradePath]) -> RunRecord:
    same = tuple(gone[: len(made)]) if len(gone) >= len(made) else ()
    return a_record(a_session(*made, paths=same), a_session(symbol="ETHUSDT"))


def outputs(record: RunRecord, out: Path) -> str:
    """Return everything that is written and shown of *record* as one text."""
    files = [*write_reports(record, out), write_run(record, out) / "manifest.json"]
    texts = [file.read_text(encoding="utf-8") for file in files]
    texts += [json.dumps(json_value(kind.get_data(record)), allow_nan=False) for kind in KINDS.values()]
    compared = compare.get_data(record, record)
    texts += [compare.report_of(compared), json.dumps(comparison_document(compared), allow_nan=False)]
    texts.append(json.dumps(json_value(document(record)), allow_nan=False))
    return "\n".join(texts)


@tried(3, 8)
@given(st.lists(trades, max_size=5), st.lists(paths, min_size=5, max_size=5))
def test_no_output_holds_a_number_that_is_none(made: list[Trade], gone: list[TradePath]) -> None:
    with TemporaryDirectory() as folder:
        assert _UNREAL.search(outputs(a_run(made, gone), Path(folder))) is None


@pytest.mark.parametrize(
    "pnl_pct",
    [(), (1.5,), (0.7, 0.7, 0.7), (1.0, 2.0), (-100.0,), (0.0, 0.0), (2.0, -1.0, 3.0, -2.0, 1.0)],
    ids=["none", "one", "equal", "wins", "total loss", "nothing won", "five"],
)
def test_degenerate_sets_have_finite_numbers_or_none(pnl_pct: tuple[float, ...], tmp_path: Path) -> None:
    """A157."""
    record = a_record(a_session(*trades_of(*pnl_pct)))
    text = outputs(record, tmp_path)
    assert _UNREAL.search(text) is None
    report = (tmp_path / "backtest" / "sma_cross.md").read_text()
    assert "N/A" in report
    total = KINDS["backtest"].get_data(record).total
    assert all(math.isfinite(value) for value in total.values() if isinstance(value, int | float))
    assert total["trades"] == len(pnl_pct)

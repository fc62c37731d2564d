"""A run that is read back is the run that was written."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.analytics.outcome import Failure
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import SavedRunError
from backtestkit_cli.events.facts import ErrorOccurred, PositionOpened, SignalInvalid
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.saved.event_log import SavedEvents
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import find_run, load_run
from tests.builders import START_MS, a_position, a_record, a_session, a_trade, an_outcome, trades_of
from tests.coordinated_run import coordinated_record

ODD = 'späť 📉 | `b` \ud800 \x00 \u2028 {"event":"x"}\n<script>'


def assert_equal(one: RunRecord, other: RunRecord) -> None:
    assert dict(one.manifest) == dict(other.manifest)
    assert one.trades.equals(other.trades, null_equal=True)
    assert one.trades.schema == other.trades.schema
    assert one.equity.equals(other.equity)
    assert one.candles.equals(other.candles)
    assert (one.account_curve is None) == (other.account_curve is None)
    assert one.account_curve is None or other.account_curve is None or one.account_curve.equals(other.account_curve)
    assert list(one.events.rows()) == list(other.events.rows())
    assert one.timings == other.timings
    assert (one.facts, one.sessions, one.counts, one.account) == (
        other.facts,
        other.sessions,
        other.counts,
        other.account,
    )


def failed_symbols() -> RunRecord:
    lost = a_session(symbol="ETHUSDT", candles=None, error=ODD, failure=Failure.DATA, marks=())
    return a_record(a_session(*trades_of(1, -1)), lost)


def several_strategies() -> RunRecord:
    sessions = [a_session(a_trade(strategy=name, note=ODD), strategy=name) for name in ("near", "NEAR", "a/b", "späť")]
    return a_record(*sessions, settings={name.strategy: Settings(fee_pct=0.05) for name in sessions}, notes={})


def odd_events() -> RunRecord:
    events = [
        PositionOpened(START_MS, "sma_cross", "A/B:C", 100.0, a_position(note=ODD)),
        SignalInvalid(START_MS, "sma_cross", "1000PEPE|X", ODD, float("nan"), (ODD, "")),
        ErrorOccurred(START_MS, "", "", "job", ODD, ODD),
    ]
    return a_record(a_session(symbol="A/B:C"), a_session(symbol="比特币 USDT"), events=events)


def endless_numbers() -> RunRecord:
    return a_record(a_session(a_trade(cost=1.7e308, price_close=1e6), a_trade()))


@pytest.mark.parametrize(
    "record",
    [a_record, coordinated_record, failed_symbols, several_strategies, odd_events, endless_numbers],
    ids=lambda record: record.__name__,
)
def test_a_record_is_read_back_as_it_was_written(record: object, tmp_path: Path) -> None:
    made = record()  # type: ignore[operator]
    assert_equal(load_run(write_run(made, tmp_path)), made)


@pytest.mark.parametrize("record", [failed_symbols, several_strategies, odd_events, endless_numbers])
def test_reports_of_a_saved_run_have_the_bytes_of_those_of_the_run(record: object, tmp_path: Path) -> None:
    made = record()  # type: ignore[operator]
    first = {path.name: path.read_bytes() for path in write_reports(made, tmp_path / "run")}
    again = write_reports(load_run(write_run(made, tmp_path)), tmp_path / "again")
    assert {path.name: path.read_bytes() for path in again} == first
    assert first


@given(
    st.lists(st.tuples(st.floats(-99, 1e6), st.text(max_size=20)), max_size=6),
    st.sampled_from(["A/B:C", "1000PEPE|X", "比特币", "TWO WORDS"]),
)
@settings(max_examples=8)
def test_any_trades_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, found: list[tuple[float, str]], symbol: str
) -> None:
    trades = [a_trade(symbol=symbol, price_close=100 + pnl, note=note) for pnl, note in found]
    made = a_record(a_session(*trades, symbol=symbol))
    assert_equal(load_run(write_run(made, tmp_path_factory.mktemp("any"))), made)


def test_a_run_that_is_read_can_be_written_again_with_the_same_bytes(tmp_path: Path) -> None:
    first = write_run(coordinated_record(), tmp_path / "first")
    second = write_run(load_run(first), tmp_path / "second")
    assert {file.name: file.read_bytes() for file in first.iterdir()} == {
        file.name: file.read_bytes() for file in second.iterdir()
    }


@pytest.mark.parametrize("line", [b'{"event":"signal_inv', b'{"event":"tick"}', b"[1]", b"", b"\xff"])
def test_a_line_that_is_no_event_is_named(line: bytes) -> None:
    whole = b'{"event":"tick","at":1,"strategy":"","symbol":""}'
    log = SavedEvents(whole + b"\n" + line + b"\n", Path("events.jsonl"))
    with pytest.raises(SavedRunError, match=r"^events\.jsonl:2: expected an event "):
        list(log.rows("tick"))


def test_the_latest_run_is_not_what_another_program_left(tmp_path: Path) -> None:
    run = write_run(record_of(an_outcome()), tmp_path)
    (tmp_path / "runs" / "app").mkdir()
    (tmp_path / "runs" / "app" / "manifest.json").write_text("{}")
    assert find_run("latest", tmp_path) == run
    assert find_run(out=tmp_path) == find_run("sma", str(tmp_path)) == find_run(str(run)) == run


def test_a_half_written_run_is_found_by_the_beginning_of_its_id_where_no_whole_one_begins_so(tmp_path: Path) -> None:
    half = tmp_path / "runs" / "other-half"
    half.mkdir(parents=True)
    whole = write_run(a_record(run_id="sma-whole"), tmp_path)
    assert find_run("oth", tmp_path) == half
    (tmp_path / "runs" / "sma-half").mkdir()
    assert find_run("sma", tmp_path) == whole


def test_the_latest_run_is_the_one_that_finished_last_whatever_copied_its_files(tmp_path: Path) -> None:
    for name, finished_at in (("late", "2025-05-04T12:00:00+00:00"), ("early", "2025-05-04T11:00:00+00:00")):
        write_run(record_of(an_outcome(run_id=name), {"finished_at": finished_at}), tmp_path)
    assert find_run("latest", tmp_path).name == "late"


def test_a_run_written_again_leaves_no_page_of_the_one_before(tmp_path: Path) -> None:
    folder = write_run(record_of(an_outcome()), tmp_path)
    for name in ("report.html", "report-2025-05-04_2025-05-05.html", "mine.html"):
        (folder / name).write_text("old")
    write_run(record_of(an_outcome()), tmp_path)
    assert sorted(path.name for path in folder.glob("*.html")) == ["mine.html"]

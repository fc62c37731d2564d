import asyncio
from collections.abc import Iterable

import pytest

from backtestkit_cli import Signal, add_strategy
from backtestkit_cli.analytics.schedule import ScheduleAction
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.signal import CancelReason, Side
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.events.facts import Event, PositionOpened, SignalCancelled, SignalScheduled
from backtestkit_cli.reports.markdown.schedule import get_data, get_report
from backtestkit_cli.reports.saved.record import record_of
from backtestkit_cli.runs.backtest import run_backtest
from tests.builders import START_MS, a_position, a_record, a_session
from tests.markets import plan_for, random_candles, registered
from tests.reports.markdown_cells import cells_of, section

SIGNAL = Signal(position="long", take_profit=103.0, stop_loss=97.0, price_open=99.0, note="dip | buy")
NAMES = ("sma_cross", "BTCUSDT")


def scheduled(number: int) -> SignalScheduled:
    return SignalScheduled(START_MS + number * 300 * MINUTE_MS, *NAMES, f"id{number}", Side.LONG, 99.0, SIGNAL)


def six_of_which_two_are_cancelled() -> Iterable[Event]:
    for number, wait in enumerate((30, 5, 61, 5, 5, 7)):
        yield (waiting := scheduled(number))
        end_ms = waiting.at_ms + wait * MINUTE_MS
        if wait in {30, 61}:
            yield SignalCancelled(end_ms, *NAMES, waiting.signal_id, CancelReason.TIMEOUT)
        else:
            yield PositionOpened(end_ms, *NAMES, 99.0, a_position()._replace(id=waiting.signal_id))


def test_waiting_signals_are_counted_with_their_rate_and_their_waits() -> None:
    """A149."""
    data = get_data(a_record(a_session(), events=six_of_which_two_are_cancelled()))
    assert (data.scheduled, data.opened, data.cancelled) == (6, 4, 2)
    assert data.cancellation_rate_pct == pytest.approx(33.33, abs=0.01)
    assert data.activation_rate_pct == pytest.approx(66.67, abs=0.01)
    assert (data.avg_wait_cancelled_minutes, data.avg_wait_opened_minutes) == (45.5, 5.5)
    assert data.by_reason == {"timeout": 2}


def test_the_text_has_the_numbers_and_a_row_for_each_event() -> None:
    text = get_report(a_record(a_session(), events=six_of_which_two_are_cancelled()), "sma_cross") or ""
    results = section(text, "Results")
    assert cells_of(results, "Cancellation rate")[1] == "33.33 %"
    assert cells_of(results, "Cancelled: timeout")[1] == "2"
    assert cells_of(results, "Average wait of the cancelled, minutes")[1] == "45.50"
    assert cells_of(section(text, "Events"), "2025-05-04 00:30") == [
        *("2025-05-04 00:30", "cancelled", "BTCUSDT", "`id0`", "long", r"dip \| buy", "99", "103", "97", "30"),
        "timeout",
    ]
    assert section(text, "Events").count("| opened ") == 4


def test_a_signal_that_opened_at_once_has_not_waited() -> None:
    record = a_record(a_session(), events=[PositionOpened(START_MS, *NAMES, 100.0, a_position())])
    data = get_data(record)
    assert (data.scheduled, data.opened, data.cancellation_rate_pct, data.rows) == (0, 0, None, ())
    assert get_report(record, "sma_cross") is None
    with pytest.raises(UnknownNameError, match="did you mean 'sma_cross'"):
        get_report(record, "sma_cros")


def test_in_a_run_every_signal_that_waited_opened_or_was_cancelled() -> None:
    def get_signal(_symbol: str, _when: object, price: float) -> Signal:
        return Signal(
            position="long", price_open=price * 0.99, take_profit=price * 1.02, stop_loss=price * 0.96, minutes=60
        )

    registry = registered(lambda: add_strategy("waits", interval="15m", get_signal=get_signal))
    plan = plan_for(registry, {"A": random_candles(3, 3000), "B": random_candles(4, 3000)})
    record = record_of(asyncio.run(run_backtest(plan)))
    data = get_data(record, "waits")
    assert data.scheduled == data.opened + data.cancelled == sum(data.by_reason.values()) + data.opened > 20
    assert min(data.opened, data.cancelled) > 3
    assert data.opened == sum(session.counts.get("position_opened", 0) for session in record.sessions)
    assert all(row.minutes >= 0 for row in data.rows if row.minutes is not None)
    assert {row.action for row in data.rows} == set(ScheduleAction)

import math
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.risk import Stage
from backtestkit_cli.domain.signal import CancelReason, Side, Signal
from backtestkit_cli.domain.venue import Fill, Leg
from backtestkit_cli.events.facts import (
    CommandRefused,
    ErrorOccurred,
    Event,
    JobRan,
    LossLevelReached,
    MovedBy,
    PortfolioStopped,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    SignalCancelled,
    SignalInvalid,
    SignalRefused,
    SignalScheduled,
    StopMoved,
    TargetMoved,
)
from backtestkit_cli.events.kinds import event_kind
from backtestkit_cli.events.rows import event_row, event_rows
from backtestkit_cli.events.venue_facts import (
    ClockJumped,
    ConnectionLost,
    ConnectionRestored,
    EntriesAllowed,
    EntriesBlocked,
    OrderFilled,
    OrderRejected,
    OrderUnsettled,
    PositionAdjusted,
    PositionRestored,
    SessionRestarted,
)
from backtestkit_cli.policies.orders.stop_limit import StopLimit
from tests.builders import START_MS, a_position, a_trade

STAMP = (START_MS, "sma_cross", "BTCUSDT")
SIGNAL = Signal(position="long", take_profit=102.0, stop_loss=98.0, minutes=60, price_open=99.5, note="dip")
EVERY_KIND: list[Event] = [
    SignalScheduled(*STAMP, "id1", Side.LONG, 99.5, SIGNAL),
    SignalInvalid(*STAMP, SIGNAL, 100.0, ("stop_loss must …", "minutes must …")),
    SignalCancelled(*STAMP, "id1", CancelReason.TIMEOUT),
    PositionOpened(*STAMP, 100.0, a_position()),
    PositionAveraged(*STAMP, 95.0, 50.0, a_position(steps=[("buy", 5, 95.0, 50.0)])),
    PositionReduced(*STAMP, 105.0, 40.0, a_position(steps=[("sell", 5, 105.0, 40.0)])),
    SignalRefused(*STAMP, "id1", SIGNAL, 99.5, Stage.APPEARS, "careful", "max_open", "3 are open, at most 3 may be"),
    StopMoved(*STAMP, 101.0, 100.5, MovedBy.TRAILING, a_position()),
    TargetMoved(*STAMP, 101.0, 104.0, MovedBy.COMMAND, a_position()),
    ProfitLevelReached(*STAMP, 101.0, 50, 50.5, a_position()),
    LossLevelReached(*STAMP, 99.0, 50, 50.5, a_position()),
    PortfolioStopped(*STAMP, "max_drawdown", StopAction.CLOSE_ALL, 8_900.0, 9_000.0, None),
    CommandRefused(*STAMP, "average_buy", 100.0, 50.0, "price 100.0 is not below …"),
    PositionClosed(*STAMP, a_trade()),
    ErrorOccurred(*STAMP, "strategy", "ValueError: no", 'Traceback:\n  File "/home/me/sma.py"'),
    JobRan(START_MS, "", "", "news"),
    OrderFilled(*STAMP, "id1-e1", Leg.ENTRY, True, Fill(0.5, 100.1, None, 0.0005), 100.0),
    OrderRejected(*STAMP, "id1-e1", Leg.ENTRY, "insufficient balance"),
    OrderUnsettled(*STAMP, "id1-x1", Leg.EXITS, "timed out", 5, True),
    PositionRestored(*STAMP, a_position()),
    PositionAdjusted(*STAMP, 1.0, 0.5, "half of it was sold elsewhere"),
    EntriesBlocked(*STAMP, "2 more than the book knows"),
    EntriesAllowed(*STAMP),
    ConnectionLost(*STAMP, "timed out"),
    ConnectionRestored(*STAMP, 75.5),
    ClockJumped(*STAMP, 3600.0),
    SessionRestarted(*STAMP, "ValueError: no"),
]


def the(kind: type[Event]) -> Event:
    return next(event for event in EVERY_KIND if isinstance(event, kind))


@pytest.mark.parametrize("event", EVERY_KIND, ids=lambda event: type(event).__name__)
def test_every_kind_of_event_has_a_row_that_json_can_say(event: Event) -> None:
    row = event_row(event)
    assert list(row)[:4] == ["event", "at", "strategy", "symbol"]
    assert orjson.loads(orjson.dumps(row)) == row
    assert list(row) == list(event_row(event))


def test_no_kind_of_event_is_forgotten() -> None:
    assert {type(event).__name__ for event in EVERY_KIND} == {kind.__name__ for kind in Event.__subclasses__()}


def test_a_kind_is_its_name_in_small_letters() -> None:
    assert [event_kind(type(event)) for event in EVERY_KIND] == [
        "signal_scheduled",
        "signal_invalid",
        "signal_cancelled",
        "position_opened",
        "position_averaged",
        "position_reduced",
        "signal_refused",
        "stop_moved",
        "target_moved",
        "profit_level_reached",
        "loss_level_reached",
        "portfolio_stopped",
        "command_refused",
        "position_closed",
        "error_occurred",
        "job_ran",
        "order_filled",
        "order_rejected",
        "order_unsettled",
        "position_restored",
        "position_adjusted",
        "entries_blocked",
        "entries_allowed",
        "connection_lost",
        "connection_restored",
        "clock_jumped",
        "session_restarted",
    ]


def test_rows_keep_the_order_of_events() -> None:
    assert [row["event"] for row in event_rows(EVERY_KIND)] == [event_kind(type(event)) for event in EVERY_KIND]


def test_enums_are_their_values() -> None:
    row = event_row(the(PositionClosed))
    assert (row["side"], row["reason"]) == ("long", "take_profit")
    assert type(row["reason"]) is str


def test_a_closed_position_says_what_it_earned() -> None:
    trade = a_trade()
    row = event_row(PositionClosed(*STAMP, trade))
    assert row["pnl_pct"] == trade.pnl_pct
    assert row["pnl_cost"] == trade.gain.net
    assert row["signal_id"] == trade.id


def test_the_traceback_of_an_error_stays_out() -> None:
    row = event_row(the(ErrorOccurred))
    assert list(row) == ["event", "at", "strategy", "symbol", "source", "error"]


def test_a_number_that_is_not_finite_is_null() -> None:
    assert event_row(SignalCancelled(*STAMP, "id1", CancelReason.USER))["reason"] == "user"
    assert event_row(CommandRefused(*STAMP, "cancel", math.nan, None, ""))["price"] is None


@pytest.mark.parametrize(
    ("handed_over", "said"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.float32(1.5), 1.5),
        (np.int64(3), 3),
        (2**70, str(2**70)),
        ("half \ud800", "half ?"),
        (None, None),
        (object(), "<object>"),
    ],
)
def test_an_invalid_signal_is_shown_as_it_was_handed_over(handed_over: Any, said: object) -> None:
    signal = Signal(position="up", take_profit=handed_over, stop_loss=98.0)
    row = event_row(SignalInvalid(*STAMP, signal, 100.0, ()))
    wish = row["signal"]
    assert isinstance(wish, dict)
    assert (wish["position"], wish["take_profit"]) == ("up", said)
    assert orjson.loads(orjson.dumps(row)) == row


def test_what_is_no_signal_at_all_is_named_by_its_type() -> None:
    assert event_row(SignalInvalid(*STAMP, {"side": "long"}, 100.0, ()))["signal"] == "<dict>"


def test_an_entry_order_and_its_flags_are_told_where_there_are_any() -> None:
    plain = event_row(EVERY_KIND[0])
    assert list(plain)[-6:] == ["price_open", "take_profit", "stop_loss", "minutes", "cost", "note"]
    signal = replace(SIGNAL, price_open=None, entry=StopLimit(101.0, 102), reduce_only=True)
    scheduled = event_row(SignalScheduled(*STAMP, "id1", Side.LONG, 99.5, signal))
    told = {"order": "stop_limit", "order_stop": 101.0, "order_limit": 102, "reduce_only": True}
    assert list(scheduled.items())[len(plain) :] == list(told.items())
    opened = PositionOpened(*STAMP, 100.0, a_position(), ("post_only", "reduce_only"))
    assert event_row(opened) == event_row(EVERY_KIND[3]) | {"post_only": True, "reduce_only": True}
    assert "post_only" not in event_row(EVERY_KIND[3])


def test_an_entry_that_is_no_order_is_shown_as_it_was_handed_over() -> None:
    signal: Any = replace(SIGNAL, entry={"stop": 1}, post_only="yes")  # type: ignore[arg-type]
    wish = event_row(SignalInvalid(*STAMP, signal, 100.0, ()))["signal"]
    assert isinstance(wish, dict)
    assert (wish["order"], wish["post_only"]) == ("<dict>", "yes")


def test_a_fill_says_what_was_traded_and_what_was_expected() -> None:
    assert list(event_row(the(OrderFilled)).items())[4:] == [
        ("client_id", "id1-e1"),
        ("leg", "entry"),
        ("is_buy", True),
        ("quantity", 0.5),
        ("price", 100.1),
        ("price_expected", 100.0),
        ("fee_quote", None),
        ("fee_base", 0.0005),
    ]


def test_an_unknown_event_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError, match="no row is defined for Event"):
        event_row(Event(*STAMP))

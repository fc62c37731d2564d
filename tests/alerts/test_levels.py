import pytest

from backtestkit_cli.alerts.levels import FREQUENT, Interest, alert_level
from backtestkit_cli.domain.alerts import AlertLevel
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.signal import CloseReason
from backtestkit_cli.domain.venue import Leg
from backtestkit_cli.events.facts import Event, PortfolioStopped, PositionAveraged, PositionClosed, PositionReduced
from backtestkit_cli.events.kinds import event_kind, kind_names
from backtestkit_cli.events.venue_facts import (
    ClockJumped,
    ConnectionRestored,
    EntriesBlocked,
    OrderRejected,
    OrderUnsettled,
    PositionAdjusted,
    SessionRestarted,
)
from tests.alerts.happenings import closed, failed, lost, opened
from tests.builders import START_MS, a_position, a_trade

STAMP = (START_MS, "sma_cross", "BTCUSDT")
INFO, WARNING, ERROR = AlertLevel


@pytest.mark.parametrize(
    ("event", "level"),
    [
        (opened(), INFO),
        (closed(), INFO),
        (PositionAveraged(*STAMP, 95.0, 50.0, a_position()), INFO),
        (PositionReduced(*STAMP, 105.0, 40.0, a_position()), INFO),
        (OrderRejected(*STAMP, "id-e1", Leg.ENTRY, "no balance"), WARNING),
        (OrderUnsettled(*STAMP, "id-e1", Leg.ENTRY, "timed out", 5, False), WARNING),
        (PositionAdjusted(*STAMP, 1.0, 0.5, "sold elsewhere"), WARNING),
        (lost(), WARNING),
        (ConnectionRestored(*STAMP, 75.0), WARNING),
        (ClockJumped(*STAMP, 3600.0), WARNING),
        (SessionRestarted(*STAMP, "ValueError: no"), WARNING),
        (failed(), ERROR),
        (EntriesBlocked(*STAMP, "2 too many"), ERROR),
        (PortfolioStopped(*STAMP, "max_drawdown", StopAction.CLOSE_ALL, 8.0, 9.0, None), ERROR),
        (PositionClosed(*STAMP, a_trade(reason=CloseReason.LIQUIDATED_ELSEWHERE)), ERROR),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else str(value),
)
def test_an_event_is_as_grave_as_what_is_to_be_done_about_it(event: Event, level: AlertLevel) -> None:
    assert alert_level(event) is level


def test_a_place_hears_what_is_grave_enough() -> None:
    interest = Interest(WARNING)
    assert [interest.includes("order_rejected", level) for level in AlertLevel] == [False, True, True]


def test_a_place_hears_the_kinds_it_names_and_no_other() -> None:
    interest = Interest(INFO, frozenset({"position_opened", "job_ran"}))
    assert interest.includes("position_opened", INFO)
    assert interest.includes("job_ran", INFO)
    assert not interest.includes("position_closed", ERROR)


@pytest.mark.parametrize("kind", sorted(FREQUENT))
def test_what_happens_all_the_time_is_not_told_unasked(kind: str) -> None:
    assert not Interest().includes(kind, WARNING)


def test_all_recorded_kinds_can_be_named() -> None:
    assert kind_names() == {event_kind(kind) for kind in Event.__subclasses__()}

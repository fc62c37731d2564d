"""The words of a log line for what risk, levels, stops and jobs have to say."""

import logging

import pytest

from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.risk import Stage
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.domain.venue import Fill, Leg
from backtestkit_cli.events.facts import (
    Event,
    JobRan,
    LossLevelReached,
    MovedBy,
    PortfolioStopped,
    ProfitLevelReached,
    SignalRefused,
    StopMoved,
    TargetMoved,
)
from backtestkit_cli.events.lines import level_of, line_of
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
from tests.builders import START_MS, a_position

STAMP = (START_MS, "sma_cross", "BTCUSDT")
SIGNAL = Signal(position="long", take_profit=102.0, stop_loss=98.0)


@pytest.mark.parametrize(
    ("event", "line", "level"),
    [
        (
            SignalRefused(*STAMP, "id", SIGNAL, 99.5, Stage.OPENS, "careful", "max_open", "3 are open"),
            "signal refused: careful.max_open: 3 are open",
            logging.WARNING,
        ),
        (
            PortfolioStopped(START_MS, "", "", "max_drawdown", StopAction.CLOSE_ALL, 899.994, 900.0, None),
            "portfolio stopped: max_drawdown, equity 899.99, limit 900.00, close_all",
            logging.WARNING,
        ),
        (StopMoved(*STAMP, 101.0, 100.5, MovedBy.TRAILING, a_position()), "stop moved: to 100.5 by trailing", 20),
        (TargetMoved(*STAMP, 101.0, 104.0, MovedBy.COMMAND, a_position()), "target moved: to 104 by command", 20),
        (ProfitLevelReached(*STAMP, 110.0, 10, 10.0, a_position()), "profit level reached: 10 % at 110", logging.INFO),
        (LossLevelReached(*STAMP, 80.0, 20, 20.0, a_position()), "loss level reached: 20 % at 80", logging.INFO),
        (
            OrderFilled(*STAMP, "id-e1", Leg.ENTRY, True, Fill(0.5, 100.1), 100.0),
            "order filled: entry id-e1, bought 0.5 at 100.1",
            logging.INFO,
        ),
        (
            OrderRejected(*STAMP, "id-e1", Leg.ENTRY, "no balance"),
            "order rejected: entry id-e1: no balance",
            logging.WARNING,
        ),
        (
            OrderUnsettled(*STAMP, "id-x1", Leg.EXITS, "timed out", 5, True),
            "order unsettled: exits id-x1: timed out, after 5 attempts, given up",
            logging.WARNING,
        ),
        (PositionRestored(*STAMP, a_position()), "position restored: long at 100 for 100", logging.INFO),
        (
            PositionAdjusted(*STAMP, 1.0, 0.5, "sold elsewhere"),
            "position adjusted: from 1 to 0.5: sold elsewhere",
            logging.WARNING,
        ),
        (EntriesBlocked(*STAMP, "2 too many"), "entries blocked: 2 too many", logging.ERROR),
        (EntriesAllowed(*STAMP), "entries allowed", logging.INFO),
        (ConnectionLost(*STAMP, "timed out"), "connection lost: timed out", logging.WARNING),
        (ConnectionRestored(*STAMP, 75.4), "connection restored: after 75 s", logging.WARNING),
        (ClockJumped(*STAMP, -60.0), "clock jumped: -60 s", logging.WARNING),
        (SessionRestarted(*STAMP, "ValueError: no"), "session restarted: ValueError: no", logging.WARNING),
        (JobRan(START_MS, "", "", "news"), "job ran: news", logging.INFO),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Event) else "",
)
def test_an_event_is_a_line_with_what_matters(event: Event, line: str, level: int) -> None:
    assert (line_of(event), level_of(event)) == (line, level)

"""What `listen` refuses, and how it says so."""

import re
from typing import Any

import pytest

from backtestkit_cli import PositionClosed, RiskCheck, SessionIdle, TickPassed, listen
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.events.facts import Event

AN_IDLE = SessionIdle(0, "s", "AAA", 1.0)


async def later(_event: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("PositionClose", print),
            "unknown class of events 'PositionClose'; did you mean 'PositionActive' or 'PositionClosed' or",
        ),
        (
            (AN_IDLE, print),
            "expected a class of events, found a SessionIdle; did you mean 'SessionEnded' or 'SessionIdle'",
        ),
        ((dict, print), "unknown class of events 'dict'; known: CommandRefused"),
        ((RiskCheck, print), "unknown class of events 'RiskCheck'"),
        ((None, print), "expected a class of events, found a NoneType; known: CommandRefused"),
        ((PositionClosed, "print"), "expected a handler, a function of one event, found 'print'"),
        ((PositionClosed, None), "expected a handler, a function of one event, found None"),
    ],
)
def test_what_is_no_event_or_no_function_is_refused(arguments: tuple[Any, Any], message: str) -> None:
    with registering_in(Registry()) as registry, pytest.raises(ConfigError, match=re.escape(message)) as caught:
        listen(*arguments)
    assert re.match(r".*test_listening\.py:\d+: ", str(caught.value))
    assert not registry.listeners


@pytest.mark.parametrize(("where", "found"), [(later, "an async one"), ("BTC", "'BTC'")])
def test_a_filter_that_cannot_answer_at_once_is_refused(where: Any, found: str) -> None:
    message = f"expected where to be a function that answers at once, found {found}"
    with registering_in(Registry()) as registry, pytest.raises(ConfigError, match=message):
        listen(PositionClosed, print, where=where)
    assert not registry.listeners


def test_events_pings_and_kinds_of_ones_own_are_taken() -> None:
    class Special(PositionClosed):
        """One of the author's."""

    with registering_in(Registry()) as registry:
        for kind in (Event, PositionClosed, TickPassed, Special):
            listen(kind, later)
    assert [listener.kind for listener in registry.listeners] == [Event, PositionClosed, TickPassed, Special]

"""Code that is asked about a signal gives no commands and sees no future; who comes late hears the next minute."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

import pytest

import backtestkit_cli as btk
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement
from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.backtest import run_backtest
from tests.markets import START_MS, flat, plan_for, random_candles, registered, wick

MINUTE_MS = 60_000
EYES = pytest.mark.parametrize("sees_ahead", [True, False], ids=["skipping", "stepping"])


def once(**wish: Any) -> Callable[[str, datetime, float], btk.Signal | None]:
    asked: list[str] = []

    def get_signal(symbol: str, _when: datetime, price: float) -> btk.Signal | None:
        if symbol in asked:
            return None
        asked.append(symbol)
        return btk.Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=20, **wish)

    return get_signal


def kinds_of(registry: Registry, *, sees_ahead: bool) -> list[str]:
    risks = {name: tuple(registry.risks[one] for one in spec.risk) for name, spec in registry.strategies.items()}
    plan = plan_for(registry, {"AAA": wick()}, risks=risks)
    events: tuple[Event, ...] = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead)).events
    return [type(event).__name__ for event in events]


@EYES
@pytest.mark.parametrize("command", [btk.cancel, btk.activate, btk.close_position])
def test_a_rule_that_gives_a_command_is_refused_and_the_signal_lives_on(
    command: Callable[[], Any], sees_ahead: bool
) -> None:
    answers: list[btk.CommandResult] = []

    def register() -> None:
        btk.add_risk("meddling", rules=[lambda _: answers.append(command())])
        btk.add_strategy("s", get_signal=once(price_open=95.0), risk="meddling")

    found = kinds_of(registered(register), sees_ahead=sees_ahead)
    refused = ["CommandRefused"]
    assert found == [*refused, "SignalScheduled", *refused, "PositionOpened", "PositionClosed"]
    assert not any(answers)
    assert "gives no commands" in answers[0].problem


def test_a_validator_gives_no_commands_either() -> None:
    answers: list[btk.CommandResult] = []
    registry = registered(
        lambda: btk.add_strategy("s", get_signal=once(), validate=lambda _signal, _price: answers.append(btk.cancel()))
    )
    asyncio.run(run_backtest(plan_for(registry, {"AAA": flat()})))
    assert ["gives no commands" in answer.problem for answer in answers] == [True]


@dataclass(frozen=True)
class Oracle:
    """Would buy at the lowest low of all it can see."""

    kind: ClassVar[str] = "oracle"

    def levels(self) -> dict[str, float]:
        return {}

    def placement(self, _sign: int, price: float) -> Placement:
        return False, price

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        lows = market.candles.low[start:stop]
        row = start + int(lows.argmin())
        return EntryTouch(row, market.prices.item(row))


@EYES
def test_an_order_of_the_authors_own_sees_no_row_before_its_tick(sees_ahead: bool) -> None:
    registry = registered(lambda: btk.add_strategy("s", get_signal=once(entry=Oracle())))
    events = asyncio.run(run_backtest(plan_for(registry, {"AAA": random_candles(3, 90)}), sees_ahead=sees_ahead)).events
    assert [(type(e).__name__, (e.at_ms - START_MS) // MINUTE_MS) for e in events][:2] == [
        ("SignalScheduled", 5),
        ("PositionOpened", 6),
    ]


LATE: dict[str, Callable[[list[int]], None]] = {}


def late(register: Callable[[list[int]], None]) -> Callable[[list[int]], None]:
    LATE[register.__name__] = register
    return register


def minute_of(heard: list[int]) -> Callable[[Any], None]:
    return lambda ping: heard.append((ping.at_ms - START_MS) // MINUTE_MS)


@late
def on_open_listens_to_the_position(heard: list[int]) -> None:
    def begin(_event: btk.PositionOpened) -> None:
        btk.listen(btk.PositionActive, minute_of(heard))

    btk.add_strategy("s", get_signal=once(), on_open=begin)


@late
def on_schedule_listens_to_every_tick(heard: list[int]) -> None:
    def begin(_event: btk.SignalScheduled) -> None:
        btk.listen(btk.TickPassed, minute_of(heard))

    btk.add_strategy("s", get_signal=once(price_open=90.5), on_schedule=begin)


@late
def get_signal_listens_to_idle_minutes(heard: list[int]) -> None:
    begun: list[bool] = []

    def get_signal(_symbol: str, _when: datetime, _price: float) -> None:
        if not begun:
            begun.append(True)
            btk.listen(btk.SessionIdle, minute_of(heard))

    btk.add_strategy("s", interval="15m", get_signal=get_signal)


@late
def a_job_listens_to_a_position_that_is_open_already(heard: list[int]) -> None:
    btk.add_strategy("s", get_signal=once())

    def begin(call: btk.JobCall) -> None:
        if call.when.minute == 20:
            btk.listen(btk.PositionActive, minute_of(heard))

    btk.add_job("late", cron="*/10 * * * *", handler=begin)


@pytest.mark.parametrize("name", LATE)
def test_who_begins_to_listen_during_the_run_hears_every_minute_from_the_next_one_on(name: str) -> None:
    found = []
    for sees_ahead in (True, False):
        heard: list[int] = []
        registry = registered(lambda: LATE[name](heard))  # noqa: B023 - called at once
        asyncio.run(run_backtest(plan_for(registry, {"AAA": flat()}), sees_ahead=sees_ahead))
        found.append(heard)
    skipping, stepping = found
    assert skipping == stepping
    assert skipping == list(range(skipping[0], skipping[0] + len(skipping)))
    assert len(skipping) > 3


@EYES
@pytest.mark.parametrize("is_watched", [False, True], ids=["quiet", "with a trailing stop"])
def test_who_comes_after_one_that_closed_the_position_is_told_of_none(is_watched: bool, sees_ahead: bool) -> None:
    heard: list[bool] = []
    policy = {"trailing_stop_pct": 5.0} if is_watched else {}

    def register() -> None:
        btk.add_strategy("s", get_signal=once(**policy), on_active=lambda _: btk.close_position())
        btk.listen(btk.PositionActive, lambda _: heard.append(btk.position() is not None))

    outcome = asyncio.run(run_backtest(plan_for(registered(register), {"AAA": flat()}), sees_ahead=sees_ahead))
    assert [trade.reason for trade in outcome.sessions[0].trades] == ["closed"]
    assert heard == []

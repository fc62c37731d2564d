"""Risk profiles while a run goes on: who is told, what is held, and what an odd rule may break, which is nothing."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from backtestkit_cli import (
    BlockSymbols,
    MaxOpen,
    RiskCheck,
    Signal,
    SignalCancelled,
    SignalRefused,
    SignalScheduled,
    TickPassed,
    activate,
)
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.risk import Stage
from backtestkit_cli.domain.signal import CancelReason
from backtestkit_cli.events.facts import CommandRefused, ErrorOccurred
from tests.engine.coordinated import (
    a_long,
    a_plan,
    a_profile,
    at,
    minute_of,
    of_kind,
    opened,
    ran,
    ran_both_ways,
    refusals,
    trades_of,
)
from tests.markets import flat, with_candle

Told = list[tuple[str, str, str, int]]


def telling(told: Told, name: str, *, is_async: bool) -> dict[str, Any]:
    """Return callbacks of a profile that write down whom they were told of."""

    def allowed(check: RiskCheck) -> None:
        told.append((name, "allowed", check.symbol, minute_of(check.at_ms)))

    def rejected(check: RiskCheck, reason: str) -> None:
        assert reason
        told.append((name, "rejected", check.symbol, minute_of(check.at_ms)))

    async def allowed_later(check: RiskCheck) -> None:
        await asyncio.sleep(0)
        allowed(check)

    async def rejected_later(check: RiskCheck, reason: str) -> None:
        await asyncio.sleep(0)
        rejected(check, reason)

    if is_async:
        return {"on_allowed": allowed_later, "on_rejected": rejected_later}
    return {"on_allowed": allowed, "on_rejected": rejected}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("sees_ahead", [False, True])
def test_each_decision_is_told_once_to_the_profile_that_made_it(is_async: bool, sees_ahead: bool) -> None:
    """A124: three symbols, one place; B and C are refused by the first profile, and only by it."""
    told: Told = []
    plan = a_plan(
        dict.fromkeys("ABC", flat(60)),
        at([20]),
        a_profile(MaxOpen(1), name="one", **telling(told, "one", is_async=is_async)),
        a_profile(MaxOpen(2), name="two", **telling(told, "two", is_async=is_async)),
        strategies=("s",),
    )
    ran(plan, sees_ahead=sees_ahead)
    assert told == [
        ("one", "allowed", "A", 20),
        ("two", "allowed", "A", 20),
        ("one", "rejected", "B", 20),
        ("one", "rejected", "C", 20),
    ]


def test_strategies_that_share_a_profile_tell_its_callbacks_once_each() -> None:
    told: Told = []
    profile = a_profile(MaxOpen(9), name="one", **telling(told, "one", is_async=False))
    ran(a_plan({"A": flat(60)}, at([20]), profile, strategies=("x", "y")))
    assert told == [("one", "allowed", "A", 20)] * 2


def test_a_signal_that_waits_is_decided_and_told_twice_as_it_appears_and_as_it_opens() -> None:
    told: Told = []
    stages: list[Stage] = []

    def look(check: RiskCheck) -> None:
        stages.append(check.stage)

    candles = {"A": with_candle(flat(60), 30, low=94.0)}
    plan = a_plan(
        candles,
        at([20], price_open=95.0, stop_loss=85.0),
        a_profile(look, name="one", **telling(told, "one", is_async=False)),
    )
    assert opened(ran(plan)) == [(31, "A")]
    assert told == [("one", "allowed", "A", 20), ("one", "allowed", "A", 31)]
    assert stages == [Stage.APPEARS, Stage.OPENS]


@pytest.mark.parametrize("raised", [ValueError("broken"), SystemExit(3), StopIteration()])
def test_callbacks_that_raise_are_error_events_by_their_own_name_and_the_run_goes_on(raised: BaseException) -> None:
    def my_allowed(_check: RiskCheck) -> None:
        raise raised

    def my_rejected(_check: RiskCheck, _reason: str) -> None:
        raise raised

    profile = a_profile(MaxOpen(1), on_allowed=my_allowed, on_rejected=my_rejected)
    outcome = ran(a_plan(dict.fromkeys("AB", flat(60)), at([20]), profile))
    errors = of_kind(outcome, ErrorOccurred)
    assert [(error.symbol, error.source.rpartition(".")[2]) for error in errors] == [
        ("A", "my_allowed"),
        ("B", "my_rejected"),
    ]
    assert all(type(raised).__name__ in error.error for error in errors)
    assert (opened(outcome), outcome.exit_code) == ([(20, "A")], 0)


def test_the_second_of_two_validations_raises_and_the_signal_is_refused_with_its_message() -> None:
    """A122."""

    def first(check: RiskCheck) -> None:
        assert check.symbol

    def second(_check: RiskCheck) -> None:
        raise ValueError("not today")

    outcome = ran_both_ways(a_plan({"A": flat(60)}, at([20]), a_profile(first, second)))
    assert refusals(outcome) == [(20, "A", "careful", "second", "not today")]
    assert trades_of(outcome) == []


def test_a_place_that_a_first_profile_gave_is_not_held_where_a_second_refuses() -> None:
    """A129: whoever comes next takes the place, at the same minute and later."""
    told: Told = []
    plan = a_plan(
        dict.fromkeys("ABC", flat(60)),
        at([20, 30, 40]),
        a_profile(MaxOpen(1), name="one", **telling(told, "one", is_async=False)),
        a_profile(BlockSymbols(("A", "B")), name="two"),
    )
    outcome = ran_both_ways(plan)
    assert opened(outcome) == [(20, "C")]
    assert [row[:4] for row in refusals(outcome)][:2] == [
        (20, "A", "two", "block_symbols"),
        (20, "B", "two", "block_symbols"),
    ]


def test_a_waiting_entry_is_judged_again_as_it_opens_and_refused_where_the_place_is_gone() -> None:
    candles = {"A": with_candle(flat(60), 30, low=94.0), "B": flat(60)}

    def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        now = minute_of(to_ms(when))
        if symbol == "A" and now == 20:
            return a_long(price, price_open=95.0, stop_loss=85.0)
        return a_long(price) if symbol == "B" and now == 25 else None

    told: Told = []
    profile = a_profile(MaxOpen(1), **telling(told, "careful", is_async=False))
    outcome = ran(plan := a_plan(candles, get_signal, profile))
    assert opened(outcome) == [(25, "B")]
    (scheduled,), (refused,) = of_kind(outcome, SignalScheduled), of_kind(outcome, SignalRefused)
    assert (refused.symbol, minute_of(refused.at_ms), refused.stage, refused.price) == ("A", 31, Stage.OPENS, 95.0)
    assert (refused.signal_id, refused.check.positions[0].symbol) == (scheduled.signal_id, "B")
    (cancelled,) = of_kind(outcome, SignalCancelled)
    assert (cancelled.at_ms, cancelled.reason) == (refused.at_ms, CancelReason.RISK)
    assert outcome.events.index(refused) < outcome.events.index(cancelled)
    assert told == [("careful", "allowed", "A", 20), ("careful", "allowed", "B", 25), ("careful", "rejected", "A", 31)]
    ran_both_ways(plan)


def test_activate_that_is_refused_leaves_the_signal_waiting_and_says_why() -> None:
    def soon(ping: TickPassed) -> None:
        if ping.waiting is not None and minute_of(ping.at_ms) in (22, 40):
            activate()

    def not_before_half(check: RiskCheck) -> str | None:
        is_early = check.stage is Stage.OPENS and check.when.minute < 30
        return "too early" if is_early else None

    plan = a_plan(
        {"A": flat(60)},
        at([20], price_open=95.0, stop_loss=85.0),
        a_profile(not_before_half),
        parts={"on_tick": soon},
    )
    outcome = ran_both_ways(plan)
    (refused,) = of_kind(outcome, CommandRefused)
    assert (refused.command, refused.problem) == ("activate", "careful: not_before_half: too early")
    assert opened(outcome) == [(40, "A")]
    assert (of_kind(outcome, SignalRefused), of_kind(outcome, SignalCancelled)) == ([], [])


class Silent(Exception):  # noqa: N818 - odd on purpose
    def __str__(self) -> str:
        return ""


def raising(error: BaseException) -> Callable[[RiskCheck], None]:
    def odd(check: RiskCheck) -> None:
        if check.symbol == "A":
            raise error

    return odd


def answering(value: Any) -> Callable[[RiskCheck], Any]:
    def odd(check: RiskCheck) -> Any:
        return value if check.symbol == "A" else None

    return odd


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        (raising(StopIteration()), "StopIteration"),
        (raising(SystemExit(3)), "SystemExit: 3"),
        (raising(KeyError("k")), "KeyError: 'k'"),
        (raising(Silent()), "Silent"),
        (raising(RecursionError()), "RecursionError"),
        (answering(True), "odd: expected None or a text, found bool"),
        (answering(0), "odd: expected None or a text, found int"),
        (answering(object()), "odd: expected None or a text, found object"),
        (answering(""), "odd refused without a reason"),
    ],
)
def test_an_odd_rule_refuses_and_neither_its_session_nor_the_run_ends(rule: Any, reason: str) -> None:
    outcome = ran(a_plan(dict.fromkeys("AB", flat(60)), at([20, 30]), a_profile(rule)))
    assert [found[:4] for found in refusals(outcome)] == [(20, "A", "careful", "odd"), (30, "A", "careful", "odd")]
    assert {found[4].partition(" (/")[0] for found in refusals(outcome)} == {reason}
    assert opened(outcome) == [(20, "B")]
    assert (outcome.exit_code, of_kind(outcome, ErrorOccurred)) == (0, [])

"""Position commands: what they take, what they refuse and say, and that a refused one changes nothing."""

import asyncio
import pickle
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    CommandRefused,
    CommandResult,
    PositionActive,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    ProfitLevelReached,
    Signal,
    SignalInvalid,
    StopMoved,
    TickPassed,
    activate,
    add_strategy,
    average_buy,
    breakeven,
    cancel,
    close_position,
    move_stop,
    move_take_profit,
    partial_close,
    position,
)
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, Settings
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.runs.backtest import run_backtest
from tests.engine.manoeuvres import a_signal, lived, minute_of, minute_of_close, only_at, rows, then, told
from tests.engine.orders import CANDLE, VWAP
from tests.laws import tried
from tests.markets import plan_for, random_candles, registered

both_models = pytest.mark.parametrize("model", [VWAP, CANDLE])
approx: Any = pytest.approx


class Unshowable:
    """Has no text."""

    def __repr__(self) -> str:
        raise RuntimeError("no")


ODD: dict[str, Any] = {
    "nan": float("nan"),
    "inf": float("inf"),
    "minus inf": float("-inf"),
    "negative": -1.0,
    "zero": 0,
    "text": "5",
    "long text": "x\n" * 500_000,
    "bad text": "\ud800",
    "none": None,
    "true": True,
    "decimal": Decimal(5),
    "complex": 5j,
    "list": [5],
    "array": np.array([5.0]),
    "object": object(),
    "unshowable": Unshowable(),
    "googol": 10**400,
    "without text": 10**5000,
    "numpy nan": np.float32("nan"),
}
TAKERS: dict[str, Callable[[Any], CommandResult]] = {
    "average_buy": average_buy,
    "partial_close": partial_close,
    "move_stop": move_stop,
    "move_take_profit": move_take_profit,
}
NAMES = {"average_buy": "cost", "partial_close": "percent", "move_stop": "stop_loss", "move_take_profit": "take_profit"}
RISING = then(99, 99, 99, 104, 96)


@pytest.mark.parametrize(
    ("command", "odd"),
    [(command, odd) for command in TAKERS for odd in ODD if (command, odd) != ("average_buy", "none")],
)
def test_an_odd_argument_is_refused_with_words_and_changes_nothing(command: str, odd: str) -> None:
    model = VWAP if len(odd) % 2 else CANDLE
    answers: list[CommandResult] = []
    give = only_at(2, lambda: TAKERS[command](ODD[odd]), into=answers)
    outcome = lived(a_signal(), RISING, model, on_active=give)
    answer = answers[0]
    assert not answer
    assert answer.problem.startswith(f"{NAMES[command]} must be")
    assert len(answer.problem) < 250
    assert "\n" not in answer.problem
    (refusal,) = (event for event in outcome.events if isinstance(event, CommandRefused))
    assert (minute_of(refusal), refusal.command, refusal.problem) == (2, command, answer.problem)
    row = event_row(refusal)
    assert orjson.loads(orjson.dumps(row))["command"] == command
    assert pickle.loads(pickle.dumps(refusal)) == refusal, "it goes from process to process"  # noqa: S301
    assert lived(a_signal(), RISING, model, on_active=give, sees_ahead=False).events == outcome.events
    untouched = lived(a_signal(), RISING, model)
    assert [event for event in outcome.events if event is not refusal] == list(untouched.events)
    assert outcome.sessions[0].trades == untouched.sessions[0].trades


PLAINLY: list[tuple[Any, Any]] = [
    ("5", "5"),
    (Decimal(5), "<Decimal>"),
    (np.float32(-2.5), -2.5),
    (float("nan"), "nan"),
    (-(2**70), "-1180591620717411303424"),
    (10**5000, "<int>"),
    (None, None),
    (Unshowable(), "<Unshowable>"),
]


@pytest.mark.parametrize("index", range(len(PLAINLY)))
def test_the_events_file_says_an_odd_argument_as_plainly_as_it_can(index: int) -> None:
    argument, plainly = PLAINLY[index]
    outcome = lived(a_signal(), RISING, VWAP, on_active=only_at(2, lambda: move_take_profit(argument)))
    argument_of = [event_row(event)["argument"] for event in outcome.events if isinstance(event, CommandRefused)]
    assert argument_of == [plainly]


@pytest.mark.parametrize("name", ["take_profit", "stop_loss", "cost", "minutes", "price_open", "trailing_stop_pct"])
@pytest.mark.parametrize("odd", [o for o in ODD if o != "none"])
def test_a_signal_with_an_odd_number_is_an_event_and_the_session_goes_on(name: str, odd: str) -> None:
    outcome = lived(a_signal(**{name: ODD[odd]}), RISING, VWAP)
    (event,) = outcome.events
    assert isinstance(event, SignalInvalid)
    assert any(name in problem for problem in event.problems)
    orjson.dumps(event_row(event))


@pytest.mark.parametrize(
    ("cost", "problem"),
    [
        (1e-15, "must be a sum that counts beside the 100.0 already in"),
        (1e-300, "must be from 1e-15 to 1e+15"),
        (1e308, "must be from 1e-15 to 1e+15"),
    ],
)
@both_models
def test_an_absurd_cost_is_refused_and_the_position_stays_what_it_was(
    model: FillModelName, cost: float, problem: str
) -> None:
    answers: list[CommandResult] = []
    give = only_at(2, lambda: average_buy(cost), into=answers)
    _, trade = told(a_signal(), RISING, model, on_active=give, averaging=AveragingPolicy.ANY)
    assert problem in answers[0].problem
    assert trade.invested == 100.0
    assert np.isfinite(trade.pnl_pct)


@both_models
def test_a_part_is_above_0_and_at_most_100_percent_and_must_count(model: FillModelName) -> None:
    answers: list[CommandResult] = []
    parts = (1e-300, 100.0000001, 5e-324, Fraction(1, 2), np.float32(50), 100)
    give = only_at(2, *(lambda part=part: partial_close(part) for part in parts), into=answers)
    events, trade = told(a_signal(), RISING, model, on_active=give)
    assert [bool(answer) for answer in answers[:6]] == [False, False, False, True, True, True]
    assert "percent must be a part that counts, was 1e-300" in answers[0].problem
    assert "at most 100, was 100.0000001" in answers[1].problem
    assert [event.percent for event in events if isinstance(event, PositionReduced)] == [0.5, 50.0]
    assert (trade.reason, minute_of_close(trade), trade.price_close) == ("closed", 2, 99.0)
    assert sum(part.cost for part in trade.partials) == approx(0.5 + 99.5 / 2)


EVERY: list[Callable[[], CommandResult]] = [
    lambda: average_buy(10),
    lambda: partial_close(10),
    lambda: move_stop(99),
    lambda: move_take_profit(120),
    breakeven,
    close_position,
]


@both_models
def test_without_a_position_and_on_a_waiting_signal_every_command_says_so(model: FillModelName) -> None:
    flat: list[CommandResult] = []
    waiting: list[CommandResult] = []
    at_once = [*EVERY, cancel, activate]

    def on_tick(tick: TickPassed) -> None:
        if minute_of(tick) == -1:
            flat.extend(command() for command in at_once)
        if minute_of(tick) == 1:
            assert tick.waiting is not None
            waiting.extend(command() for command in EVERY)

    signal = a_signal(price_open=98.0)
    outcome = lived(signal, then(100, 99, 98, 99), model, on_tick=on_tick)
    assert [answer.problem for answer in flat] == ["no position is open"] * 6 + ["no signal is waiting"] * 2
    assert [answer.problem for answer in waiting] == ["no position is open"] * 6
    kept = [event for event in outcome.events if not isinstance(event, CommandRefused)]
    assert kept == list(lived(signal, then(100, 99, 98, 99), model).events)


@both_models
def test_commands_of_a_waiting_signal_are_refused_once_it_is_open(model: FillModelName) -> None:
    answers: list[CommandResult] = []
    told(a_signal(), RISING, model, on_active=only_at(1, cancel, activate, into=answers))
    assert [answer.problem for answer in answers[:2]] == ["no signal is waiting"] * 2


@both_models
def test_a_waiting_signal_does_not_open_beyond_its_own_exits(model: FillModelName) -> None:
    answers: list[CommandResult] = []
    signal = a_signal(price_open=98.0, take_profit=104.0, stop_loss=95.0)
    give = only_at(2, activate, into=answers)
    outcome = lived(signal, then(101, 104, 103), model, on_tick=give)
    assert answers[0].problem == "price 104.0 is not between stop_loss 95.0 and take_profit 104.0"
    assert not any(isinstance(event, PositionOpened) for event in outcome.events)


@both_models
@pytest.mark.parametrize("sign", [1, -1])
def test_a_stop_moves_only_tighter_and_never_to_or_beyond_the_price(model: FillModelName, sign: int) -> None:
    answers: list[CommandResult] = []

    def level(distance: float) -> float:
        return 100.0 + sign * distance

    moves = [level(d) for d in (-10, -11, 3, 3.5, -9, -9.5, 2.9)]
    give = only_at(2, *(lambda to=to: move_stop(to) for to in moves), into=answers)
    signal = a_signal(position="long" if sign > 0 else "short", take_profit=level(10), stop_loss=level(-10))
    events, trade = told(signal, then(level(1), level(3), level(4)), model, on_active=give)
    assert [bool(answer) for answer in answers[:7]] == [False, False, False, False, True, False, True]
    tighter, beyond, side = ("above", "below", "long") if sign > 0 else ("below", "above", "short")
    assert answers[0].problem == f"stop_loss of a {side} may only go {tighter} {level(-10)}, was {level(-10)}"
    assert answers[2].problem == f"stop_loss of a {side} must be {beyond} the price {level(3)}, was {level(3)}"
    assert [row for row in rows(events, "stop_loss", "by") if row[1] == "stop_moved"] == [
        (2, "stop_moved", level(-9), "command"),
        (2, "stop_moved", level(2.9), "command"),
    ]
    assert trade.stop_loss == level(2.9)


@both_models
@pytest.mark.parametrize("sign", [1, -1])
def test_a_target_moves_anywhere_beyond_the_price(model: FillModelName, sign: int) -> None:
    answers: list[CommandResult] = []

    def level(distance: float) -> float:
        return 100.0 + sign * distance

    give = only_at(2, *(lambda d=d: move_take_profit(level(d)) for d in (3, 2, 20, 3.5)), into=answers)
    signal = a_signal(position="long" if sign > 0 else "short", take_profit=level(10), stop_loss=level(-10))
    _, trade = told(signal, then(level(1), level(3), level(3.4), level(3.5)), model, on_active=give)
    assert [bool(answer) for answer in answers[:4]] == [False, False, True, True]
    way, side = ("above", "long") if sign > 0 else ("below", "short")
    assert answers[0].problem == f"take_profit of a {side} must be {way} the price {level(3)}, was {level(3)}"
    assert (trade.reason, minute_of_close(trade), trade.price_close) == ("take_profit", 4, level(3.5))
    assert trade.take_profit == level(3.5)


@both_models
def test_what_a_command_moved_is_first_tested_at_the_next_minute(model: FillModelName) -> None:
    give = only_at(2, lambda: move_stop(98.9))
    _, trade = told(a_signal(), then(100, 99, 98.95, 98.9), model, on_active=give)
    assert (trade.reason, minute_of_close(trade), trade.price_close) == ("stop_loss", 4, 98.9)


@both_models
def test_breakeven_by_command_needs_a_price_beyond_the_costs(model: FillModelName) -> None:
    answers: list[CommandResult] = []
    told(a_signal(), then(100.4, 101), model, on_active=only_at(1, breakeven, into=answers))
    assert answers[0].problem == "price 100.4 is not yet above the breakeven price 100.400801201602"
    events, trade = told(a_signal(), then(100.5, 101), model, on_active=only_at(1, breakeven, breakeven, into=answers))
    assert rows(events, "stop_loss")[0] == (1, "stop_moved", approx(100.4008012016))
    assert "may only go above" in answers[-1].problem
    assert trade.stop_loss == approx(100.4008012016)


@both_models
def test_two_commands_of_one_tick_are_carried_out_in_their_order(model: FillModelName) -> None:
    def sums(*commands: Callable[[], object]) -> tuple[float, float]:
        _, trade = told(a_signal(), then(96, 95, 97), model, on_active=only_at(2, *commands))
        return trade.price_effective, trade.pnl_cost

    buy, sell = (lambda: average_buy(100)), (lambda: partial_close(50))
    first_buy, first_sell = sums(buy, sell), sums(sell, buy)
    assert first_buy[0] == approx(200 / (1 + 100 / 95))
    assert first_sell[0] == approx(150 / (0.5 + 100 / 95))
    assert first_buy[1] != first_sell[1]


@both_models
def test_after_a_close_the_other_commands_of_the_tick_find_no_position(model: FillModelName) -> None:
    answers: list[CommandResult] = []
    give = only_at(2, lambda: close_position("done"), lambda: average_buy(10), close_position, into=answers)
    outcome = lived(a_signal(), RISING, model, on_active=give)
    assert [answer.problem for answer in answers] == ["", "no position is open", "no position is open"]
    assert [type(event) for event in outcome.events][1:] == [PositionClosed, CommandRefused, CommandRefused]
    (trade,) = outcome.sessions[0].trades
    assert (trade.reason, trade.note, minute_of_close(trade)) == ("closed", "done", 2)


@both_models
def test_commands_work_inside_the_callbacks_of_what_happens(model: FillModelName) -> None:
    def on_open(_event: PositionOpened) -> None:
        assert move_stop(95)
        assert partial_close(20)

    def on_partial_profit(event: ProfitLevelReached) -> None:
        assert partial_close(50)
        assert move_stop(event.price - 1)

    def on_close(_event: PositionClosed) -> None:
        assert position() is None
        assert close_position().problem == "no position is open"

    callbacks: dict[str, Any] = {"on_open": on_open, "on_partial_profit": on_partial_profit, "on_close": on_close}
    signal = a_signal(take_profit=150.0)
    outcome = lived(signal, then(105, 111, 110, 109), model, **callbacks)
    assert outcome.events == lived(signal, then(105, 111, 110, 109), model, sees_ahead=False, **callbacks).events
    assert [(minute_of(event), type(event).__name__) for event in outcome.events] == [
        (0, "PositionOpened"),
        (0, "StopMoved"),
        (0, "PositionReduced"),
        (2, "ProfitLevelReached"),
        (2, "PositionReduced"),
        (2, "StopMoved"),
        (3, "PositionClosed"),
        (3, "CommandRefused"),
    ]
    (trade,) = outcome.sessions[0].trades
    assert (trade.reason, trade.price_close) == ("stop_loss", 110.0)
    assert [part.cost for part in trade.partials] == [approx(20), approx(40)]


@both_models
def test_a_callback_that_closes_at_a_level_leaves_the_further_levels_of_the_jump_told(model: FillModelName) -> None:
    answers: list[tuple[int, bool]] = []

    def on_partial_profit(event: ProfitLevelReached) -> None:
        answers.append((event.level, bool(close_position(f"at {event.level}"))))

    signal = a_signal(take_profit=150.0, breakeven_at_pct=1, trailing_stop_pct=5)
    outcome = lived(signal, then(100, 135, 136), model, on_partial_profit=on_partial_profit)
    assert answers == [(10, True), (20, False), (30, False)]
    kinds = [type(event) for event in outcome.events if minute_of(event) == 2]
    assert kinds == [ProfitLevelReached] * 3 + [PositionClosed] + [CommandRefused] * 2
    (trade,) = outcome.sessions[0].trades
    assert (trade.note, trade.price_close, trade.reason) == ("at 10", 135.0, "closed")


@both_models
def test_a_session_that_was_closed_by_a_callback_is_asked_again_a_minute_later(model: FillModelName) -> None:
    asked: list[int] = []

    def get_signal(_symbol: str, when: datetime, price: float) -> Signal:
        asked.append(to_ms(when) // 60_000)
        return a_signal(take_profit=price * 1.5, stop_loss=price * 0.5)

    registry = registered(
        lambda: add_strategy("s", get_signal=get_signal, on_partial_profit=lambda _: close_position())
    )
    chosen = Settings(fill_model=model, avg_price_candles=1, max_stop_loss_pct=90)
    plan = plan_for(registry, {"AAA": then(111, 111, 123, 123)}, settings=chosen)
    outcome = asyncio.run(run_backtest(plan))
    closed = [event.at_ms // 60_000 for event in outcome.events if isinstance(event, PositionClosed)]
    assert asked[1:] == [minute + 1 for minute in closed[: len(asked) - 1]]
    assert len(asked) >= 2


@given(
    seed=st.integers(0, 2**16),
    model=st.sampled_from(list(FillModelName)),
    trailing=st.sampled_from([None, 0.3, 2.0]),
    even=st.sampled_from([None, 0.5]),
    side=st.sampled_from(["long", "short"]),
)
@tried(10, 35)
def test_a_stop_never_loosens(
    seed: int, model: FillModelName, trailing: float | None, even: float | None, side: str
) -> None:
    sign = 1 if side == "long" else -1
    stops: dict[str, list[float]] = {}

    def on_active(ping: PositionActive) -> None:
        rng = np.random.default_rng([seed, ping.at_ms // 60_000])
        stops.setdefault(ping.position.id, []).append(ping.position.stop_loss)
        if rng.random() < 0.2:
            move_stop(ping.price * (1 + float(rng.normal(0, 0.01))))
        if rng.random() < 0.1:
            average_buy(float(rng.choice([10, 100, 1000])))
        if rng.random() < 0.1:
            breakeven()

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        return Signal(
            position=side,
            take_profit=price * (1 + sign * 0.04),
            stop_loss=price * (1 - sign * 0.03),
            minutes=120,
            trailing_stop_pct=trailing,
            breakeven_at_pct=even,
        )

    registry = registered(lambda: add_strategy("s", get_signal=get_signal, on_active=on_active))
    chosen = Settings(fill_model=model, averaging=AveragingPolicy.ANY)
    outcome = asyncio.run(run_backtest(plan_for(registry, {"AAA": random_candles(seed, 400)}, settings=chosen)))
    assert outcome.sessions[0].error is None
    for event in outcome.events:
        if isinstance(event, StopMoved):
            stops.setdefault(event.position.id, [])
    trades = {trade.id: trade for trade in outcome.sessions[0].trades}
    for found in (trades[key] for key in stops):
        seen = [sign * stop for stop in (*stops[found.id], found.stop_loss)]
        assert seen == sorted(seen)
    assert any(stops.values())


@given(seed=st.integers(0, 2**16), model=st.sampled_from(list(FillModelName)), side=st.sampled_from(["long", "short"]))
@tried(10, 35)
def test_partial_closes_and_averaging_conserve_quantity_and_money(seed: int, model: FillModelName, side: str) -> None:
    sign = 1 if side == "long" else -1

    def on_active(ping: PositionActive) -> None:
        rng = np.random.default_rng([seed, ping.at_ms // 60_000])
        if rng.random() < 0.3:
            average_buy(float(rng.uniform(1, 200)))
        if rng.random() < 0.3:
            partial_close(float(rng.uniform(0, 60)))

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        exits: dict[str, Any] = {"take_profit": price * (1 + sign * 0.05), "stop_loss": price * (1 - sign * 0.05)}
        return Signal(position=side, minutes=60, **exits)

    registry = registered(lambda: add_strategy("s", get_signal=get_signal, on_active=on_active))
    chosen = Settings(fill_model=model, averaging=AveragingPolicy.ANY)
    outcome = asyncio.run(run_backtest(plan_for(registry, {"AAA": random_candles(seed, 300)}, settings=chosen)))
    held: dict[str, float] = {}
    count = 0
    for event in outcome.events:
        match event:
            case PositionOpened(position=ledger):
                held[ledger.id] = ledger.invested / event.price
            case PositionAveraged(position=ledger):
                held[ledger.id] += event.cost / event.price
                count += 1
            case PositionReduced(position=ledger):
                held[ledger.id] *= 1 - event.percent / 100
                count += 1
            case PositionClosed(trade=trade):
                assert parts_and_rest(trade) == approx(trade.invested)
                continue
            case _:
                continue
        assert ledger.quantity_left == approx(held[ledger.id], rel=1e-9)
        assert ledger.quantity_left * ledger.price_effective == approx(ledger.cost_left, rel=1e-9)
        assert sum(part.cost for part in ledger.partials) + ledger.cost_left == approx(ledger.invested, rel=1e-9)
    assert count > 10


def parts_and_rest(trade: Trade) -> float:
    """Return the money of all parts sold and of what was left at the close, followed entry by entry."""
    left, gone = 0.0, 0.0
    for index, entry in enumerate(trade.entries):
        left += entry.cost
        for part in trade.partials:
            if part.entries_before == index + 1:
                left, gone = left - part.cost, gone + part.cost
    assert left > 0
    return gone + left

"""A bot that dies with any of its calls and is begun again does what one does that lives on."""

import random
from collections import Counter
from datetime import datetime
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from backtestkit_cli import (
    Ladder,
    PositionActive,
    ProfitLevelReached,
    Signal,
    SignalScheduled,
    add_strategy,
)
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.events.bus import PINGS
from backtestkit_cli.events.venue_facts import PositionRestored
from backtestkit_cli.runs.plan import RunPlan
from tests.engine.test_laws import CHOICES, a_random_strategy, market, settings_of
from tests.laws import ALL_LAWS, takes_long, tried
from tests.markets import START_MS, candles_of, plan_for, registered
from tests.runs.trading.dying import Left, World

MINUTE_MS = 60_000


def crowded(told: list[Any]) -> set[int]:
    """Return the instants at which a session did more than one thing: the rest of a tick is not made up for."""
    acts = [event for event in told if not isinstance(event, PINGS)]
    return {at_ms for (at_ms, _), count in Counter((e.at_ms, e.symbol) for e in acts).items() if count > 1}


def is_the_same(found: Left, expected: Left) -> None:
    """Check that two bots came to the same."""
    assert found.trades == expected.trades
    assert found.account.cash == expected.account.cash
    assert found.account.holdings == expected.account.holdings == {}
    for key, memory in found.memories.items():
        assert (memory.state, memory.orders, memory.closing) == (None, (), None), key


@takes_long
@given(choice=CHOICES, seed=st.integers(0, 2**32))
@tried(2, 100)
def test_who_dies_at_any_call_before_or_after_it_did_something_trades_on_as_if_nothing_had_been(
    choice: dict[str, Any], seed: int
) -> None:
    """A98: the trades and the account are those of one who never died; nothing is bought or sold twice."""
    rng = random.Random(seed)
    candles = {"AAA": market(choice, 0, 120), "BBB": market(choice, 1, 120)}
    plan = plan_for(a_random_strategy(choice), candles, settings=settings_of(choice))
    alive = World(plan)
    expected = alive.lives()
    assert expected is not None
    busy = crowded(expected.told)
    deaths = [at for at, (at_ms, _) in enumerate(alive.calls) if at_ms not in busy]
    assume(deaths)
    for at in rng.sample(deaths, min(6 if ALL_LAWS else 2, len(deaths))):
        world = World(plan)
        assert world.lives(at, is_before=rng.random() < 0.5) is None
        found = world.lives()
        assert found is not None
        is_the_same(found, expected)


@takes_long
@given(choice=CHOICES, seed=st.integers(0, 2**32))
@tried(2, 40)
def test_who_dies_again_and_again_trades_on_as_if_nothing_had_been(choice: dict[str, Any], seed: int) -> None:
    rng = random.Random(seed)
    plan = plan_for(a_random_strategy(choice), {"AAA": market(choice, 0, 120)}, settings=settings_of(choice))
    expected = World(plan).lives()
    assert expected is not None
    assume(not crowded(expected.told))
    world, found, lives = World(plan), None, 0
    while found is None:
        lives += 1
        at = len(world.calls) + rng.randrange(40) if lives < 20 else None
        found = world.lives(at, is_before=rng.random() < 0.5)
    is_the_same(found, expected)


def a_plan(closes: list[float], signal: Signal, model: FillModelName, **callbacks: Any) -> RunPlan:
    """Return a run of *signal*, wanted at minute 10, on a market of *closes* after ten minutes at 100."""

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        return signal if to_ms(when) == START_MS + 10 * MINUTE_MS else None

    candles = candles_of([100.0] * 11 + closes)
    registry = registered(lambda: add_strategy("s", get_signal=get_signal, **callbacks))
    chosen = Settings(fill_model=model, avg_price_candles=1)
    return plan_for(registry, {"AAA": candles}, settings=chosen)


def dies_at_every_call(plan: RunPlan, heard: list[Any]) -> list[tuple[Left, int, list[Any]]]:
    """Return what is left after each death there may be, the minute of it, and what was *heard* after it."""
    alive = World(plan)
    expected = alive.lives()
    assert expected is not None
    lives = []
    for at, (at_ms, _) in enumerate(alive.calls):
        for is_before in (True, False):
            world = World(plan)
            assert world.lives(at, is_before=is_before) is None
            heard.clear()
            found = world.lives()
            assert found is not None
            is_the_same(found, expected)
            lives.append((found, (at_ms - START_MS) // MINUTE_MS, list(heard)))
    return lives


both_models = pytest.mark.parametrize("model", list(FillModelName))


@both_models
def test_a_level_that_was_reached_is_not_reached_again(model: FillModelName) -> None:
    """A140: after a death at 20 % the way to 30 % tells 30 alone."""
    heard: list[int] = []

    def hear(event: ProfitLevelReached) -> None:
        heard.append(round(event.level))

    closes = [100.0, 101.0, 102.2, 102.2, 102.2, 103.3, 103.3, 103.3]
    signal = Signal(position="long", take_profit=110.0, stop_loss=95.0, minutes=60)
    plan = a_plan(closes, signal, model, on_partial_profit=hear)
    for _, minute, after in dies_at_every_call(plan, heard):
        assert after == sorted(set(after)), "each level once, and none below one that was reached"
        if minute >= 14:
            assert 20 not in after


@both_models
def test_what_is_open_or_waits_is_told_once_after_a_restart(model: FillModelName) -> None:
    """A99: `on_active` gets the restored position, `on_schedule` the restored signal, by the id it had."""
    heard: list[tuple[str, int, str]] = []

    def schedule(event: SignalScheduled) -> None:
        heard.append(("waits" if event.is_restored else "new", event.at_ms, event.signal_id))

    def active(ping: PositionActive) -> None:
        heard.append(("active", ping.at_ms, ping.position.id))

    closes = [100.0, 99.6, 99.6, 98.9, 98.9, 99.5, 99.7, 99.9, 100.2, 100.4]
    signal = Signal(
        position="long",
        price_open=99.0,
        take_profit=110.0,
        stop_loss=90.0,
        minutes=60,
        ladder=Ladder(step_pct=0.5, entries=3),
    )
    plan = a_plan(closes, signal, model, on_schedule=schedule, on_active=active)
    kinds = set()
    for found, _, after in dies_at_every_call(plan, heard):
        restored = [event for event in found.told if isinstance(event, PositionRestored)]
        waiting = [one for one in after if one[0] == "waits"]
        assert len(restored) + len(waiting) <= 1
        assert len({signal_id for *_, signal_id in after}) <= 1
        if restored:
            kinds.add("open")
            assert after == [] or after[0][0] == "active"
            assert {signal_id for *_, signal_id in after} <= {restored[0].position.id}
        kinds |= {kind for kind, *_ in waiting}
        ticks = [at_ms for kind, at_ms, _ in after if kind == "active"]
        assert ticks == sorted(set(ticks)), "each minute once"
    assert kinds == {"open", "waits"}


@both_models
def test_a_stop_that_follows_goes_on_from_where_it_was(model: FillModelName) -> None:
    closes = [100.5, 101.0, 102.0, 103.0, 102.6, 103.5, 103.2, 102.4, 101.0, 100.0]
    signal = Signal(
        position="long", take_profit=120.0, stop_loss=95.0, minutes=60, trailing_stop_pct=0.9, breakeven_at_pct=0.5
    )
    found, *_ = dies_at_every_call(a_plan(closes, signal, model), [])[0]
    (trade,) = found.trades["AAA", "s"]
    assert trade.stop_loss > 102

"""The state machine against a second, naive model of it, over random feeds and streams of commands.

The default run takes some of the feeds; `make laws` takes all 10,000.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import (
    Above,
    Below,
    Event,
    Ladder,
    Signal,
    Stop,
    StopLimit,
    activate,
    add_strategy,
    average_buy,
    breakeven,
    cancel,
    close_position,
    move_stop,
    move_take_profit,
    now,
    partial_close,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS, to_ms
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, PartialBasis, Settings
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.runs.backtest import run_backtest
from tests.engine.naive import Fact, Naive, World, net_of
from tests.laws import ALL_LAWS
from tests.markets import START_MS, plan_for, registered

FEEDS = 10_000
BLOCKS = 20
SHARE = FEEDS if ALL_LAWS else 240
WARM_UP = 5
CALLBACKS = {
    "position_opened": "on_open",
    "position_closed": "on_close",
    "position_averaged": "on_average",
    "position_reduced": "on_reduce",
    "profit_level_reached": "on_partial_profit",
    "loss_level_reached": "on_partial_loss",
    "stop_moved": "on_stop_moved",
    "signal_scheduled": "on_schedule",
}
REACTIONS = (
    ("position_opened", ("move_stop", 0.995)),
    ("position_opened", ("partial_close", 40.0)),
    ("position_opened", ("close_position", None)),
    ("position_closed", ("close_position", None)),
    ("position_averaged", ("move_take_profit", 1.01)),
    ("position_averaged", ("partial_close", 25.0)),
    ("position_reduced", ("breakeven", None)),
    ("profit_level_reached", ("partial_close", 30.0)),
    ("profit_level_reached", ("close_position", None)),
    ("profit_level_reached", ("breakeven", None)),
    ("loss_level_reached", ("average_buy", None)),
    ("loss_level_reached", ("partial_close", 50.0)),
    ("stop_moved", ("move_take_profit", 1.03)),
    ("stop_moved", ("partial_close", 100.0)),
    ("signal_scheduled", ("activate", None)),
)
COMMANDS: Mapping[str, Callable[..., object]] = {
    "average_buy": average_buy,
    "partial_close": partial_close,
    "move_stop": move_stop,
    "move_take_profit": move_take_profit,
    "breakeven": lambda _: breakeven(),
    "close_position": lambda _: close_position(),
    "cancel": lambda _: cancel(),
    "activate": lambda _: activate(),
}
ARGUMENTS: Mapping[str, tuple[float | None, ...]] = {
    "average_buy": (None, 30.0, -1.0, float("nan")),
    "partial_close": (10.0, 50.0, 100.0, 0.0, 100.0000001),
    "move_stop": (0.98, 0.995, 1.0, 1.005, 1.02, float("inf")),
    "move_take_profit": (0.97, 0.995, 1.0, 1.005, 1.03, float("nan")),
    "breakeven": (None,),
    "close_position": (None,),
    "cancel": (None,),
    "activate": (None,),
}
NAMES = (*COMMANDS, "average_buy", "partial_close", "move_stop", "move_take_profit", "breakeven", "activate")


def a_market(rng: np.random.Generator, minutes: int) -> dict[str, np.ndarray[Any, Any]]:
    """Return columns of a walk in small or wild steps, with jumps and wicks, now and then on a grid of round prices."""
    scale = rng.choice([0.001, 0.004, 0.02, 0.08])
    steps = rng.normal(0, scale, minutes) * (rng.random(minutes) < 0.8)
    jumps = rng.normal(0, 4 * scale, minutes) * (rng.random(minutes) < 0.05)
    close = 100 * np.exp(np.cumsum(steps + jumps))
    opened = np.concatenate(([100.0], close[:-1])) * np.exp(jumps * (rng.random(minutes) < 0.5))
    wicks = np.abs(rng.normal(0, scale / 2, (2, minutes))) * (rng.random((2, minutes)) < 0.7)
    high, low = np.maximum(opened, close) * (1 + wicks[0]), np.minimum(opened, close) * (1 - wicks[1])
    grid = rng.choice([0, 0.1, 0.5])
    if grid:
        opened, high, low, close = (np.maximum(np.round(c / grid), 1) * grid for c in (opened, high, low, close))
    volume = np.round(rng.random(minutes) * 5) * (rng.random(minutes) < rng.choice([0.3, 0.9, 1.0]))
    return {"open": opened, "high": high, "low": low, "close": close, "volume": volume}


def wish_at(dice: Sequence[float], scale: float, price: float) -> dict[str, Any] | None:
    """Return the signal that *dice*, numbers from 0 to 1, make of *price*; its levels stand on its right sides."""
    if dice[0] < 0.6:
        return None
    sign = 1 if dice[1] < 0.5 else -1
    kind = ("market", "market", "market", "limit", "limit", "stop", "stop_limit", "above", "below")[int(dice[2] * 9)]
    level = price * (1 + (dice[3] - 0.5) * scale)
    limit = level * (1 + (dice[4] - 0.5) * scale)
    if dice[5] < 0.4:
        level, limit = round(level, 1), round(limit, 1)
    entry = level
    if kind == "market":
        entry = price
    elif kind == "stop":
        entry = price if sign * price >= sign * level else level
    elif kind == "stop_limit":
        fill = price if sign * price >= sign * level else level
        entry = fill if sign * fill <= sign * limit else limit
    elif kind in ("above", "below"):
        entry = price if (price >= level if kind == "above" else price <= level) else level
    gain, loss = (max(entry * min(part * scale, 0.8), 0.01) for part in dice[6:8])
    if dice[5] < 0.4 and entry == round(entry, 1):
        gain, loss = max(round(gain, 1), 0.1), max(round(loss, 1), 0.1)

    def maybe(number: float, *choices: Any) -> Any:
        return choices[int(number * len(choices))]

    trailing = maybe(dice[8], None, None, None, 0.2, 1.0, scale * 20)
    return {
        "kind": kind,
        "sign": sign,
        "level": level,
        "limit": limit,
        "take_profit": entry + sign * gain,
        "stop_loss": entry - sign * loss,
        "minutes": maybe(dice[9], None, 1, 4, 15, 1000),
        "cost": maybe(dice[10], 100.0, 37.0),
        "trailing_stop_pct": trailing,
        "trailing_activation_pct": maybe(dice[11], None, 0.3, scale * 20) if trailing else None,
        "breakeven_at_pct": maybe(dice[12], None, None, None, 0.1, scale * 15),
        "ladder": maybe(
            dice[13],
            *[None] * 5,
            {"step_pct": scale * 15, "entries": 4, "cost": 20.0, "take_profit_pct": scale * 30},
            {"step_pct": 0.3, "entries": 3, "cost": None, "take_profit_pct": None},
        ),
    }


def a_world(seed: int) -> World:
    """Return the feed of *seed* with all that is said and done in it."""
    rng = np.random.default_rng(seed)
    minutes = int(rng.integers(40, 81))
    columns = {name: column.tolist() for name, column in a_market(rng, minutes).items()}
    scale = float(rng.choice([0.01, 0.05, 0.3, 0.9]))
    dice = rng.random((minutes, 14)).tolist()
    commands = {
        int(row): [(name, rng.choice(np.array(ARGUMENTS[name], object))) for name in rng.choice(NAMES, 2).tolist()]
        for row in np.flatnonzero(rng.random(minutes) < 0.12)
    }
    reactions = [REACTIONS[int(rng.integers(len(REACTIONS)))]] if rng.random() < 0.4 else []
    return World(
        **columns,
        first_row=WARM_UP - 1,
        settings={
            "fill_model": str(rng.choice(["vwap", "candle"])),
            "averaging": str(rng.choice(["below_lowest", "below_effective", "any"])),
            "partial_basis": str(rng.choice(["revenue", "progress"])),
            "schedule_await_minutes": int(rng.choice([1, 6, 120])),
            "avg_price_candles": int(rng.choice([1, 3, 5])),
            "interval": int(rng.choice([1, 1, 3, 5])),
            "fee_pct": float(rng.choice([0, 0.1])),
            "slippage_pct": float(rng.choice([0, 0.1])),
            "position_cost": 50.0,
        },
        wish=lambda row, price: wish_at(dice[row], scale, price),
        commands=commands,
        hears=str(rng.choice(["nothing", "active", "active", "tick"])),
        reactions={kind: [command] for kind, command in reactions},
    )


def signal_of(wish: Mapping[str, Any]) -> Signal:
    """Return *wish* as a strategy says it."""
    level, limit = wish["level"], wish["limit"]
    entry: Any = {
        "stop": Stop(level),
        "stop_limit": StopLimit(level, limit),
        "above": Above(level),
        "below": Below(level),
    }.get(wish["kind"])
    names = ("take_profit", "stop_loss", "minutes", "cost", "trailing_stop_pct", "trailing_activation_pct")
    return Signal(
        position="long" if wish["sign"] > 0 else "short",
        price_open=level if wish["kind"] == "limit" else None,
        entry=entry,
        breakeven_at_pct=wish["breakeven_at_pct"],
        ladder=None if wish["ladder"] is None else Ladder(**wish["ladder"]),
        **{name: wish[name] for name in names},
    )


def row_of(at_ms: int) -> int:
    return (at_ms - START_MS) // MINUTE_MS - 1


def strategy_of(world: World) -> Registry:
    """Return a strategy that wants and commands what *world* says."""

    def get_signal(_symbol: str, when: Any, price: float) -> Signal | None:
        wish = world.wish(row_of(to_ms(when)), price)
        return None if wish is None else signal_of(wish)

    def obey(commands: Sequence[tuple[str, float | None]]) -> None:
        for name, argument in commands:
            if argument is not None and name.startswith("move_"):
                argument = argument * world.close[row_of(to_ms(now()))]  # noqa: PLW2901 - relative until here
            COMMANDS[name](argument)

    def on_minute(ping: Any) -> None:
        obey(world.commands.get(row_of(ping.at_ms), ()))

    callbacks: dict[str, Any] = {
        CALLBACKS[kind]: lambda _, commands=commands: obey(commands) for kind, commands in world.reactions.items()
    }
    if world.hears != "nothing":
        callbacks[f"on_{world.hears}"] = on_minute
    interval = f"{world.settings['interval']}m"
    return registered(lambda: add_strategy("s", interval=interval, get_signal=get_signal, **callbacks))


def lived(world: World, *, sees_ahead: bool) -> RunOutcome:
    """Return what the engine makes of *world*."""
    columns = [np.array(column, float) for column in (world.open, world.high, world.low, world.close, world.volume)]
    candles = Candles.frozen(START_MS + np.arange(len(world.close)) * MINUTE_MS, *columns)
    given = {name: value for name, value in world.settings.items() if name != "interval"}
    for name, kind in (("fill_model", FillModelName), ("averaging", AveragingPolicy), ("partial_basis", PartialBasis)):
        given[name] = kind(given[name])
    free: dict[str, Any] = {
        "min_take_profit_pct": 0.0,
        "min_stop_loss_pct": 0.0,
        "max_stop_loss_pct": 100.0,
        "max_minutes": None,
    }
    plan = plan_for(strategy_of(world), {"AAA": candles}, warm_up=WARM_UP, settings=Settings(**given, **free))
    outcome = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))
    assert [session.error for session in outcome.sessions] == [None]
    return outcome


SAYS = {
    "signal_scheduled": ("price_open",),
    "signal_cancelled": ("reason",),
    "position_opened": ("price",),
    "position_averaged": ("price", "cost"),
    "position_reduced": ("price", "percent"),
    "stop_moved": ("by", "stop_loss"),
    "target_moved": ("by", "take_profit"),
    "profit_level_reached": ("level",),
    "loss_level_reached": ("level",),
    "command_refused": ("command",),
}


def fact_of(event: Event) -> Fact:
    """Return *event* as the naive model tells it."""
    row = event_row(event)
    kind = row["event"]
    head = (row_of(event.at_ms), kind)
    if kind == "position_closed":
        trade: Trade = event.trade  # type: ignore[attr-defined]
        return *head, row["reason"], row["price"], trade.stop_loss, trade.take_profit, row["pnl_cost"]
    return *head, *(row[name] for name in SAYS[str(kind)])


def assert_alike(found: Sequence[Fact], wanted: Sequence[Fact], seed: int) -> None:
    for index, (mine, theirs) in enumerate(zip(found, wanted, strict=False)):
        is_alike = len(mine) == len(theirs) and all(
            a == pytest.approx(b, rel=1e-9, abs=1e-9) if isinstance(b, float) else a == b
            for a, b in zip(mine, theirs, strict=True)
        )
        assert is_alike, f"feed {seed}, event {index}: engine {mine}, naive {theirs}; before: {wanted[:index][-4:]}"
    longer = (found if len(found) > len(wanted) else wanted)[min(len(found), len(wanted)) :]
    assert len(found) == len(wanted), f"feed {seed}: only one side has {longer[:3]}"


NEXT = {
    "idle": {"signal_scheduled": "waiting", "position_opened": "open"},
    "waiting": {"position_opened": "open", "signal_cancelled": "idle"},
    "open": {
        **dict.fromkeys(
            (
                "position_averaged",
                "position_reduced",
                "stop_moved",
                "target_moved",
                "profit_level_reached",
                "loss_level_reached",
            ),
            "open",
        ),
        "position_closed": "idle",
    },
}
"""Which events each state allows, and the state after each; a refused command is allowed in all of them."""


def assert_legal(events: Sequence[Event]) -> None:
    """Hold *events* of one session to the diagram of the life of a signal, and to one id a life."""
    state, signal_id, at_ms = "idle", None, 0
    for event in events:
        row = event_row(event)
        assert event.at_ms >= at_ms
        at_ms = event.at_ms
        if row["event"] == "command_refused":
            continue
        assert row["event"] in NEXT[state], f"{row['event']} while {state}"
        if state == "idle":
            signal_id = row["signal_id"]
        assert row["signal_id"] == signal_id
        state = NEXT[state][str(row["event"])]
    assert state == "idle", "the end of the frame leaves nothing behind"


def assert_conserved(trade: Trade, settings: Mapping[str, Any]) -> None:
    """Hold the ledger of *trade* to its fills: what was bought was sold, and the net is the sum of the legs."""
    moves = [(2 * index, ("buy", entry.price, entry.cost)) for index, entry in enumerate(trade.entries)]
    moves += [(2 * part.entries_before - 1, ("sell", part.price, part.percent)) for part in trade.partials]
    fills = [fill for _, fill in sorted(moves, key=lambda move: move[0])] + [("sell", trade.price_close, 100.0)]
    bought = quantity = sold = 0.0
    for kind, price, amount in fills:
        change = amount / price if kind == "buy" else -quantity * amount / 100
        bought, sold, quantity = bought + max(change, 0), sold - min(change, 0), quantity + change
    assert quantity == pytest.approx(0, abs=1e-12)
    assert sold == pytest.approx(bought, rel=1e-12)
    assert trade.invested == pytest.approx(sum(entry.cost for entry in trade.entries))
    sign = trade.side.sign
    assert trade.pnl_cost == pytest.approx(
        net_of(fills, sign, settings["fee_pct"] / 100, settings["slippage_pct"] / 100), abs=1e-9
    )


def judged(seed: int) -> Counter[str]:
    """Compare engine and naive model on the feed of *seed*; return how often each kind of event came."""
    world = a_world(seed)
    naive = Naive(world).live()
    outcome = lived(world, sees_ahead=seed % 4 != 0)
    assert_alike([fact_of(event) for event in outcome.events], naive.facts, seed)
    assert_legal(outcome.events)
    for trade in outcome.sessions[0].trades:
        assert_conserved(trade, world.settings)
    return Counter(
        f"{fact[1]} {fact[2]}" if fact[1] in ("position_closed", "signal_cancelled", "stop_moved") else fact[1]
        for fact in naive.facts
    )


@cache
def block(index: int) -> Counter[str]:
    """Judge the feeds of one of the blocks."""
    return sum((judged(seed) for seed in range(index, SHARE, BLOCKS)), Counter())


@pytest.mark.parametrize("index", range(BLOCKS))
def test_a60_the_machine_does_what_the_naive_model_does_and_nothing_illegal(index: int) -> None:
    assert block(index).total() > SHARE // BLOCKS

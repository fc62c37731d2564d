"""History replayed through the path of paper trading is a backtest, byte for byte."""

import asyncio
import random
from dataclasses import replace
from datetime import datetime
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from backtestkit_cli import (
    Candles,
    JobCall,
    PositionOpened,
    Signal,
    TickPassed,
    add_job,
    add_strategy,
    get_candles,
    listen,
)
from backtestkit_cli.api.registry import registering_in
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.interval import MINUTE_MS, interval_ms, to_ms
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.settings import GapPolicy, Settings
from backtestkit_cli.errors import MissingCandlesError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.runs.assembly import assemble
from tests.coordinated_run import CONFIG
from tests.engine import test_account_laws as accounts
from tests.engine.test_laws import CHOICES, a_random_strategy, market, settings_of
from tests.laws import ALL_LAWS, takes_long, tried
from tests.markets import plan_for, random_candles, registered, with_holes
from tests.replay import replayed, replays_like_a_backtest
from tests.strategies.demo_run import demo_plan

FOLDER = Path(__file__).parents[3] / "strategies"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.py"))
SYMBOLS_OF = {"btc_eth_ratio": ("BTCUSDT", "ETHUSDT")}
SLOW_TO_BEGIN = {"own_exchange": 2, "scale_out": 2}
"""How many days until something happens."""
DAY_MS = interval_ms("1d")
TWO_HOURS = {"AAA": random_candles(0, 120), "BBB": random_candles(1, 120)}
MODELS = ("vwap", "candle")
EXAMPLES_IN_MODELS = (
    [*product(EXAMPLES, MODELS)] if ALL_LAWS else [(name, MODELS[number % 2]) for number, name in enumerate(EXAMPLES)]
)


@takes_long
@pytest.mark.parametrize(("example", "model"), EXAMPLES_IN_MODELS)
def test_an_example_replayed_has_the_events_of_its_backtest(example: str, model: str) -> None:
    """Four weeks of each in both models by `make laws`, else a day or two of each in one."""
    plan = demo_plan(FOLDER / f"{example}.py", symbols=SYMBOLS_OF.get(example, ("XRPUSDT",)), fill_model=model)
    length_ms = (28 if ALL_LAWS else SLOW_TO_BEGIN.get(example, 1)) * DAY_MS
    outcome = replays_like_a_backtest(replace(plan, end_ms=plan.start_ms + length_ms))
    assert {session.error for session in outcome.sessions} == {None}
    assert outcome.events


@takes_long
@given(choice=CHOICES)
@tried(3, 200)
def test_a_random_script_replayed_has_the_events_of_its_backtest(choice: dict[str, Any]) -> None:
    candles = {"AAA": market(choice, 0, 200), "BBB": market(choice, 1, 200)}
    replays_like_a_backtest(plan_for(a_random_strategy(choice), candles, settings=settings_of(choice)))


@takes_long
@given(accounts.CHOICES)
@tried(2, 100)
def test_sessions_that_share_an_account_and_its_stops_do_the_same_replayed(choice: dict[str, Any]) -> None:
    looks: list[Any] = []
    plan, _ = accounts.a_random_plan(choice, looks)
    replays_like_a_backtest(plan)
    seen = len(looks) // 2
    assert str(looks[:seen]) == str(looks[seen:]), "rules are asked the same, in the same order"


def test_profiles_and_sizings_of_nine_symbols_do_the_same_replayed() -> None:
    frame_end = "2025-05-02" if ALL_LAWS else "2025-05-01 08:00"
    sets = (f"frame.to={frame_end}", "partial_basis=progress", "portfolio.max_daily_loss_pct=0.5")
    loaded = load_config(CONFIG, flags={}, sets=sets, environ={}, dotenv=None)
    assert len(replays_like_a_backtest(assemble(loaded)).events) > 20


@pytest.mark.parametrize("gaps", [GapPolicy.FILL, GapPolicy.SKIP])
@pytest.mark.parametrize("lost", [(190, 201), (0, 30), (60, 61), (100, 170)])
def test_minutes_missing_anywhere_are_the_same_replayed(gaps: GapPolicy, lost: tuple[int, int]) -> None:
    """At the very end the last candle of a history is its end, and who waits or holds something is told so there."""
    whole = random_candles(3, 240)
    rows = [row for row in range(240) if not lost[0] <= row - 10 < lost[1]]
    candles = {"AAA": whole.chosen(np.array(rows)), "BBB": random_candles(4, 240)}

    def get_signal(_symbol: str, _when: datetime, price: float) -> Signal:
        return Signal(position="long", take_profit=price * 1.01, stop_loss=price * 0.99, minutes=45)

    plan = plan_for(
        registered(lambda: add_strategy("s", get_signal=get_signal)),
        candles,
        warm_up=10,
        settings=Settings(gaps=gaps),
    )
    outcome = replays_like_a_backtest(replace(plan, end_ms=int(whole.timestamp[210])))
    assert len(outcome.events) > 8


def test_missing_minutes_are_refused_at_the_start_where_gaps_are_an_error() -> None:
    candles = {"AAA": with_holes(random_candles(1, 100), 1, 0.1)}
    registry = registered(lambda: add_strategy("s", get_signal=lambda *_: pytest.fail("it began")))
    plan = plan_for(registry, candles, settings=Settings(gaps=GapPolicy.ERROR))
    with pytest.raises(MissingCandlesError, match="as gaps: error asks for"):
        asyncio.run(replayed(plan))


def test_a_symbol_that_was_not_listed_shows_the_same_candles_replayed() -> None:
    seen: list[Any] = []

    def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        if when.minute >= 40:
            seen.append([get_candles("BBB", interval, 2).rows() for interval in ("1m", "5m")])

    registry = registered(lambda: add_strategy("s", interval="5m", get_signal=get_signal))
    candles = {"AAA": random_candles(1, 150), "BBB": random_candles(2, 150)}
    outcome = replays_like_a_backtest(plan_for(registry, candles, symbols=["AAA"], warm_up=20))
    assert list(outcome.candles_beside) == ["BBB"]
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]


def test_jobs_and_listeners_hear_the_same_in_the_same_order_replayed() -> None:
    heard: list[Any] = []

    def tell(event: Any) -> None:
        heard.append((event.at_ms, type(event).__name__, event.symbol))

    def job(call: JobCall) -> None:
        heard.append((call.symbol, get_candles(call.symbol, "5m", 1).rows()))

    def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        if random.Random(f"{symbol}{to_ms(when)}").random() < 0.8:
            return None
        return Signal(position="short", take_profit=price * 0.99, stop_loss=price * 1.01, minutes=30)

    def begin(event: PositionOpened) -> None:
        if event.symbol == "AAA":
            listen(TickPassed, tell)

    def register() -> None:
        add_strategy("s", get_signal=get_signal, on_open=begin)
        add_job("look", every="15m", symbols="all", handler=job)

    registry = registered(register)
    with registering_in(registry):
        listen(Event, tell)
    replays_like_a_backtest(plan_for(registry, TWO_HOURS, warm_up=20))
    assert heard[: len(heard) // 2] == heard[len(heard) // 2 :]
    assert len(heard) > 200


@pytest.mark.parametrize("portfolio", [None, Portfolio(balance=1000.0, max_drawdown_pct=50.0)])
def test_a_strategy_that_fails_ends_its_session_alike_replayed(portfolio: Portfolio | None) -> None:
    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        if symbol == "AAA" and to_ms(when) % interval_ms("1h") > 30 * MINUTE_MS:
            raise ValueError("lost")
        return Signal(position="long", take_profit=price * 1.005, stop_loss=price * 0.995, minutes=30)

    registry = registered(lambda: add_strategy("s", get_signal=get_signal))
    outcome = replays_like_a_backtest(plan_for(registry, TWO_HOURS, portfolio=portfolio))
    lost, well = [session.error for session in outcome.sessions]
    assert (lost or "").startswith("ValueError: lost")
    assert well is None


def test_columns_of_a_batch_strategy_are_those_of_the_candles_there_are() -> None:
    def entries(candles: Candles) -> dict[str, Any]:
        side = np.where(np.diff(candles.close, prepend=candles.close[0]) > 0, "long", "")
        return {"side": side, "take_profit": candles.close * 1.02, "stop_loss": candles.close * 0.98, "minutes": 60}

    registry = registered(lambda: add_strategy("s", interval="5m", entries=entries))
    outcome = replays_like_a_backtest(plan_for(registry, {"AAA": random_candles(5, 300)}, warm_up=20))
    assert len(outcome.sessions[0].trades) > 3, outcome.events

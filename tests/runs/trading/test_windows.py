"""How long the windows of candles are, and how often one follows another, changes nothing."""

import asyncio
from datetime import datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import Signal, add_strategy, get_average_price, get_candles
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.growing_book import Windows
from tests.engine import test_account_laws as accounts
from tests.engine.test_laws import CHOICES, a_random_strategy, market, settings_of
from tests.laws import takes_long, tried
from tests.markets import plan_for, random_candles, registered
from tests.replay import event_log, replayed

WINDOWS = st.builds(Windows, st.sampled_from((1, 2, 17, 60)), st.sampled_from((120, 150)))
pytestmark = takes_long
laws = tried(2, 100)


def is_the_same_in(windows: Windows, plan: RunPlan) -> None:
    """Check that *windows* tell what one long window does."""
    whole, parts = asyncio.run(replayed(plan)), asyncio.run(replayed(plan, windows))
    assert event_log(parts) == event_log(whole)
    assert [session.trades for session in parts.sessions] == [session.trades for session in whole.sessions]
    assert parts.account == whole.account


@given(choice=CHOICES, windows=WINDOWS)
@laws
def test_a_random_script_does_the_same_in_windows_of_any_length(choice: dict[str, Any], windows: Windows) -> None:
    candles = {"AAA": market(choice, 0, 240), "BBB": market(choice, 1, 240)}
    is_the_same_in(windows, plan_for(a_random_strategy(choice), candles, settings=settings_of(choice)))


@given(choice=accounts.CHOICES, windows=WINDOWS)
@laws
def test_an_account_and_its_stops_are_the_same_in_windows_of_any_length(
    choice: dict[str, Any], windows: Windows
) -> None:
    is_the_same_in(windows, accounts.a_random_plan(choice, [])[0])


@given(seed=st.integers(0, 2**16), windows=WINDOWS)
@laws
def test_candles_and_averages_are_those_of_one_window_as_far_back_as_windows_reach(seed: int, windows: Windows) -> None:
    seen: list[Any] = []

    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        rows = [get_candles(symbol, interval, n).rows() for interval, n in (("1m", 30), ("5m", 6), ("15m", 4))]
        seen.append((when, price, get_average_price(symbol), rows))
        return Signal(position="long", take_profit=price * 1.02, stop_loss=price * 0.98, minutes=3)

    registry = registered(lambda: add_strategy("look", get_signal=get_signal))
    is_the_same_in(windows, plan_for(registry, {"AAA": random_candles(seed, 300)}, warm_up=90))
    assert len(seen) > 50
    assert seen[: len(seen) // 2] == seen[len(seen) // 2 :]

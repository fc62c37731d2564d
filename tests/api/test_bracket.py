"""A bracket is a signal with its exits at distances in percent."""

from typing import Any

import pytest

from backtestkit_cli import Side, Signal, Stop, bracket
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal_rules import problems_of


@pytest.mark.parametrize(
    ("side", "take_profit", "stop_loss"),
    [("long", 51_500.0, 49_000.0), ("short", 48_500.0, 51_000.0), (Side.SHORT, 48_500.0, 51_000.0)],
)
def test_b_1_7_both_exits_stand_at_their_distance_on_their_side(
    side: str, take_profit: float, stop_loss: float
) -> None:
    signal = bracket(side, 50_000, take_profit_pct=3, stop_loss_pct=2, minutes=60)
    assert signal.take_profit == pytest.approx(take_profit)
    assert signal.stop_loss == pytest.approx(stop_loss)
    assert (signal.position, signal.minutes, signal.price_open, signal.entry) == (side, 60, None, None)
    assert problems_of(signal, 50_000.0, Settings()) == []


@pytest.mark.parametrize("way_in", [{"price_open": 49_500.0}, {"entry": Stop(50_500.0)}])
def test_b_1_7_any_other_field_of_a_signal_may_be_given(way_in: dict[str, Any]) -> None:
    signal = bracket("long", 50_000.0, take_profit_pct=3.0, stop_loss_pct=2.0, cost=70.0, note="why", **way_in)
    assert signal == Signal(position="long", take_profit=51_500.0, stop_loss=49_000.0, cost=70.0, note="why", **way_in)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"side": "up"}, "position"),
        ({"take_profit_pct": -1.0}, "take_profit"),
        ({"price": float("nan")}, "take_profit"),
        ({"stop_loss_pct": 150}, "stop_loss"),
    ],
)
def test_what_is_wrong_with_it_is_found_like_with_any_signal(changes: dict[str, Any], word: str) -> None:
    parts: dict[str, Any] = {"side": "long", "price": 100.0, "take_profit_pct": 3.0, "stop_loss_pct": 2.0}
    found = problems_of(bracket(**parts | changes, minutes=60), 100.0, Settings())
    assert any(text.startswith(word) for text in found)

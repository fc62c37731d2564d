"""The examples whose positions are taken apart or built up: shares, levels and stops, recomputed from the candles."""

from functools import cache
from itertools import groupby
from pathlib import Path

import pytest

from backtestkit_cli import (
    TP_LEVEL2,
    TP_LEVEL3,
    CloseReason,
    PositionReduced,
    ProfitLevelReached,
    StopMoved,
    TargetMoved,
    Trade,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.money import Costs, breakeven_price
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.events.facts import MovedBy
from tests.strategies.demo_run import START_MS, demo_candles, run_on_demo

FOLDER = Path(__file__).parents[2] / "strategies"
SCALE_OUT = FOLDER / "scale_out.py"
COSTS = Costs.of(Settings())

in_both_models = pytest.mark.parametrize("model", ["vwap", "candle"])


@cache
def outcome(entry: Path, model: str) -> RunOutcome:
    return run_on_demo(entry, fill_model=model)


def trades_of(run: RunOutcome) -> list[Trade]:
    return [trade for session in run.sessions for trade in session.trades]


def closed_fractions_pct(trade: Trade) -> list[float]:
    """Return what each sale closed, in percent of the whole position, the last one included."""
    left, fractions = 100.0, []
    for partial in trade.partials:
        fractions.append(left * partial.percent / 100)
        left -= fractions[-1]
    return [*fractions, left]


@in_both_models
def test_the_shares_of_a_position_that_is_scaled_out_are_33_33_34_and_100_in_all(model: str) -> None:
    """A143: also where the stop or the time ends it before the second sale or the target."""
    shapes = set()
    for trade in trades_of(outcome(SCALE_OUT, model)):
        fractions = closed_fractions_pct(trade)
        assert sum(fractions) == pytest.approx(100, abs=1e-9)
        assert fractions == pytest.approx({1: [100], 2: [33, 67], 3: [33, 33, 34]}[len(fractions)])
        assert [partial.cost for partial in trade.partials] == pytest.approx(fractions[:-1])
        shapes.add((len(fractions), trade.reason))
        if trade.reason is CloseReason.TAKE_PROFIT:
            assert len(fractions) == 3
    assert {(1, CloseReason.STOP_LOSS), (2, CloseReason.STOP_LOSS), (3, CloseReason.TAKE_PROFIT)} <= shapes


def test_the_other_recipe_sells_25_35_and_40_percent(tmp_path: Path) -> None:
    """A143: with nothing changed but the table of sales."""
    text = SCALE_OUT.read_text(encoding="utf-8")
    changed = text.replace("(TP_LEVEL3, 33),\n    (TP_LEVEL2, 33),", "(TP_LEVEL3, 25),\n    (TP_LEVEL2, 35),")
    assert changed != text
    (tmp_path / "other.py").write_text(changed, encoding="utf-8")
    whole = [t for t in trades_of(run_on_demo(tmp_path / "other.py")) if len(t.partials) == 2]
    assert len(whole) > 5
    for trade in whole:
        assert closed_fractions_pct(trade) == pytest.approx([25, 35, 40])


@in_both_models
def test_a_share_is_sold_at_the_first_level_that_is_told_at_or_beyond_its_own(model: str) -> None:
    events = outcome(SCALE_OUT, model).events
    reached = {(e.symbol, e.at_ms): e.level for e in events if isinstance(e, ProfitLevelReached)}
    levels = [
        (len(e.position.partials), reached[e.symbol, e.at_ms], e) for e in events if isinstance(e, PositionReduced)
    ]
    assert levels
    for sale, level, event in levels:
        share_pct = (TP_LEVEL3, TP_LEVEL2)[sale - 1]
        opened = event.position.price_open
        way_pct = (event.price - opened) / (event.position.plan.take_profit - opened) * 100
        assert level >= share_pct
        assert way_pct >= share_pct


@in_both_models
def test_nothing_is_lost_after_the_first_sale(model: str) -> None:
    sold = [trade for trade in trades_of(outcome(SCALE_OUT, model)) if trade.partials]
    assert len(sold) > 10
    for trade in sold:
        assert trade.stop_loss >= breakeven_price(trade.side, trade.price_effective, COSTS)
        if trade.reason is CloseReason.STOP_LOSS and trade.price_close == trade.stop_loss:
            assert trade.gain.net > 0


def test_the_stop_follows_the_best_close_since_it_began_without_further_events() -> None:
    run = outcome(SCALE_OUT, "candle")
    begun = [e for e in run.events if isinstance(e, StopMoved) and e.by is MovedBy.TRAILING]
    assert len(begun) > 5
    by_position = {e.position.id: e for e in begun}
    assert len(by_position) == len(begun), "one event a position"
    closes = {session.symbol: demo_candles(session.symbol, "1m").close for session in run.sessions}
    for trade in trades_of(run):
        if trade.id in by_position and trade.reason is CloseReason.STOP_LOSS:
            start = by_position[trade.id]
            first, last = ((at_ms - START_MS) // 60_000 for at_ms in (start.at_ms, trade.closed_at_ms))
            best = closes[trade.symbol][first - 1 : last - 1].max()  # row k closes at minute k + 1
            assert trade.stop_loss == pytest.approx(best * (1 - 1.5 / 100))
            assert start.price >= trade.price_open * 1.02


def test_the_ladder_of_policies_buys_and_leaves_when_the_ladder_of_commands_does() -> None:
    policies = trades_of(outcome(FOLDER / "ladder.py", "vwap"))
    commands = trades_of(outcome(FOLDER / "dca.py", "vwap"))
    assert len(policies) >= 10
    assert max(len(trade.entries) for trade in policies) == 10
    assert [(t.symbol, t.entries, t.closed_at_ms) for t in policies] == [
        (t.symbol, t.entries, t.closed_at_ms) for t in commands
    ]


@in_both_models
def test_the_target_of_the_ladder_stands_three_percent_above_the_average_cost_after_each_rung(model: str) -> None:
    run = outcome(FOLDER / "ladder.py", model)
    moves = [event for event in run.events if isinstance(event, TargetMoved)]
    assert {move.by for move in moves} == {MovedBy.LADDER}
    rungs = [len(list(group)) for _, group in groupby(moves, key=lambda move: move.position.id)]
    assert max(rungs) == 9
    for trade in trades_of(run):
        assert trade.take_profit == pytest.approx(trade.price_effective * 1.03)
        if trade.reason is CloseReason.TAKE_PROFIT:
            assert trade.price_close == trade.take_profit

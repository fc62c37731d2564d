"""Each built-in limit at its boundary while a run goes on."""

from datetime import datetime
from itertools import pairwise

from backtestkit_cli import (
    BlockSymbols,
    CoolDown,
    MaxOpenPerGroupSide,
    MaxPositionPct,
    MaxSignals,
    MaxSymbolExposurePct,
    MinWinRate,
    Signal,
    TradingHours,
)
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.portfolio import Portfolio
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.policies.risk.exposure import MaxGroupExposurePct
from tests.engine.coordinated import (
    NINE,
    a_long,
    a_plan,
    a_profile,
    at,
    minute_of,
    opened,
    ran_both_ways,
    refusals,
    trades_of,
)
from tests.markets import at_levels, flat

CANDLE = Settings(fill_model=FillModelName.CANDLE)


def test_after_three_losses_nothing_opens_until_the_cool_down_is_over() -> None:
    """A79: the third loss within the window starts it, for all symbols, and it ends on the minute."""
    loser, other = at_levels(([100.0] * 9 + [97.0]) * 30), flat(300)

    def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        now = minute_of(to_ms(when))
        if symbol == "A":
            return a_long(price, stop_loss=98.0) if price == 100.0 else None
        return a_long(price, minutes=1) if now % 2 else None

    rule = CoolDown(losses=3, within_minutes=60, minutes=45)
    outcome = ran_both_ways(a_plan({"A": loser, "B": other}, get_signal, a_profile(rule), settings=CANDLE))
    ends = sorted(minute_of(t.closed_at_ms) for t in trades_of(outcome) if t.gain.net < 0)
    assert ends
    for tick, _ in opened(outcome):
        recent = [end for end in ends if end <= tick]
        completed = [e for i, e in enumerate(recent) if i >= 2 and recent[i - 2] > e - 60]
        assert not completed or tick >= completed[-1] + 45
    resumes = [tick for tick, _ in opened(outcome)]
    gaps = [b - a for a, b in pairwise(resumes)]
    assert max(gaps) >= 40, "it was blocked"
    assert len([gap for gap in gaps if gap >= 40]) >= 2, "and it opened again"


def test_a_symbol_that_wins_4_of_11_is_disabled_and_opens_again_after_its_pause() -> None:
    """A84: from ten trades on a win rate below 40 % disables the symbol, and it is enabled again."""
    wins = {0, 1, 2, 3}
    levels: list[float] = [100.0] * 10
    for number in range(11):
        levels += [100.0, 103.0 if number in wins else 97.0, 100.0, 100.0, 100.0]
    levels += [100.0] * 200

    def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        now = minute_of(to_ms(when))
        is_turn = now >= 66 or (now >= 10 and now % 5 == 1)
        return Signal(position="long", take_profit=102.0, stop_loss=98.0, minutes=5) if is_turn else None

    rule = MinWinRate(percent=40.0, trades=10, again_after_minutes=60)
    candles = {"BAD": at_levels(levels), "OK": flat(len(levels))}
    outcome = ran_both_ways(a_plan(candles, get_signal, a_profile(rule), settings=CANDLE))
    bad = [trade for trade in trades_of(outcome) if trade.symbol == "BAD"]
    nets = [trade.gain.net > 0 for trade in bad]
    assert nets[:11] == [True] * 4 + [False] * 7
    disabled_at = minute_of(bad[10].closed_at_ms)
    ticks = [tick for tick, symbol in opened(outcome) if symbol == "BAD"]
    assert [tick for tick in ticks if disabled_at <= tick < disabled_at + 60] == []
    assert disabled_at + 60 in ticks
    reasons = {row[4] for row in refusals(outcome) if row[1] == "BAD"}
    assert any("found 4 of 11" in reason for reason in reasons)


def test_three_signals_in_15_minutes_and_no_fourth_before_the_first_is_15_minutes_old() -> None:
    """A89."""
    plan = a_plan(
        dict.fromkeys(NINE, flat(60)), at(list(range(20, 60)), minutes=2), a_profile(MaxSignals(count=3, minutes=15))
    )
    assert opened(ran_both_ways(plan)) == [(20 + 15 * i, s) for i in range(3) for s in "ABC"]


def test_limits_of_groups_and_shares_hold_at_the_boundary_in_a_run() -> None:
    """A89, A92: two longs of a sector; 50 % in one position; 20 % of a symbol; 50 % of a group."""
    groups = {"ai": ("A", "B", "C"), "dex": ("D",)}
    candles = dict.fromkeys("ABCD", flat(60))
    account = Portfolio(balance=1000.0)
    by_side = a_plan(candles, at([20]), a_profile(MaxOpenPerGroupSide(2)), groups=groups)
    assert [s for _, s in opened(ran_both_ways(by_side))] == ["A", "B", "D"]
    for cost, symbols in ((500.0, ["A"]), (500.1, [])):
        one = a_plan(candles, at([20], cost=cost), a_profile(MaxPositionPct(50)), portfolio=account)
        assert [s for _, s in opened(ran_both_ways(one))] == symbols
    for cost, count in ((99.9, 2), (101.0, 1)):
        symbol = a_plan(
            {"A": flat(60)},
            at([20], cost=cost),
            a_profile(MaxSymbolExposurePct(20)),
            strategies=("x", "y", "z"),
            portfolio=account,
        )
        assert len(opened(ran_both_ways(symbol))) == count
    for cost, found in ((249.0, ["A", "B", "D"]), (251.0, ["A", "D"])):
        group = a_plan(
            candles, at([20], cost=cost), a_profile(MaxGroupExposurePct(50)), portfolio=account, groups=groups
        )
        assert [symbol for _, symbol in opened(ran_both_ways(group))] == found


def test_trading_hours_are_those_of_the_runs_clock() -> None:
    """A127: 08:59 refused, 09:00 and 16:59 allowed, 17:00 refused."""
    minutes = [8 * 60 + 59, 9 * 60, 16 * 60 + 59, 17 * 60]
    profile = a_profile(TradingHours.from_text("09:00-17:00"))
    outcome = ran_both_ways(a_plan({"A": flat(18 * 60)}, at(minutes, minutes=1), profile))
    assert [tick for tick, _ in opened(outcome)] == minutes[1:3]


def test_a_blocked_symbol_never_opens_and_others_do() -> None:
    """A126."""
    candles = {"BTCUSDT": flat(60), "DOGEUSDT": flat(60)}
    outcome = ran_both_ways(a_plan(candles, at([20, 30]), a_profile(BlockSymbols(("DOGEUSDT",)))))
    assert {symbol for _, symbol in opened(outcome)} == {"BTCUSDT"}
    assert {row[1] for row in refusals(outcome)} == {"DOGEUSDT"}

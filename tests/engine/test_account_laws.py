"""Laws of the one account: what is in it, what may be spent of it, and that nothing of it leaks."""

import random
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli import (
    CommandRefused,
    Ladder,
    MaxExposurePct,
    PositionActive,
    PositionAveraged,
    RiskCheck,
    Signal,
    SignalRefused,
    average_buy,
    close_position,
    partial_close,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, Settings
from backtestkit_cli.runs import lockstep
from backtestkit_cli.runs.coordination import coordination_of
from tests.engine.coordinated import (
    a_long,
    a_plan,
    a_profile,
    at,
    equity_by_hand,
    minute,
    minute_of,
    of_kind,
    opened,
    ran,
    ran_both_ways,
    refusals,
    trades_of,
)
from tests.engine.test_laws import wish
from tests.laws import tried
from tests.markets import candles_of, flat, random_candles, with_holes

MINUTES = 300
CHOICES = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 2**32 - 1),
        "interval": st.sampled_from(("1m", "5m", "15m")),
        "fill_model": st.sampled_from(list(FillModelName)),
        "averaging": st.sampled_from(list(AveragingPolicy)),
        "share_missing": st.sampled_from((0.0, 0.3)),
        "reserve": st.sampled_from((0.0, 150.0)),
        "watches": st.booleans(),
        "sees_ahead": st.booleans(),
        "drawdown": st.sampled_from((None, 0.5, 2.0)),
        "daily": st.sampled_from((None, 0.3, 1.0)),
        "action": st.sampled_from(list(StopAction)),
    }
)


def a_random_plan(choice: dict[str, Any], looks: list[RiskCheck]) -> Any:
    """Return four symbols that open, wait, average, sell parts and climb ladders at random, on an account of 500."""
    seed = choice["seed"]

    def dice(symbol: str, at_ms: int, what: str) -> random.Random:
        return random.Random(f"{seed}|{symbol}|{at_ms}|{what}")

    def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        return wish(dice(symbol, to_ms(when), "signal"), price, has_orders=True)

    def act(ping: PositionActive) -> None:
        rng = dice(ping.symbol, ping.at_ms, "act")
        rng.choice((lambda: average_buy(rng.choice((30.0, 200.0))), lambda: partial_close(40.0), close_position))()

    def now_and_then(ping: PositionActive) -> None:
        if dice(ping.symbol, ping.at_ms, "whether").random() < 0.1:
            act(ping)

    def look(check: RiskCheck) -> None:
        looks.append(check)

    candles = {symbol: random_candles(seed + index, MINUTES) for index, symbol in enumerate("ABCD")}
    if choice["share_missing"]:
        candles |= {s: with_holes(candles[s], seed, choice["share_missing"], keep=8) for s in "BD"}
    plan = a_plan(
        candles,
        get_signal,
        a_profile(look),
        interval=choice["interval"],
        settings=Settings(fill_model=choice["fill_model"], averaging=choice["averaging"], gaps=GapPolicy.SKIP),
        portfolio=Portfolio(
            balance=500.0,
            reserve=choice["reserve"],
            max_drawdown_pct=choice["drawdown"],
            on_drawdown=choice["action"],
            max_daily_loss_pct=choice["daily"],
            on_daily_loss=choice["action"],
        ),
        parts={"on_active": now_and_then} if choice["watches"] else {},
    )
    return plan, candles


@tried(8, 30)
@given(CHOICES)
def test_cash_and_positions_are_the_equity_at_every_decision_and_nothing_is_held_after_the_run(
    choice: dict[str, Any],
) -> None:
    """A91: `cash + Σ value = balance + Σ net`, by an account kept from the fills alone; the reserve is never spent."""
    looks: list[RiskCheck] = []
    plan, candles = a_random_plan(choice, looks)
    kept: list[Any] = []

    def keep(plan: Any) -> Any:
        kept.append(coordination_of(plan))
        return kept[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lockstep, "coordination_of", keep)
        outcome = ran(plan, sees_ahead=choice["sees_ahead"])
    model = choice["fill_model"]
    equity = equity_by_hand(outcome, candles, model, 500.0, MINUTES + 1)
    filled = {
        minute_of(at_ms)
        for trade in trades_of(outcome)
        for at_ms in (
            trade.closed_at_ms,
            *(entry.at_ms for entry in trade.entries),
            *(part.at_ms for part in trade.partials),
        )
    }
    for check in looks:
        seen, tick = check.account, minute_of(check.at_ms)
        assert seen is not None
        assert seen.free == seen.cash - choice["reserve"]
        if tick not in filled:  # else others may still act at this very tick
            assert seen.equity == pytest.approx(equity[tick], abs=1e-9)
    for event in outcome.events:
        if hasattr(event, "position") and type(event).__name__ in {"PositionOpened", "PositionAveraged"}:
            assert _cash_by_hand(outcome, event.at_ms, 500.0) >= choice["reserve"] - 1e-9
    account = outcome.account
    assert account is not None
    (shared,) = kept
    assert shared.held == {}
    assert len(shared.trades) == len(trades_of(outcome))
    net = sum(trade.gain.net for trade in trades_of(outcome))
    assert account.cash == account.equity == pytest.approx(500.0 + net)
    assert account.equity == pytest.approx(equity[MINUTES])
    peaks = np.maximum.accumulate(np.maximum(equity[5:], 500.0))
    assert account.max_drawdown_pct == pytest.approx(float(((1 - equity[5:] / peaks) * 100).max()), abs=1e-7)
    for refused in of_kind(outcome, SignalRefused):
        assert refused.rule in {"cash", "max_drawdown", "max_daily_loss"}


def _cash_by_hand(outcome: Any, now_ms: int, balance: float) -> float:
    """Return the least cash there may be at the end of a tick: costs and fees of what is open out of the balance."""
    cash = balance
    for trade in trades_of(outcome):
        if trade.closed_at_ms <= now_ms:
            cash += trade.gain.net
        elif trade.opened_at_ms <= now_ms:
            paid = sum(entry.cost for entry in trade.entries if entry.at_ms <= now_ms)
            freed = sum(part.cost for part in trade.partials if part.at_ms <= now_ms)
            cash -= paid * 1.001 - freed * 1.001
            cash += _net_of_parts(trade, now_ms)
    return cash


def _net_of_parts(trade: Any, now_ms: int) -> float:
    """Return the net gain of the parts sold so far; the price put in of each is cost over quantity then."""
    net = quantity = cost = 0.0
    buys = list(trade.entries)
    for part in [*trade.partials, None]:
        while buys and (part is None or len(trade.entries) - len(buys) < part.entries_before):
            entry = buys.pop(0)
            quantity, cost = quantity + entry.cost / entry.price, cost + entry.cost
        if part is None or part.at_ms > now_ms:
            break
        sign = 1 if trade.side == "long" else -1
        price_in = cost / quantity
        into, out = price_in * (1 + sign * 0.001), part.price * (1 - sign * 0.001)
        net += sign * part.cost * (out - into) / into - part.cost * 0.001 * (1 + out / into)
        quantity, cost = quantity * (1 - part.percent / 100), cost - part.cost
    return net


@tried(8, 30)
@given(CHOICES)
def test_skipping_is_stepping_with_an_account_whatever_stops_it(choice: dict[str, Any]) -> None:
    plan, _ = a_random_plan(choice, [])
    ran_both_ways(plan)


FREE = {"A": flat(60), "B": flat(60)}


def test_an_entry_that_would_touch_the_reserve_is_refused_by_cash_and_one_that_just_does_not_opens() -> None:
    """A91: 100 and its fee of 0.1 are free to the cent, or not."""

    def with_reserve(reserve: float) -> RunOutcome:
        portfolio = Portfolio(balance=1000.0, reserve=reserve)
        return ran_both_ways(a_plan(FREE, at([20]), portfolio=portfolio, warm_up=10))

    assert opened(with_reserve(799.8)) == [(20, "A"), (20, "B")]
    assert opened(with_reserve(799.81)) == [(20, "A")]
    reason = "an entry of 100 and its fee need 100.1, free are 100.09 (cash 899.9, reserve 799.81)"
    assert refusals(with_reserve(799.81)) == [(20, "B", "portfolio", "cash", reason)]


def test_what_a_close_brings_is_free_for_the_next_entry() -> None:
    def get_signal(_symbol: str, when: datetime, price: float) -> Signal | None:
        return a_long(price, minutes=10) if minute_of(to_ms(when)) >= 20 else None

    portfolio = Portfolio(balance=101.0)
    outcome = ran_both_ways(a_plan(FREE, get_signal, portfolio=portfolio, warm_up=10))
    assert opened(outcome) == [(20, "A"), (30, "B"), (41, "A")]
    assert {row[3] for row in refusals(outcome)} == {"cash"}


def test_averaging_draws_on_the_same_cash_and_is_refused_with_the_numbers() -> None:
    candles = {"A": candles_of(np.linspace(100, 95, 60).tolist())}

    def buy(ping: PositionActive) -> None:
        if minute_of(ping.at_ms) in (30, 40, 50):
            average_buy(60.0)

    outcome = ran_both_ways(
        a_plan(candles, at([20]), portfolio=Portfolio(balance=250.0, reserve=20.0), parts={"on_active": buy})
    )
    assert [minute_of(event.at_ms) for event in of_kind(outcome, PositionAveraged)] == [30, 40]
    (refused,) = of_kind(outcome, CommandRefused)
    assert refused.problem == ("an entry of 60 and its fee need 60.06, free are 9.78 (cash 29.78, reserve 20)")


def test_rungs_of_a_ladder_draw_on_the_same_cash_and_the_one_refused_is_the_last() -> None:
    candles = {"A": candles_of(np.linspace(100, 90, 100).tolist())}
    plan = a_plan(
        candles,
        at([20], ladder=Ladder(step_pct=1.0, entries=6)),
        portfolio=Portfolio(balance=350.0),
    )
    outcome = ran_both_ways(plan)
    assert len(of_kind(outcome, PositionAveraged)) == 2
    (refused,) = of_kind(outcome, CommandRefused)
    assert (refused.command, refused.argument) == ("ladder", 100.0)
    assert refused.problem.startswith("an entry of 100 and its fee need 100.1, free are 49.7")


def test_an_exposure_limit_holds_for_averaging_as_for_entries() -> None:
    """A92: 30 % of the equity, a position of 20 % may grow by 10 % and no more."""
    candles = {"A": candles_of(np.linspace(100, 99, 60).tolist())}

    def buy(ping: PositionActive) -> None:
        if minute_of(ping.at_ms) in (30, 40):
            average_buy(90.0)

    outcome = ran_both_ways(
        a_plan(
            candles,
            at([20], cost=200.0),
            a_profile(MaxExposurePct(30)),
            portfolio=Portfolio(balance=1000.0),
            parts={"on_active": buy},
        )
    )
    assert [minute_of(event.at_ms) for event in of_kind(outcome, PositionAveraged)] == [30]
    (refused,) = of_kind(outcome, CommandRefused)
    assert refused.problem.startswith("careful: max_exposure_pct: at most 30 % of the equity may be in positions")
    assert minute(40) == refused.at_ms

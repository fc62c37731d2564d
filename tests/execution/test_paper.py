"""The paper venue: what it fills, what it refuses, and that its account is the ledger of the engine."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import (
    Balance,
    Confirmed,
    Fill,
    Gone,
    Leg,
    OrderKind,
    OrderState,
    RefusalKind,
    Rejected,
    Transient,
)
from backtestkit_cli.errors import CorruptRecordError
from backtestkit_cli.execution.account import Terms, equity
from backtestkit_cli.execution.matching import SETTLED_KEPT
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.execution.record import account_of, record_of
from tests.builders import START_MS
from tests.execution.sessions import KEY, SYMBOL, Trader, a_broker, an_order, candles_until, joined
from tests.execution.stores import TextStore


def _near(number: float) -> Any:
    return pytest.approx(number)


async def test_without_options_an_order_is_filled_in_full_at_the_price_of_the_decision() -> None:
    broker = await a_broker(TextStore())
    answer = await broker.open(an_order(quantity=0.3, price=99.5))
    assert answer == Confirmed(OrderState.FILLED, Fill(0.3, 99.5), "s-1-e1")


async def test_the_rules_say_that_nothing_rests_and_that_shorts_are_possible() -> None:
    rules = await (await a_broker(TextStore())).rules(SYMBOL)
    assert (rules.base, rules.quote) == ("BTC", "USDT")
    assert (rules.rests_limits, rules.rests_exits, rules.can_short) == (False, False, True)


async def test_what_the_balance_does_not_suffice_for_is_rejected_with_both_numbers() -> None:
    broker = await a_broker(TextStore(), balance=100.0)
    answer = await broker.open(an_order(quantity=1.0, price=100.0))
    assert answer == Rejected(RefusalKind.BALANCE, "balance: 100.1 is needed with the fee, 100 is free")
    assert await broker.balances() == {"USDT": Balance(100.0, 0.0)}


async def test_money_that_a_resting_entry_will_need_is_locked_and_serves_no_other() -> None:
    broker = await a_broker(TextStore(), balance=150.0, latency_ms=60_000)
    await broker.open(an_order())
    assert await broker.balances() == {"USDT": Balance(_near(49.9), _near(100.1))}
    answer = await broker.open(an_order(client_id="s-2-e1", signal_id="s-2"))
    assert isinstance(answer, Rejected)
    assert answer.kind is RefusalKind.BALANCE


async def test_a_resting_entry_that_rose_above_the_balance_is_cancelled() -> None:
    broker = await a_broker(TextStore(), balance=101.0, latency_ms=60_000)
    await broker.open(an_order())
    await broker.candle_closed(SYMBOL, candles_until(1, close=102.0))
    assert await broker.check(an_order()) == Confirmed(OrderState.CANCELLED, None, "s-1-e1")
    assert broker.account.cash == 101.0


async def test_more_than_is_held_cannot_be_closed() -> None:
    broker = await a_broker(TextStore())
    await broker.open(an_order(quantity=1.0))
    answer = await broker.close(an_order(Leg.CLOSE, quantity=1.5))
    assert answer == Rejected(RefusalKind.BALANCE, "balance: 1.5 is to be closed, 1 is held and free")


@pytest.mark.parametrize("kind", [OrderKind.LIMIT, OrderKind.EXITS])
async def test_orders_that_would_rest_are_rejected(kind: OrderKind) -> None:
    broker = await a_broker(TextStore())
    assert isinstance(await broker.open(an_order(kind=kind)), Rejected)
    assert isinstance(await broker.amend(an_order(), an_order(client_id="s-1-x2")), Rejected)


@pytest.mark.parametrize(("latency_ms", "minutes"), [(60_000, 1), (179_999, 2), (300_000, 5)])
async def test_latency_moves_the_fill_to_the_close_of_the_candle_that_ends_whole_minutes_later(
    latency_ms: int, minutes: int
) -> None:
    broker = await a_broker(TextStore(), latency_ms=latency_ms)
    assert await broker.open(an_order()) == Confirmed(OrderState.RESTING, None, "s-1-e1")
    for minute in range(minutes):
        await broker.candle_closed(SYMBOL, candles_until(minute, close=100.0 + minute))
        assert (await broker.check(an_order())) == Confirmed(OrderState.RESTING, None, "s-1-e1")
    await broker.candle_closed("ETH/USDT", candles_until(minutes))
    await broker.candle_closed(SYMBOL, candles_until(minutes, close=105.0))
    assert await broker.check(an_order()) == Confirmed(OrderState.FILLED, Fill(1.0, 105.0), "s-1-e1")


async def test_latency_below_a_minute_moves_nothing() -> None:
    broker = await a_broker(TextStore(), latency_ms=59_999)
    assert await broker.open(an_order()) == Confirmed(OrderState.FILLED, Fill(1.0, 100.0), "s-1-e1")


@pytest.mark.parametrize("has_seen_one", [True, False])
async def test_candles_that_were_missed_are_made_up_for_in_their_order(has_seen_one: bool) -> None:
    broker = await a_broker(TextStore(), latency_ms=120_000)
    if has_seen_one:
        await broker.candle_closed(SYMBOL, candles_until(0))
    await broker.open(an_order())
    closes = [Candle(START_MS + n * MINUTE_MS, 101.0 + n, 101.0 + n, 101.0 + n, 101.0 + n, 1.0) for n in range(5)]
    await broker.candle_closed(SYMBOL, joined(closes))
    answer = await broker.check(an_order())
    assert isinstance(answer, Confirmed)
    assert answer.fill == Fill(1.0, 102.0)


async def test_orders_take_no_more_than_their_part_of_the_volume_and_the_rest_goes_on() -> None:
    broker = await a_broker(TextStore(), max_volume_pct=10)
    await broker.candle_closed(SYMBOL, candles_until(0, volume=6.0))
    first = await broker.open(an_order(quantity=1.0))
    assert first == Confirmed(OrderState.RESTING, Fill(_near(0.6), 100.0), "s-1-e1")
    other = an_order(client_id="s-2-e1", signal_id="s-2", quantity=0.5)
    assert await broker.open(other) == Confirmed(OrderState.RESTING, None, "s-2-e1")  # the volume is taken

    await broker.candle_closed(SYMBOL, candles_until(1, close=110.0, volume=6.0))
    done = await broker.check(an_order())
    assert done == Confirmed(OrderState.FILLED, Fill(_near(1.0), _near(104.0)), "s-1-e1")
    assert await broker.check(other) == Confirmed(OrderState.RESTING, Fill(_near(0.2), 110.0), "s-2-e1")


async def test_the_same_candle_twice_is_one_candle() -> None:
    broker = await a_broker(TextStore(), max_volume_pct=10)
    await broker.candle_closed(SYMBOL, candles_until(0, volume=6.0))
    await broker.open(an_order())
    before = broker.account
    await broker.candle_closed(SYMBOL, candles_until(0, volume=6.0, count=3))
    assert broker.account == before


async def test_a_cancelled_order_keeps_what_was_filled_of_it() -> None:
    broker = await a_broker(TextStore(), max_volume_pct=10)
    await broker.candle_closed(SYMBOL, candles_until(0, volume=6.0))
    await broker.open(an_order())
    assert [order.quantity_filled for order in await _resting(broker)] == [_near(0.6)]
    cancelled = Confirmed(OrderState.CANCELLED, Fill(_near(0.6), 100.0), "s-1-e1")
    assert await broker.cancel(an_order()) == cancelled
    await broker.candle_closed(SYMBOL, candles_until(1))
    assert await broker.check(an_order()) == cancelled
    assert await _resting(broker) == []


async def _resting(broker: PaperBroker) -> list[Any]:
    orders = await broker.resting(SYMBOL)
    assert not isinstance(orders, Transient)
    return list(orders)


async def test_an_order_that_was_never_sent_is_gone() -> None:
    broker = await a_broker(TextStore())
    assert isinstance(await broker.check(an_order()), Gone)
    assert isinstance(await broker.cancel(an_order()), Gone)


async def test_the_same_id_asked_twice_has_one_answer_and_one_fill() -> None:
    broker = await a_broker(TextStore(), balance=250.0)
    answers = await asyncio.gather(*(broker.open(an_order()) for _ in range(3)))
    assert answers == [Confirmed(OrderState.FILLED, Fill(1.0, 100.0), "s-1-e1")] * 3
    assert (await broker.balances())["BTC"] == Balance(1.0, 0.0)
    refused = an_order(client_id="s-1-a2", leg=Leg.AVERAGE, quantity=2.0)
    no = await broker.open(refused)
    await broker.close(an_order(Leg.CLOSE))
    assert isinstance(no, Rejected)
    assert await broker.open(refused) == await broker.check(refused) == no


async def test_orders_of_many_sessions_at_once_build_on_each_other() -> None:
    broker = await a_broker(TextStore(), balance=250.0)
    orders = [an_order(client_id=f"s-{number}-e1", signal_id=f"s-{number}") for number in range(4)]
    answers = await asyncio.gather(*map(broker.open, orders))
    assert [isinstance(answer, Confirmed) for answer in answers] == [True, True, False, False]


async def test_a_short_puts_money_aside_and_owes_coins() -> None:
    broker = await a_broker(TextStore(), costs={"one": Costs(0.0, 0.0)}, balance=1000.0)
    await broker.open(an_order(is_buy=False))
    assert await broker.balances() == {"USDT": Balance(900.0, 0.0), "BTC": Balance(-1.0, 0.0)}
    await broker.close(an_order(Leg.CLOSE, price=90.0, is_buy=True))
    assert await broker.balances() == {"USDT": Balance(1010.0, 0.0)}


async def test_what_cannot_be_saved_has_not_happened() -> None:
    store = TextStore()
    broker = await a_broker(store)
    store.is_full = True
    answer = await broker.open(an_order())
    assert answer == Transient("the account cannot be saved: no space left", may_have_arrived=False)
    assert isinstance(await broker.check(an_order()), Gone)
    store.is_full = False
    assert isinstance(await broker.open(an_order()), Confirmed)


async def test_a_candle_whose_fills_cannot_be_saved_is_made_up_for_by_the_next() -> None:
    store = TextStore()
    broker = await a_broker(store, latency_ms=60_000)
    await broker.open(an_order())
    store.is_full = True
    await broker.candle_closed(SYMBOL, candles_until(1, close=101.0))
    assert await broker.check(an_order()) == Confirmed(OrderState.RESTING, None, "s-1-e1")
    store.is_full = False
    await broker.candle_closed(SYMBOL, candles_until(2, close=101.0, count=2))
    assert await broker.check(an_order()) == Confirmed(OrderState.FILLED, Fill(1.0, 101.0), "s-1-e1")


async def test_a_fill_whose_answer_was_lost_is_found_after_a_restart() -> None:
    store = TextStore()
    broker = await a_broker(store)
    await broker.open(an_order())  # and the process ends before anybody hears
    again = await a_broker(store, balance=5.0)  # the balance of the config is that of a new account
    assert await again.check(an_order()) == Confirmed(OrderState.FILLED, Fill(1.0, 100.0), "s-1-e1")
    assert again.account == broker.account


async def test_old_settled_orders_are_forgotten_but_none_that_rests() -> None:
    broker = await a_broker(TextStore(), latency_ms=60_000, balance=1e6)
    await broker.open(an_order(client_id="rests"))
    for number in range(3 * SETTLED_KEPT):
        await broker.open(an_order(client_id=str(number)))
        await broker.cancel(an_order(client_id=str(number)))
    assert [known.order.client_id for known in broker.account.orders] == ["rests", *map(str, range(16, 24))]


async def test_a_record_of_something_else_is_refused() -> None:
    store = TextStore()
    await store.write(KEY, {"cash": 1.0})
    with pytest.raises(CorruptRecordError, match="expected the record of a simulated account"):
        await a_broker(store)


COSTS = {"one": Costs(0.001, 0.001), "two": Costs(0.002, 0.0)}
CASES = (("one", SYMBOL, Side.LONG), ("two", SYMBOL, Side.SHORT), ("two", "ETH/USDT", Side.LONG))
LEGS = (Leg.ENTRY, Leg.AVERAGE, Leg.PARTIAL, Leg.CLOSE)
SCRIPTS = st.lists(
    st.tuples(
        st.lists(st.tuples(st.sampled_from(range(3)), st.sampled_from(LEGS), st.floats(0.01, 1)), max_size=4),
        st.floats(50, 200),
        st.floats(0, 30),
    ),
    min_size=1,
    max_size=8,
)
OPTIONS = st.fixed_dictionaries(
    {
        "latency_ms": st.sampled_from((0, 500, 60_000, 130_000)),
        "max_volume_pct": st.sampled_from((None, 10.0, 100.0)),
        "balance": st.sampled_from((700.0, 10_000.0)),
    }
)
Script = list[tuple[list[tuple[int, Leg, float]], float, float]]


async def _play(script: Script, options: dict[str, Any], *, restarts: bool) -> tuple[PaperBroker, list[Any]]:
    """Play *script*, holding the account to the ledger at every minute; return what was answered in the end."""
    store, answers = TextStore(), list[Any]()
    broker = await a_broker(store, COSTS, **options)
    traders = [Trader(strategy, symbol, side, COSTS[strategy]) for strategy, symbol, side in CASES]
    for minute, (acts, price, volume) in enumerate([*script, *[([], 100.0, 1e9)] * 4]):
        at_ms = START_MS + minute * MINUTE_MS
        for symbol in (SYMBOL, "ETH/USDT"):
            await broker.candle_closed(symbol, candles_until(minute, price, volume))
        for trader in traders:
            await trader.asks(broker, at_ms)
        for number, leg, amount in acts:
            answers.append(await traders[number].acts(broker, leg, amount, price, at_ms))
            if restarts:
                broker = await a_broker(store, COSTS, **options)
        prices = {SYMBOL: price, "ETH/USDT": price}
        earned = sum(trader.net_at(price) for trader in traders)
        worth = equity(broker.account, prices, Terms(COSTS))
        assert worth == pytest.approx(options["balance"] + earned, rel=1e-9)
        if restarts:
            broker = await a_broker(store, COSTS, **options)
    for trader in traders:
        answers.append(await trader.acts(broker, Leg.CLOSE, 1.0, 90.0, START_MS + 100 * MINUTE_MS))
    for minute in (101, 105):
        for trader in traders:
            await broker.candle_closed(trader.symbol, candles_until(minute, 90.0, 1e9))
            await trader.asks(broker, START_MS + minute * MINUTE_MS)
    net = sum(trade.gain.net for trader in traders for trade in trader.trades)
    assert broker.account.holdings == {}
    assert broker.account.cash == pytest.approx(options["balance"] + net, rel=1e-9)
    return broker, answers


@settings(max_examples=40)
@given(SCRIPTS, OPTIONS)
def test_the_account_is_the_ledger_of_the_engine_at_every_minute_and_to_the_last_cent(
    script: Script, options: dict[str, Any]
) -> None:
    asyncio.run(_play(script, options, restarts=False))


@settings(max_examples=20)
@given(SCRIPTS, OPTIONS)
def test_a_restart_after_every_step_changes_nothing(script: Script, options: dict[str, Any]) -> None:
    broker, answers = asyncio.run(_play(script, options, restarts=False))
    again, restarted = asyncio.run(_play(script, options, restarts=True))
    assert restarted == answers
    assert (again.account.cash, again.account.orders) == (broker.account.cash, broker.account.orders)
    assert account_of(record_of(broker.account)) == broker.account

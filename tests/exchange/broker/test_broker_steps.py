"""`btk broker test` without its command line: each call once, and nothing left behind."""

from contextlib import aclosing
from typing import Any

import pytest

from backtestkit_cli.exchange.broker.broker import CcxtBroker
from backtestkit_cli.runs.broker_trial.desk import Step
from backtestkit_cli.runs.broker_trial.steps import broker_steps
from tests.exchange.broker.brokers import NOW, ORDER, PAIR, no_sleep, sent, trading
from tests.venue.driver import TradingVenue
from tests.venue.faults import RESET, lost_before, rejected, server_error
from tests.venue.trading import ORDER_LIST

POST = f"POST {ORDER}"


async def steps_of(broker: CcxtBroker, *, is_dry: bool = False) -> list[Step]:
    steps = broker_steps(broker, "BTCUSDT", 100.0, now_ms=NOW, is_dry=is_dry, sleep=no_sleep)
    return [step async for step in steps]


def assert_clean(there: TradingVenue) -> None:
    """Nothing rests, and of what was bought there is no more than cannot be sold."""
    assert there.book.open_orders == ()
    held = there.book.balances.get("BTC")
    assert held is None or held.total < 0.001


async def test_each_call_is_fired_once_with_the_least_the_venue_takes_and_nothing_is_left() -> None:
    async with trading() as (there, broker):
        steps = await steps_of(broker)
        assert_clean(there)
        assert there.book.balances["USDT"].free > 9_999
    assert [(step.name, step.is_ok) for step in steps] == [
        (name, True)
        for name in (
            "rules", "balances", "open limit", "check limit", "amend limit", "cancel limit", "open market",
            "close exits", "check exits", "cancel exits", "close market",
        )
    ]  # fmt: skip
    assert steps[1].answer == "free: no BTC, 10000 USDT"
    assert steps[2].request == "buy 0.05967 BTC at 90 as btktest-1941f2a6660-e1"
    assert steps[-1].answer.startswith("filled, venue id ")


async def test_a_dry_run_says_what_it_would_send_and_sends_nothing() -> None:
    async with trading(broker={"environ": {}}) as (there, broker):
        steps = await steps_of(broker, is_dry=True)
        assert {request.path for request in there.requests} == {"/api/v3/exchangeInfo"}
    assert len(steps) == 11
    assert all(step.is_ok for step in steps)
    assert {step.answer for step in steps[1:]} == {"not sent: this is a dry run"}


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param({POST: [RESET]}, id="limit"),
        pytest.param({POST: [lost_before()]}, id="limit never arrived"),
        pytest.param({f"DELETE {ORDER}": [server_error()]}, id="amendment"),
        pytest.param({POST: [None, None, RESET]}, id="market buy"),
        pytest.param({PAIR: [RESET]}, id="exits"),
        pytest.param({f"DELETE {ORDER_LIST}": [server_error()]}, id="cancelling of exits"),
        pytest.param({POST: [None, None, None, RESET]}, id="market sale"),
    ],
)
async def test_whatever_is_left_open_by_a_lost_answer_is_taken_back_and_sold(faults: Any) -> None:
    async with trading(faults=faults) as (there, broker):
        steps = await steps_of(broker)
        assert_clean(there)
    assert not all(step.is_ok for step in steps)


async def test_a_refused_purchase_ends_the_test_with_its_reason() -> None:
    async with trading(faults={POST: [None, None, rejected()]}) as (there, broker):
        steps = await steps_of(broker)
        assert_clean(there)
    assert steps[-1].name == "open market"
    assert steps[-1].answer.startswith("rejected (balance): InsufficientFunds")


async def test_who_stops_listening_midway_leaves_nothing_behind_either() -> None:
    async with trading() as (there, broker):
        async with aclosing(broker_steps(broker, "BTCUSDT", 100.0, now_ms=NOW, is_dry=False, sleep=no_sleep)) as steps:
            async for step in steps:
                if step.name == "check exits":
                    break
        assert_clean(there)
        assert len(sent(there)) == 5


async def test_an_unknown_symbol_is_the_only_step() -> None:
    async with trading() as (_, broker):
        steps = [step async for step in broker_steps(broker, "NOTHING", 100.0, now_ms=NOW, is_dry=False)]
    assert [(step.name, step.is_ok) for step in steps] == [("rules", False)]

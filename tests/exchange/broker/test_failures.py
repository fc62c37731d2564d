"""What can go wrong between the broker and the venue, on every call: an answer, and never an exception."""

import logging
from collections.abc import Awaitable, Callable

import pytest

from backtestkit_cli.domain.venue import Answer, OrderState, RefusalKind, Transient
from backtestkit_cli.errors import ConfigError, VenueError
from backtestkit_cli.exchange.broker.broker import CcxtBroker
from backtestkit_cli.exchange.broker.permissions import Permissions
from tests.exchange.broker.brokers import (
    ID,
    ORDER,
    PAIR,
    QUIET,
    a_broker,
    a_limit,
    an_order,
    confirmed,
    exits,
    minutes,
    rejected,
    sent,
    trading,
    transient,
)
from tests.venue.calls import EXCHANGE_INFO
from tests.venue.faults import (
    CUT_BODY,
    CUT_JSON,
    RESET,
    ErrorAnswer,
    Fault,
    banned,
    error_body,
    html_page,
    server_error,
    stall,
    too_many_requests,
)
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET, READER_KEY, READER_SECRET
from tests.venue.symbols import SymbolFacts

READER = {"BINANCE_API_KEY": READER_KEY, "BINANCE_API_SECRET": READER_SECRET}
UNKNOWN_KEY = {"BINANCE_API_KEY": "nobody", "BINANCE_API_SECRET": "nothing"}
WRONG_SECRET = {"BINANCE_API_KEY": LOOPBACK_KEY, "BINANCE_API_SECRET": "not-the-secret"}
NAMES_VARIABLES = "the venue refused the credentials in BINANCE_API_KEY and BINANCE_API_SECRET"


def refused(code: int, text: str, status: int = 400) -> Fault:
    return ErrorAnswer(f"{code}", status, error_body(code, text))


NULL = ErrorAnswer("null", 200, "null")
NO_ID = ErrorAnswer("no id", 200, '{"symbol": "BTCUSDT"}')
ODD = ErrorAnswer("odd", 200, "[1, 2]")
UNKNOWN_OUTCOME = refused(-1007, "Timeout waiting for response from backend server. Send status unknown.", 408)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(stall(5.0), id="no answer"),
        pytest.param(RESET, id="reset"),
        pytest.param(CUT_BODY, id="cut body"),
        pytest.param(CUT_JSON, id="cut JSON"),
        pytest.param(server_error(), id="500"),
        pytest.param(html_page(503), id="503 HTML"),
        pytest.param(html_page(200), id="200 HTML"),
        pytest.param(NULL, id="null"),
        pytest.param(NO_ID, id="no id"),
        pytest.param(ODD, id="odd shape"),
        pytest.param(UNKNOWN_OUTCOME, id="outcome unknown"),
    ],
)
@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda broker: broker.open(an_order()), id="order"),
        pytest.param(lambda broker: broker.close(exits()), id="pair"),
    ],
)
async def test_an_order_without_an_answer_may_have_arrived_and_is_sent_once(
    fault: Fault, send: Callable[[CcxtBroker], Awaitable[Answer]]
) -> None:
    async with trading(deposits={"BTC": 1, "USDT": 1_000}, faults={ORDER: [fault], PAIR: [fault]}) as (there, broker):
        answer = transient(await send(broker))
        assert len(sent(there)) == 1
    assert (answer.may_have_arrived, answer.retry_after_s) == (True, None)


@pytest.mark.parametrize("fault", [stall(5.0), RESET, CUT_BODY, CUT_JSON], ids=lambda fault: fault.name)
async def test_an_order_whose_answer_was_lost_is_found_by_its_id(fault: Fault) -> None:
    async with trading(faults={ORDER: [fault]}) as (there, broker):
        transient(await broker.open(an_order()))
        answer = confirmed(await broker.check(an_order()))
        assert len(there.book.of(ID)) == 1
    assert (answer.state, answer.fill and answer.fill.quantity) == (OrderState.FILLED, 2.0)


async def test_exits_whose_answer_was_lost_are_found_by_their_ids() -> None:
    async with trading(deposits={"BTC": 1}, faults={PAIR: [CUT_BODY]}) as (_, broker):
        transient(await broker.close(exits()))
        assert confirmed(await broker.check(exits())).has_target


async def test_an_order_that_could_not_be_sent_has_not_arrived() -> None:
    async with trading() as (there, broker):
        await broker.rules("BTCUSDT")
        await there.stop()
        answer = transient(await broker.open(an_order()))
        assert sent(there) == []
        await there.start()
    assert not answer.may_have_arrived


@pytest.mark.parametrize(
    ("fault", "wait_s"),
    [
        pytest.param(too_many_requests(2), 2.0, id="429"),
        pytest.param(banned(30), 30.0, id="418"),
        pytest.param(too_many_requests(None), None, id="429 without a wait"),
    ],
)
async def test_a_limited_order_has_not_arrived_and_the_wait_is_handed_on(fault: Fault, wait_s: float | None) -> None:
    async with trading(faults={ORDER: [fault]}) as (there, broker):
        answer = transient(await broker.open(an_order()))
        assert there.book.orders == ()
    assert (answer.may_have_arrived, answer.retry_after_s) == (False, wait_s)


async def test_while_the_venue_wants_no_requests_none_is_sent_and_nobody_waits() -> None:
    async with trading(faults={ORDER: [banned(30)]}) as (there, broker):
        await broker.open(an_order())
        answers = [await broker.open(an_order()), await broker.check(an_order()), await broker.resting("BTCUSDT")]
        assert len(there.requests_of(ORDER)) == 1
        with pytest.raises(VenueError, match="no requests"):
            await broker.balances()
    for answer in answers:
        assert isinstance(answer, Transient)
    assert 29 < (transient(answers[0]).retry_after_s or 0) <= 30  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(refused(-1013, "Filter failure: NOTIONAL"), RefusalKind.BELOW_MINIMUM, id="NOTIONAL"),
        pytest.param(refused(-1013, "Filter failure: MIN_NOTIONAL"), RefusalKind.BELOW_MINIMUM, id="MIN_NOTIONAL"),
        pytest.param(refused(-1013, "Filter failure: LOT_SIZE"), RefusalKind.OTHER, id="LOT_SIZE"),
        pytest.param(refused(-1013, "Market is closed."), RefusalKind.SYMBOL, id="closed"),
        pytest.param(refused(-1121, "Invalid symbol."), RefusalKind.SYMBOL, id="symbol"),
        pytest.param(
            refused(-2010, "Account has insufficient balance for requested action."), RefusalKind.BALANCE, id="balance"
        ),
        pytest.param(
            refused(-2010, "Stop price would trigger immediately."), RefusalKind.WOULD_TRIGGER, id="would trigger"
        ),
        pytest.param(
            refused(-2010, "Order would immediately match and take."), RefusalKind.WOULD_TRIGGER, id="would take"
        ),
        pytest.param(refused(-2015, "Invalid API-key, IP, or permissions.", 401), RefusalKind.PERMISSION, id="key"),
        pytest.param(refused(-1102, "Mandatory parameter was not sent."), RefusalKind.OTHER, id="other"),
        pytest.param(ErrorAnswer("451", 451, "no"), RefusalKind.PERMISSION, id="place"),
    ],
)
async def test_a_refusal_is_told_apart_by_what_comes_next(fault: Fault, kind: RefusalKind) -> None:
    async with trading(faults={ORDER: [fault]}) as (_, broker):
        assert rejected(await broker.open(an_order())).kind is kind


async def test_a_duplicate_that_is_not_found_either_must_be_asked_for_again() -> None:
    async with trading(faults={ORDER: [refused(-2010, "Duplicate order sent.")]}) as (_, broker):
        assert transient(await broker.open(an_order())).may_have_arrived


async def test_a_request_dated_wrongly_was_not_taken_and_the_next_is_dated_by_the_venue() -> None:
    async with trading() as (there, broker):
        await broker.rules("BTCUSDT")
        there.market.skew_ms = 3_600_000
        first = transient(await broker.open(an_order()))
        second = await broker.open(an_order())
        assert len(there.requests_of("/api/v3/time")) == 1
    assert not first.may_have_arrived
    assert confirmed(second).state is OrderState.FILLED


async def test_a_market_order_that_is_not_filled_at_once_is_followed_and_no_longer_than_some_seconds() -> None:
    taken = '{"symbol":"BTCUSDT","orderId":7,"status":"NEW","origQty":"2","executedQty":"0","type":"MARKET"}'
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    open_still = ErrorAnswer("open", 200, taken)
    faults: dict[str, list[Fault | None]] = {ORDER: [open_still] * 9}
    async with trading(faults=faults, broker={"sleep": sleep}) as (there, broker):
        answer = confirmed(await broker.open(an_order()))
        assert len(sent(there)) == 1
    assert answer.state is OrderState.RESTING
    assert sum(waits) <= 5


async def test_a_market_order_is_confirmed_once_the_venue_tells_that_it_was_filled() -> None:
    taken = ErrorAnswer("ack", 200, '{"symbol": "BTCUSDT", "orderId": 1}')
    async with trading(faults={ORDER: [None, taken]}) as (_, broker):
        await broker.open(an_order())
        answer = confirmed(await broker.open(an_order()))
    assert (answer.state, answer.fill and answer.fill.fee_base) == (OrderState.FILLED, 0.002)


async def test_reading_is_tried_twice_and_then_told_as_unknown() -> None:
    async with trading(faults={ORDER: [None, server_error(), None, server_error(), server_error()]}) as (_, broker):
        await broker.open(an_order())
        confirmed(await broker.check(an_order()))
        transient(await broker.check(an_order()))


@pytest.mark.parametrize("fault", [RESET, CUT_BODY, stall(5.0)], ids=lambda fault: fault.name)
async def test_an_order_whose_cancelling_had_no_answer_is_found_cancelled_the_next_time(fault: Fault) -> None:
    async with trading(faults={ORDER: [None, fault]}) as (there, broker):
        await broker.open(a_limit())
        first = await broker.cancel(a_limit())  # ccxt's aiohttp asks once more by itself where nothing came back
        answer = confirmed(await broker.cancel(a_limit()))
        assert [order.is_open for order in there.book.orders] == [False]
    assert answer.state is OrderState.CANCELLED
    assert isinstance(first, Transient) or first == answer


async def test_an_amendment_that_could_not_take_the_order_before_back_sends_nothing() -> None:
    async with trading(faults={ORDER: [None, server_error()]}) as (there, broker):
        await broker.open(a_limit())
        answer = transient(await broker.amend(a_limit(), a_limit(80.0, client_id="moved-e2")))
        assert [order.client_id for order in there.book.open_orders] == [ID]
    assert not answer.may_have_arrived


async def test_fees_that_cannot_be_asked_for_leave_the_answer_open_and_fees_never_told_are_left_to_the_settings() -> (
    None
):
    trades = "/api/v3/myTrades"
    faults: dict[str, list[Fault | None]] = {
        trades: [server_error(), server_error(), ErrorAnswer("none", 200, "[]")],
    }
    async with trading(faults=faults) as (_, broker):
        await broker.open(an_order())
        assert transient(await broker.check(an_order())).may_have_arrived
        unpaid = confirmed(await broker.check(an_order())).fill
        paid = confirmed(await broker.check(an_order())).fill
    assert unpaid == (2.0, 100.0, None, 0.0)
    assert paid == (2.0, 100.0, 0.0, 0.002)


async def test_markets_that_cannot_be_loaded_are_no_exception_but_nothing_known() -> None:
    faults: dict[str, list[Fault | None]] = {EXCHANGE_INFO: [server_error()] * 99}
    async with trading(faults=faults) as (_, broker):
        assert not transient(await broker.open(an_order())).may_have_arrived
        transient(await broker.cancel(an_order()))
        with pytest.raises(VenueError, match="no answer after 3 attempts"):
            await broker.rules("BTCUSDT")


@pytest.mark.parametrize(
    "environ", [pytest.param(UNKNOWN_KEY, id="unknown key"), pytest.param(WRONG_SECRET, id="wrong secret")]
)
async def test_wrong_keys_are_one_line_that_names_their_variables(environ: dict[str, str]) -> None:
    async with trading(broker={"environ": environ}) as (_, broker):
        answer = rejected(await broker.open(an_order()))
        with pytest.raises(VenueError, match=NAMES_VARIABLES):
            await broker.permissions()
        with pytest.raises(VenueError, match=NAMES_VARIABLES):
            await broker.balances()
    assert answer.kind is RefusalKind.PERMISSION
    assert NAMES_VARIABLES in answer.reason
    assert "\n" not in answer.reason


async def test_keys_that_only_read_are_refused_for_good_also_after_they_have_read() -> None:
    async with trading(broker={"environ": READER}) as (_, broker):
        assert await broker.permissions() == Permissions(can_trade=False, can_withdraw=False)
        answer = rejected(await broker.open(an_order()))
    assert answer.kind is RefusalKind.PERMISSION
    assert NAMES_VARIABLES in answer.reason


async def test_keys_that_are_withdrawn_while_an_order_is_under_way_tell_nothing_of_it() -> None:
    revoked = refused(-2015, "Invalid API-key, IP, or permissions for action.", 401)
    async with trading(faults={f"GET {ORDER}": [revoked] * 2, f"DELETE {ORDER}": [revoked]}) as (_, broker):
        await broker.open(a_limit())
        answers = [transient(await broker.check(a_limit())), transient(await broker.cancel(a_limit()))]
    assert [answer.may_have_arrived for answer in answers] == [True, True]
    assert all(NAMES_VARIABLES in answer.reason for answer in answers)


async def test_keys_that_trade_may_trade_and_a_venue_that_tells_of_the_account_only_is_believed() -> None:
    async with trading(faults={"/sapi/v1/account/apiRestrictions": [None, server_error(), server_error()]}) as (
        _,
        broker,
    ):
        assert await broker.permissions() == Permissions(can_trade=True, can_withdraw=False)
        assert await broker.permissions() == Permissions(can_trade=True, can_withdraw=None)


async def test_without_keys_nothing_is_signed_and_the_variables_are_named() -> None:
    async with trading(broker={"environ": {}}) as (there, broker):
        with pytest.raises(ConfigError, match="set BINANCE_API_KEY and BINANCE_API_SECRET"):
            broker.demand_keys()
        answer = rejected(await broker.open(an_order()))
        assert sent(there) == []
    assert answer.kind is RefusalKind.PERMISSION
    assert "set BINANCE_API_KEY and BINANCE_API_SECRET" in answer.reason


@pytest.mark.parametrize("market", ["swap", "future", "margin"])
def test_other_markets_than_spot_are_refused_at_the_start(market: str) -> None:
    with pytest.raises(ConfigError, match=f"live trades the spot market only, found market '{market}'"):
        a_broker("http://127.0.0.1:1", market=market)


@pytest.mark.parametrize("exchange_id", ["kraken", "coinbase"])
def test_a_venue_where_orders_are_not_found_by_our_ids_is_refused_at_the_start(exchange_id: str) -> None:
    with pytest.raises(ConfigError, match=f"live trades at binance, binanceus, mexc only.*, found '{exchange_id}'"):
        a_broker("http://127.0.0.1:1", exchange_id=exchange_id)


async def test_unknown_and_delisted_symbols_are_named_with_the_nearest_that_are_traded() -> None:
    halted = SymbolFacts("ETHUSDT", "ETH", "USDT", status="BREAK")
    async with trading(
        candles={"BTCUSDT": minutes(QUIET), "ETHUSDT": minutes(QUIET)},
        facts={"ETHUSDT": halted, "BTCUSDT": SymbolFacts("BTCUSDT", "BTC", "USDT")},
    ) as (there, broker):
        with pytest.raises(VenueError, match=r"no symbol 'BTCUSD'; did you mean 'BTCUSDT' or 'ETHUSDT'\?"):
            await broker.rules("BTCUSD")
        with pytest.raises(VenueError, match=r"ETH/USDT is not traded at present .*'BTCUSDT'"):
            await broker.rules("ETHUSDT")
        answer = rejected(await broker.open(an_order(symbol="ETHUSDT")))
        assert sent(there) == []
    assert answer.kind is RefusalKind.SYMBOL


async def test_an_order_may_arrive_as_long_as_its_request_is_good_and_a_second_for_the_clock() -> None:
    async with trading(broker={"receive_window_ms": 2_000}) as (there, broker):
        assert broker.arrival_window_s == 3.0
        await broker.open(an_order())
        assert [params["recvWindow"] for params in sent(there)] == ["2000"]
    assert a_broker("http://127.0.0.1:1").arrival_window_s == 6.0


async def test_a_bug_is_not_taken_for_a_failure_of_the_venue(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("ours")

    async with trading() as (_, broker):
        monkeypatch.setattr("backtestkit_cli.exchange.broker.fills.price_of", broken)
        with pytest.raises(KeyError, match="ours"):
            await broker.open(an_order())


async def test_no_answer_and_no_log_line_holds_the_keys(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    lost: list[Fault | None] = [RESET, CUT_BODY, server_error(), ErrorAnswer("echo", 400, LOOPBACK_KEY), None]
    async with trading(faults={ORDER: lost}) as (_, broker):
        said = [str(await broker.open(an_order(client_id=f"try-e{number}"))) for number in range(len(lost))]
        said += [str(await broker.check(an_order())), repr(broker), str(await broker.resting("NOTHING"))]
    told = "\n".join([*said, caplog.text])
    assert LOOPBACK_KEY not in told
    assert LOOPBACK_SECRET not in told
    assert "signature" not in told

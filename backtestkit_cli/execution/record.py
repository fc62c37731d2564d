"""A simulated account as a record that JSON can hold, and back, to the last bit."""

from collections.abc import Mapping
from typing import Any

from backtestkit_cli.domain.venue import Fill, Leg, OrderKind, OrderState, RefusalKind, Rejected, VenueOrder
from backtestkit_cli.engine.lifecycle import SIDES
from backtestkit_cli.errors import CorruptRecordError
from backtestkit_cli.execution.account import Account, Holding, KnownOrder, SeenCandle
from backtestkit_cli.ports import Json


def record_of(account: Account) -> Json:
    """Return *account* as a record."""
    return {
        "cash": account.cash,
        "holdings": {key: {**held._asdict(), "side": held.side.value} for key, held in account.holdings.items()},
        "orders": [_order_record(known) for known in account.orders],
        "candles": {symbol: seen._asdict() for symbol, seen in account.candles.items()},
    }


def account_of(record: Mapping[str, Any]) -> Account:
    """Return the account that *record* was made of.

    Raises:
        CorruptRecordError: it was made of none.
    """
    try:
        return Account(
            record["cash"],
            {key: Holding(**{**held, "side": SIDES[held["side"]]}) for key, held in record["holdings"].items()},
            tuple(_known_order(order) for order in record["orders"]),
            {symbol: SeenCandle(**seen) for symbol, seen in record["candles"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        problem = f"account: expected the record of a simulated account, found one that lacks or adds {error}"
        raise CorruptRecordError(problem) from error


def _order_record(known: KnownOrder) -> Json:
    order = known.order
    return {
        "order": {**order._asdict(), "leg": order.leg.value, "kind": order.kind.value},
        "state": known.state.value,
        "fill": known.fill and known.fill._asdict(),
        "refusal": known.refusal and [known.refusal.kind.value, known.refusal.reason],
    }


def _known_order(record: Mapping[str, Any]) -> KnownOrder:
    order, fill, refusal = record["order"], record["fill"], record["refusal"]
    return KnownOrder(
        VenueOrder(**{**order, "leg": Leg(order["leg"]), "kind": OrderKind(order["kind"])}),
        OrderState(record["state"]),
        None if fill is None else Fill(**fill),
        None if refusal is None else Rejected(RefusalKind(refusal[0]), refusal[1]),
    )

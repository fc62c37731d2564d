"""What a request for an order says, read as Binance reads it."""

from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, TypeVar

from tests.venue.calls import Refusal
from tests.venue.matching.orders import Kind, Ticket, TimeInForce
from tests.venue.matching.rules import missing

Word = TypeVar("Word", bound=StrEnum)


class _Side(StrEnum):
    BUY = "BUY"
    SELL = "SELL"


def needed(params: Mapping[str, str], name: str) -> str:
    value = params.get(name)
    if not value:
        raise missing(name)
    return value


def whole(params: Mapping[str, str], name: str) -> int | None:
    text = params.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def ticket_of(params: Mapping[str, str]) -> Ticket:
    """Return what POST /api/v3/order asks for."""
    kind = _word(Kind, needed(params, "type"), -1116, "Invalid orderType.")
    if kind.has_limit and kind is not Kind.LIMIT_MAKER:
        needed(params, "timeInForce")
    return Ticket(
        symbol=needed(params, "symbol"),
        is_buy=_is_buy(params),
        kind=kind,
        quantity=_number(params, "quantity"),
        quote_quantity=_number(params, "quoteOrderQty"),
        price=_number(params, "price"),
        price_stop=_number(params, "stopPrice"),
        client_id=params.get("newClientOrderId", ""),
        time_in_force=_time_in_force(params, "timeInForce"),
    )


def pair_of(params: Mapping[str, str]) -> tuple[Ticket, Ticket]:
    """Return the two orders of POST /api/v3/orderList/oco, the upper one first."""
    return _part(params, "above"), _part(params, "below")


def old_pair_of(params: Mapping[str, str]) -> tuple[Ticket, Ticket]:
    """Return the two orders of POST /api/v3/order/oco, the upper one first."""
    common: dict[str, Any] = {
        "symbol": needed(params, "symbol"),
        "is_buy": _is_buy(params),
        "quantity": _number(params, "quantity"),
    }
    limit = Ticket(
        **common, kind=Kind.LIMIT_MAKER, price=_number(params, "price"), client_id=params.get("limitClientOrderId", "")
    )  # fmt: skip
    stop = Ticket(
        **common,
        kind=Kind.STOP_LOSS_LIMIT if "stopLimitPrice" in params else Kind.STOP_LOSS,
        price=_number(params, "stopLimitPrice"),
        price_stop=_number(params, "stopPrice"),
        client_id=params.get("stopClientOrderId", ""),
    )
    return (stop, limit) if limit.is_buy else (limit, stop)


def _part(params: Mapping[str, str], which: str) -> Ticket:
    return Ticket(
        symbol=needed(params, "symbol"),
        is_buy=_is_buy(params),
        kind=_word(Kind, needed(params, f"{which}Type"), -1116, "Invalid orderType."),
        quantity=_number(params, "quantity"),
        price=_number(params, f"{which}Price"),
        price_stop=_number(params, f"{which}StopPrice"),
        client_id=params.get(f"{which}ClientOrderId", ""),
        time_in_force=_time_in_force(params, f"{which}TimeInForce"),
    )


def _is_buy(params: Mapping[str, str]) -> bool:
    return _word(_Side, needed(params, "side"), -1117, "Invalid side.") is _Side.BUY


def _time_in_force(params: Mapping[str, str], name: str) -> TimeInForce:
    return _word(TimeInForce, params.get(name, "GTC"), -1115, "Invalid timeInForce.")


def _word(words: type[Word], text: str, code: int, message: str) -> Word:
    if text not in set(words):
        raise Refusal(code, message)
    return words(text)


def _number(params: Mapping[str, str], name: str) -> Decimal | None:
    text = params.get(name)
    if text is None:
        return None
    try:
        value = Decimal(text)
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        raise Refusal(-1100, f"Illegal characters found in parameter '{name}'.")
    return value

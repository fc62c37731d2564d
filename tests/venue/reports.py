"""What the user stream says, in the letters of Binance."""

from collections.abc import Mapping

from tests.venue.answers import amount
from tests.venue.matching.account import Holding
from tests.venue.matching.orders import ZERO, Report


def execution_report(report: Report) -> dict[str, object]:
    """Return what happened to an order."""
    order, trade = report.order, report.trade
    return {
        "e": "executionReport",
        "E": report.at_ms,
        "s": order.symbol,
        "c": order.client_id,
        "S": "BUY" if order.is_buy else "SELL",
        "o": order.kind,
        "f": order.time_in_force,
        "q": amount(order.quantity),
        "p": amount(order.price),
        "P": amount(order.price_stop),
        "F": amount(ZERO),
        "g": order.list_number,
        "C": "",
        "x": report.what,
        "X": order.status,
        "r": "NONE",
        "i": order.number,
        "l": amount(trade.quantity if trade else ZERO),
        "z": amount(order.filled),
        "L": amount(trade.price if trade else ZERO),
        "n": amount(trade.fee if trade else ZERO),
        "N": trade.fee_asset if trade else None,
        "T": report.at_ms,
        "t": trade.number if trade else -1,
        "w": order.is_open,
        "m": trade.is_maker if trade else False,
        "O": order.placed_ms,
        "Z": amount(order.cost),
        "Y": amount(trade.cost if trade else ZERO),
        "Q": amount(order.quote_quantity),
    }


def position_report(holdings: Mapping[str, Holding], at_ms: int) -> dict[str, object]:
    """Return what the account holds."""
    return {
        "e": "outboundAccountPosition",
        "E": at_ms,
        "u": at_ms,
        "B": [
            {"a": asset, "f": amount(holding.free), "l": amount(holding.locked)} for asset, holding in holdings.items()
        ],
    }

"""A symbol as it is traded: its grid, and how exits rest there."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple

from backtestkit_cli.domain.grid import Grid, price_text, quantity_text
from backtestkit_cli.domain.venue import EXIT_SUFFIXES, ExitSide, OrderKind, VenueOrder, VenueRules
from backtestkit_cli.exchange.broker.venue_calls import TradingExchange
from backtestkit_cli.exchange.listings import Listing

VENUES = ("binance", "binanceus", "mexc")
"""Where an order can be found and taken back by our client id through ccxt; without that one might be sent twice."""
_PAIR_VENUES = {"binance"}
_MARKET_STOP, _LIMIT_STOP, _TARGET = "STOP_LOSS", "STOP_LOSS_LIMIT", "LIMIT_MAKER"


class ExitForm(StrEnum):
    """How exits rest at the venue: stop and target as a pair, the stop alone, or not at all."""

    PAIR = "pair"
    STOP = "stop"
    NONE = "none"


class Traded(NamedTuple):
    """One market; `has_market_stop` says that a stop may sell at the market, and not at a limit only."""

    listing: Listing
    exit_form: ExitForm
    has_market_stop: bool = True

    @property
    def symbol(self) -> str:
        """Return what ccxt calls it."""
        return self.listing.symbol

    @property
    def grid(self) -> Grid:
        """Return its steps and limits."""
        return self.listing.grid

    @property
    def rules(self) -> VenueRules:
        """Return what may be done with it."""
        grid = self.grid
        return VenueRules(
            base=self.listing.base,
            quote=self.listing.quote,
            quantity_step=float(grid.quantity_step or 0),
            min_quantity=float(grid.min_quantity or 0),
            min_cost=float(grid.min_cost or 0),
            can_short=False,
            rests_limits=True,
            rests_exits=self.exit_form is not ExitForm.NONE,
        )

    def quantity(self, order: VenueOrder) -> str:
        """Return how much of *order* the grid lets be sent, never more than it asks for."""
        return quantity_text(self.grid, order.quantity)

    def price(self, price: float) -> str:
        """Return *price* on the nearest step."""
        return price_text(self.grid, price)

    def is_same(self, one: VenueOrder, other: VenueOrder) -> bool:
        """Say whether the two would be the same order at the venue but for their ids."""
        return self._on_grid(one) == self._on_grid(other)

    def exits_of(self, order: VenueOrder) -> dict[ExitSide, tuple[str, float]]:
        """Return client id and price of each of the exits in *order* that rest at the venue."""
        prices = {ExitSide.STOP: order.price_stop, ExitSide.TARGET: order.price_limit}
        if self.exit_form is not ExitForm.PAIR:
            del prices[ExitSide.TARGET]
        return {side: (order.client_id + EXIT_SUFFIXES[side], price) for side, price in prices.items() if price}

    def _on_grid(self, order: VenueOrder) -> tuple[object, ...]:
        prices = [price and self.price(price) for price in (order.price_limit, order.price_stop)]
        if order.kind is OrderKind.EXITS and self.exit_form is ExitForm.STOP:
            prices[0] = None  # the target is not at the venue
        return order.symbol, order.kind, order.is_buy, order.post_only, self.quantity(order), *prices


def traded(listing: Listing, exchange_id: str, exchange: TradingExchange) -> Traded:
    """Return how *listing* is traded on *exchange*, whose markets are loaded."""
    told = exchange.market(listing.symbol).get("info") or {}
    kinds = told.get("orderTypes") if isinstance(told, dict) else None
    return Traded(
        listing,
        _exit_form(exchange_id, exchange, told, kinds),
        has_market_stop=kinds is None or _MARKET_STOP in kinds,
    )


def _exit_form(exchange_id: str, exchange: TradingExchange, told: Mapping[str, Any], kinds: Any) -> ExitForm:  # noqa: ANN401
    if exchange_id in _PAIR_VENUES and kinds is not None:
        if not {_MARKET_STOP, _LIMIT_STOP} & set(kinds):
            return ExitForm.NONE
        return ExitForm.PAIR if told.get("ocoAllowed") and _TARGET in kinds else ExitForm.STOP
    features = (exchange.features or {}).get("spot")
    orders = features.get("createOrder") if isinstance(features, Mapping) else None
    has_stop = isinstance(orders, Mapping) and orders.get("stopLossPrice")
    return ExitForm.STOP if has_stop else ExitForm.NONE

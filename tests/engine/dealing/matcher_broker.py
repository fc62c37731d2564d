"""A broker over the matching core of the loopback venue: real fills, fees and locks, without a wire; with mishaps."""

from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.venue import (
    EXIT_SUFFIXES,
    Answer,
    Balance,
    Confirmed,
    ExitSide,
    Fill,
    Gone,
    OrderKind,
    OrderState,
    RefusalKind,
    Rejected,
    RestingOrder,
    Transient,
    VenueOrder,
    VenueRules,
)
from backtestkit_cli.errors import VenueError
from tests.engine.dealing.mishaps import Mishap, Mishaps, Steps
from tests.venue.calls import Refusal
from tests.venue.matching.matcher import Matcher
from tests.venue.matching.orders import Kind, Order, Ticket, floor_to
from tests.venue.outside import cancel_newest, sell_everything

WINDOW_S = 11.0
_STEP = Decimal("0.01")


class MatcherBroker:
    """The `Broker` of one account at *matcher*; *now_ms* is the real time of the run.

    `steps` is passed before and after whatever a call does.
    """

    name = "matcher"
    arrival_window_s = WINDOW_S

    def __init__(
        self,
        matcher: Matcher,
        now_ms: Callable[[], int],
        mishaps: Mishaps,
        *,
        has_pairs: bool = True,
        rests_limits: bool = True,
        min_quantity: float = 0.0,
        steps: Steps | None = None,
    ) -> None:
        self.steps = steps or Steps()
        self.matcher = matcher
        self.mishaps = mishaps
        self.has_pairs = has_pairs
        self.rests_limits = rests_limits
        self.min_quantity = min_quantity
        self.calls = 0
        self.on_candle: Callable[[str], None] = lambda _symbol: None
        self._now_ms = now_ms
        self._late: list[tuple[int, VenueOrder]] = []
        self._seen_ms: dict[str, int] = {}

    async def rules(self, symbol: str) -> VenueRules:
        facts = self.matcher.facts[_name(symbol)]
        return VenueRules(
            base=facts.base,
            quote=facts.quote,
            quantity_step=float(facts.quantity_step),
            min_quantity=self.min_quantity,
            min_cost=float(facts.min_cost),
            rests_limits=self.rests_limits,
            rests_exits=True,
        )

    async def open(self, order: VenueOrder) -> Answer:
        return await self._passed(lambda: self._ordered(order))

    async def close(self, order: VenueOrder) -> Answer:
        return await self._passed(lambda: self._ordered(order))

    async def amend(self, resting: VenueOrder, wanted: VenueOrder) -> Answer:
        raise NotImplementedError

    async def check(self, order: VenueOrder) -> Answer:
        return await self._passed(lambda: self._asked(order, self._standing))

    async def cancel(self, order: VenueOrder) -> Answer:
        return await self._passed(lambda: self._asked(order, self._cancelled))

    async def balances(self) -> Mapping[str, Balance]:
        if self._wire() in (Mishap.LOST_BEFORE, Mishap.LOST_AFTER, Mishap.TRANSIENT):
            raise VenueError("matcher: not reached")
        return {
            asset: Balance(float(held.free), float(held.locked))
            for asset, held in self.matcher.holdings.items()
            if held.total
        }

    async def resting(self, symbol: str) -> Sequence[RestingOrder] | Transient:
        if self._wire() in (Mishap.LOST_BEFORE, Mishap.LOST_AFTER, Mishap.TRANSIENT):
            return Transient("not reached", may_have_arrived=False)
        return [_listed(order, symbol) for order in self.matcher.book.open_orders(_name(symbol))]

    async def candle_closed(self, symbol: str, candles: Candles) -> None:
        """Let the market go through the candles that are new."""
        self._arrive()
        seen_ms = self._seen_ms.get(symbol, int(candles.timestamp[-1]) - 1)
        for row in range(int(candles.timestamp.searchsorted(seen_ms, "right")), len(candles)):
            candle = candles[row]
            self.matcher.candle_closed(_name(symbol), candle, candle.timestamp + MINUTE_MS)
            self._seen_ms[symbol] = candle.timestamp
        self.on_candle(symbol)

    async def disconnect(self) -> None:
        """Do nothing: what is on its way arrives all the same."""

    async def _passed(self, call: Callable[[], Answer]) -> Answer:
        await self.steps.take()
        answer = call()
        await self.steps.take()
        return answer

    def _wire(self) -> Mishap | None:
        self.calls += 1
        self._arrive()
        return self.mishaps.next()

    def _arrive(self) -> None:
        now_ms = self._now_ms()
        due = [order for at_ms, order in self._late if at_ms <= now_ms]
        self._late = [(at_ms, order) for at_ms, order in self._late if at_ms > now_ms]
        for order in due:
            self._place(order)

    def _ordered(self, order: VenueOrder) -> Answer:
        mishap, symbol = self._wire(), _name(order.symbol)
        if mishap is Mishap.TRANSIENT:
            return Transient("too many requests", may_have_arrived=False, retry_after_s=1.0)
        if mishap is Mishap.REJECTED:
            return Rejected(RefusalKind.OTHER, "the venue is in a bad mood")
        if mishap is Mishap.LOST_BEFORE:
            return Transient("connection reset", may_have_arrived=True)
        if mishap is Mishap.LATE:
            self._late.append((self._now_ms() + self.mishaps.delay_ms(WINDOW_S * 900), order))
            return Transient("no answer", may_have_arrived=True)
        if mishap is Mishap.PARTIAL and order.kind is OrderKind.MARKET:
            self.matcher.share_of_next = Decimal("0.5")
        answer = self._place(order)
        self.matcher.share_of_next = Decimal(1)
        if mishap is Mishap.LOST_AFTER:
            return Transient("connection reset", may_have_arrived=True)
        self._meddle(mishap, symbol)
        return answer

    def _asked(self, order: VenueOrder, how: Callable[[VenueOrder], Answer]) -> Answer:
        mishap = self._wire()
        if mishap in (Mishap.LOST_BEFORE, Mishap.LATE, Mishap.TRANSIENT, Mishap.REJECTED):
            return Transient("connection reset", may_have_arrived=True)
        answer = how(order)
        if mishap is Mishap.LOST_AFTER:
            return Transient("connection reset", may_have_arrived=True)
        self._meddle(mishap, _name(order.symbol))
        return answer

    def _meddle(self, mishap: Mishap | None, symbol: str) -> None:
        if mishap is Mishap.CANCELLED_OUTSIDE:
            cancel_newest(self.matcher, symbol)
        elif mishap is Mishap.SOLD_OUTSIDE:
            sell_everything(self.matcher, symbol)

    def _place(self, order: VenueOrder) -> Answer:
        """Take *order* as the venue does: one of the same id that has ended is no obstacle to it."""
        try:
            if order.kind is OrderKind.EXITS and self.has_pairs:
                target, stop = self._exits(order)
                self.matcher.place_pair(target, stop, order.client_id)
            elif order.kind is OrderKind.EXITS:
                self.matcher.place(self._exits(order)[1])
            else:
                self.matcher.place(self._ticket(order))
        except Refusal as refusal:
            return _refused(refusal)
        return self._standing(order)

    def _ticket(self, order: VenueOrder) -> Ticket:
        is_limit = order.kind is OrderKind.LIMIT
        return Ticket(
            symbol=_name(order.symbol),
            is_buy=order.is_buy,
            kind=Kind.LIMIT if is_limit else Kind.MARKET,
            quantity=self._quantity(order),
            price=_on_grid(order.price_limit) if is_limit else None,
            client_id=order.client_id,
        )

    def _exits(self, order: VenueOrder) -> tuple[Ticket, Ticket]:
        common = {"symbol": _name(order.symbol), "is_buy": False, "quantity": self._quantity(order)}
        target = Ticket(
            **common,  # type: ignore[arg-type]
            kind=Kind.LIMIT_MAKER,
            price=_on_grid(order.price_limit),
            client_id=order.client_id + EXIT_SUFFIXES[ExitSide.TARGET],
        )
        stop = Ticket(
            **common,  # type: ignore[arg-type]
            kind=Kind.STOP_LOSS,
            price_stop=_on_grid(order.price_stop),
            client_id=order.client_id + EXIT_SUFFIXES[ExitSide.STOP],
        )
        return target, stop

    def _quantity(self, order: VenueOrder) -> Decimal:
        step = self.matcher.facts[_name(order.symbol)].quantity_step
        return floor_to(Decimal(repr(order.quantity)) + step * Decimal("1e-9"), step)

    def _standing(self, order: VenueOrder) -> Answer:
        legs = self._legs(order)
        if not legs:
            return Gone(f"no order {order.client_id}")
        fills = {side: fill for side, leg in legs.items() if (fill := self._fill(leg)) is not None}
        most = max(fills, key=lambda side: fills[side].quantity, default=None)
        is_live = any(leg.is_open for leg in legs.values())
        is_filled = any(leg.filled == leg.quantity for leg in legs.values())
        return Confirmed(
            OrderState.RESTING if is_live else OrderState.FILLED if is_filled else OrderState.CANCELLED,
            fills[most] if fills else None,
            exit_side=most if isinstance(most, ExitSide) else None,
        )

    def _cancelled(self, order: VenueOrder) -> Answer:
        for leg in self._legs(order).values():
            if self.matcher.book.orders[leg.number].is_open:
                self.matcher.cancel(leg.symbol, leg.number)
        return self._standing(order)

    def _legs(self, order: VenueOrder) -> dict[ExitSide | None, Order]:
        ids: dict[ExitSide | None, str] = {None: order.client_id}
        if order.kind is OrderKind.EXITS:
            ids = {side: order.client_id + suffix for side, suffix in EXIT_SUFFIXES.items()}
        found = {side: self.matcher.book.find(_name(order.symbol), None, one) for side, one in ids.items()}
        return {side: leg for side, leg in found.items() if leg is not None}

    def _fill(self, order: Order) -> Fill | None:
        trades = self.matcher.book.trades_of(order)
        if not trades:
            return None
        facts = self.matcher.facts[order.symbol]
        quantity, cost = sum(trade.quantity for trade in trades), sum(trade.cost for trade in trades)
        in_quote = sum((trade.fee for trade in trades if trade.fee_asset == facts.quote), Decimal(0))
        in_base = sum((trade.fee for trade in trades if trade.fee_asset == facts.base), Decimal(0))
        return Fill(float(quantity), float(cost / quantity), float(in_quote), float(in_base))


def _name(symbol: str) -> str:
    return symbol.replace("/", "")


def _on_grid(price: float | None) -> Decimal:
    return Decimal(repr(price)).quantize(_STEP, ROUND_HALF_EVEN)


def _listed(order: Order, symbol: str) -> RestingOrder:
    return RestingOrder(
        client_id=order.client_id,
        venue_id=str(order.number),
        symbol=symbol,
        is_buy=order.is_buy,
        quantity=float(order.quantity),
        quantity_filled=float(order.filled),
        price_limit=float(order.price) if order.price else None,
        price_stop=float(order.price_stop) if order.price_stop else None,
    )


def _refused(refusal: Refusal) -> Rejected:
    text = str(refusal)
    kind = RefusalKind.OTHER
    if "insufficient" in text:
        kind = RefusalKind.BALANCE
    elif "trigger" in text or "relationship" in text:
        kind = RefusalKind.WOULD_TRIGGER
    elif "NOTIONAL" in text or "LOT_SIZE" in text:
        kind = RefusalKind.BELOW_MINIMUM
    return Rejected(kind, text)

"""What the venue charges, and how good its market is."""

from dataclasses import dataclass, field
from decimal import Decimal

RECEIVED = "received"
"""The fee is taken of what the fill brings: base of a buy, quote of a sale. This is Binance's default."""
QUOTE = "quote"
"""The fee is always paid in quote, on top of the cost of a buy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Rates are fractions. `fee_in` is RECEIVED, QUOTE or an asset; of too little of that asset RECEIVED is the way.

    An asset that pays fees is worth `fee_asset_prices` by quote asset (1 where it is not named). A taker gives
    half the spread and the slippage. `volume_share` is how much of each candle's volume all orders of the account
    together may trade, None for any amount.
    """

    maker_rate: Decimal = Decimal("0.001")
    taker_rate: Decimal = Decimal("0.001")
    fee_in: str = RECEIVED
    fee_asset_prices: dict[str, Decimal] = field(default_factory=dict)
    spread_rate: Decimal = Decimal(0)
    slippage_rate: Decimal = Decimal(0)
    volume_share: Decimal | None = None

    def taker_price(self, price: Decimal, *, is_buy: bool) -> Decimal:
        """Return what a taker gets where the last price is *price*, not yet on the grid."""
        sign = 1 if is_buy else -1
        return price * (1 + sign * (self.spread_rate / 2 + self.slippage_rate))

"""What a venue says of a symbol: its assets, its steps and its limits."""

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from backtestkit_cli.domain.candle import Candles, Floats

_MOST_DECIMALS = 8
_QUOTES = ("USDT", "FDUSD", "USDC", "TUSD", "BUSD", "DAI", "USD", "EUR", "TRY", "BRL", "BTC", "ETH", "BNB")
_COINS = {"BTC", "ETH", "BNB"}


@dataclass(frozen=True, slots=True)
class SymbolFacts:
    """One line of the list of symbols; steps and limits as Binance's filters have them."""

    symbol: str
    base: str
    quote: str
    price_step: Decimal = Decimal("0.01")
    quantity_step: Decimal = Decimal("0.00001")
    max_quantity: Decimal = Decimal(9_000_000)
    min_cost: Decimal = Decimal(5)
    status: str = "TRADING"


def facts_of(symbol: str, sample: Candles) -> SymbolFacts:
    """Return facts of *symbol* as its name and the decimals of a few of its candles suggest them."""
    base, quote = _split(symbol)
    prices = np.concatenate([sample.open, sample.high, sample.low, sample.close])
    min_cost = Decimal("0.0001") if quote in _COINS else Decimal(5)
    return SymbolFacts(symbol, base, quote, _step(prices), _step(sample.volume), min_cost=min_cost)


def listed(facts: SymbolFacts) -> dict[str, object]:
    """Return *facts* as an entry of exchangeInfo."""
    price_step, quantity_step = f"{facts.price_step:.8f}", f"{facts.quantity_step:.8f}"
    return {
        "symbol": facts.symbol,
        "status": facts.status,
        "baseAsset": facts.base,
        "baseAssetPrecision": 8,
        "quoteAsset": facts.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT_LIMIT"],
        "icebergAllowed": True,
        "ocoAllowed": True,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": True,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {
                "filterType": "PRICE_FILTER",
                "minPrice": price_step,
                "maxPrice": "1000000.00000000",
                "tickSize": price_step,
            },
            {
                "filterType": "LOT_SIZE",
                "minQty": quantity_step,
                "maxQty": f"{facts.max_quantity:.8f}",
                "stepSize": quantity_step,
            },
            {
                "filterType": "NOTIONAL",
                "minNotional": f"{facts.min_cost:.8f}",
                "applyMinToMarket": True,
                "maxNotional": "9000000.00000000",
                "applyMaxToMarket": False,
                "avgPriceMins": 5,
            },
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def _split(symbol: str) -> tuple[str, str]:
    quote = next((quote for quote in _QUOTES if symbol.endswith(quote) and symbol != quote), symbol[-3:])
    return symbol.removesuffix(quote), quote


def _step(values: Floats) -> Decimal:
    """Return the coarsest power of ten that all *values* are multiples of, at most 1."""
    for decimals in range(_MOST_DECIMALS):
        if np.allclose(np.round(values, decimals), values, rtol=1e-12, atol=1e-12):
            return Decimal(1).scaleb(-decimals)
    return Decimal(1).scaleb(-_MOST_DECIMALS)

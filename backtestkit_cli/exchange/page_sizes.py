"""How many candles one request brings at most, by what ccxt says of its exchanges."""

from functools import lru_cache

from backtestkit_cli.exchange.building import Exchange

_USUAL = 500
# Binance's futures count a request of up to 499 candles as 2 of their weights, of 500 to 1000 as 5.
_CHEAPEST = {("binance", "swap"): 499, ("binanceusdm", "swap"): 499, ("binancecoinm", "swap"): 499}


@lru_cache
def page_size(exchange: type[Exchange], market: str) -> int:
    """Return the page of the class *exchange* of ccxt on *market*; 500 where ccxt does not say."""
    features = exchange().features or {}
    part = "swap" if market in {"swap", "future"} else "spot"
    cheapest = _CHEAPEST.get((exchange.__name__, part))
    known = features.get(part)
    kinds = [known.get("linear"), known.get("inverse")] if isinstance(known, dict) else []
    limits = [_limit(one) for one in (known, *kinds)]
    return cheapest or min((limit for limit in limits if limit), default=_USUAL)


def _limit(features: object) -> int | None:
    """Return the limit of candles that *features* of one part of a venue tell, if they do."""
    candles = features.get("fetchOHLCV") if isinstance(features, dict) else None
    return candles.get("limit") if isinstance(candles, dict) else None

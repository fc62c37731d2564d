"""Real ccxt, pointed at the venue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any
from urllib.parse import urlsplit

ccxt: Any = import_module("ccxt.async_support")  # imported by name: it has no types

OPTIONS = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False, "fetchMargins": False}


@asynccontextmanager
async def binance_at(url: str, *, timeout_ms: int = 20_000, **more: Any) -> AsyncIterator[Any]:
    """Yield ccxt's Binance, which sends every request to *url*, without TLS and as fast as it can.

    *more* are further settings of ccxt, such as `apiKey` and `secret`.
    """
    async with _binance(ccxt, url, timeout_ms, more) as exchange:
        yield exchange


@asynccontextmanager
async def binance_pro_at(url: str, *, timeout_ms: int = 20_000, **more: Any) -> AsyncIterator[Any]:
    """Yield the like of it that also listens to websockets."""
    async with _binance(import_module("ccxt.pro"), url, timeout_ms, more) as exchange:
        yield exchange


@asynccontextmanager
async def _binance(module: Any, url: str, timeout_ms: int, more: dict[str, Any]) -> AsyncIterator[Any]:
    usual = {"enableRateLimit": False, "timeout": timeout_ms, "verify": False, "options": OPTIONS}
    exchange = module.binance({**usual, **more})
    exchange.timeout_on_exit = 0
    _redirect(exchange.urls["api"], url)
    try:
        yield exchange
    finally:
        await exchange.close()


def _redirect(urls: dict[str, Any], url: str) -> None:
    for name, target in urls.items():
        if isinstance(target, dict):
            _redirect(target, url)
        else:
            here = url.replace("http", "ws", 1) if target.startswith("ws") else url
            urls[name] = here + urlsplit(target).path

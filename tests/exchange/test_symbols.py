import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.errors import MissingCandlesError
from backtestkit_cli.exchange.listings import Listing
from backtestkit_cli.exchange.symbols import MARKET_KINDS, cache_name, resolve


def listing(symbol: str, id_: str, kind: str = "spot") -> Listing:
    pair, _, settle = symbol.partition(":")
    base, quote = pair.split("/")
    return Listing(symbol=symbol, id=id_, base=base, quote=quote, settle=settle.partition("-")[0], kind=kind)


BYBIT = {
    one.symbol: one
    for one in (
        listing("BTC/USDT", "BTCUSDT"),
        listing("ETH/USDT", "ETHUSDT"),
        listing("BTC/USDT:USDT", "BTCUSDT", "swap"),
        listing("BTC/USD:BTC", "BTCUSD", "swap"),
        listing("BTC/USDT:USDT-250627", "BTCUSDT-27JUN25", "future"),
        listing("BTC/USDT:USDT-250627-90000-C", "BTC-27JUN25-90000-C-USDT", "option"),
    )
}
KRAKEN = {one.symbol: one for one in (listing("BTC/USD", "XXBTZUSD"), listing("ETH/USD", "XETHZUSD"))}
OKX = {one.symbol: one for one in (listing("BTC/USDT", "BTC-USDT"), listing("BTC/USDT:USDT", "BTC-USDT-SWAP", "swap"))}
KILO = {one.symbol: one for one in (listing("kPEPE/USDC", "kPEPEUSDC"), listing("KPEPE/USDC", "KPEPEUSDC"))}


@pytest.mark.parametrize(
    ("text", "listings", "market", "symbol"),
    [
        ("BTCUSDT", BYBIT, "spot", "BTC/USDT"),
        ("BTC/USDT", BYBIT, "spot", "BTC/USDT"),
        ("btcusdt", BYBIT, "margin", "BTC/USDT"),
        ("btc-usdt", BYBIT, "spot", "BTC/USDT"),
        ("BTC/USDT:USDT", BYBIT, "spot", "BTC/USDT:USDT"),
        ("BTCUSDT", BYBIT, "swap", "BTC/USDT:USDT"),
        ("BTC/USDT", BYBIT, "swap", "BTC/USDT:USDT"),
        ("BTC/USDT:USDT", BYBIT, "swap", "BTC/USDT:USDT"),
        ("btc/usdt:usdt", BYBIT, "swap", "BTC/USDT:USDT"),
        ("BTCUSD", BYBIT, "swap", "BTC/USD:BTC"),
        ("BTC/USD:BTC", BYBIT, "swap", "BTC/USD:BTC"),
        ("BTCUSDT", BYBIT, "future", "BTC/USDT:USDT"),
        ("BTCUSDT-27JUN25", BYBIT, "future", "BTC/USDT:USDT-250627"),
        ("BTC/USDT:USDT-250627", BYBIT, "future", "BTC/USDT:USDT-250627"),
        ("XXBTZUSD", KRAKEN, "spot", "BTC/USD"),
        ("BTCUSD", KRAKEN, "spot", "BTC/USD"),
        ("BTC-USDT", OKX, "swap", "BTC/USDT:USDT"),
        ("BTC-USDT-SWAP", OKX, "swap", "BTC/USDT:USDT"),
        ("BTCUSDT", OKX, "spot", "BTC/USDT"),
        ("BTCUSD", {"BTC/USD:BTC": BYBIT["BTC/USD:BTC"]}, "spot", "BTC/USD:BTC"),
        ("kPEPEUSDC", KILO, "spot", "kPEPE/USDC"),
        ("KPEPE/USDC", KILO, "spot", "KPEPE/USDC"),
    ],
)
def test_every_spelling_finds_the_market(text: str, listings: dict[str, Listing], market: str, symbol: str) -> None:
    assert resolve(text, listings, market, "venue").symbol == symbol


@pytest.mark.parametrize(
    ("text", "listings", "message"),
    [
        ("BTCUSD", BYBIT, "binance: no symbol 'BTCUSD'; did you mean 'BTCUSDT' or 'ETHUSDT'?"),
        ("btc/usdc", BYBIT, "binance: no symbol 'btc/usdc'; did you mean 'BTCUSDT'?"),
        ("XYZ", KRAKEN, "binance: no symbol 'XYZ'; known: BTCUSD, ETHUSD"),
        ("kpepeusdc", KILO, "binance: symbol 'kpepeusdc' is ambiguous: expected 'KPEPE/USDC' or 'kPEPE/USDC'"),
        ("BTCUSDT", {}, "binance: no symbol 'BTCUSDT'; there are none"),
    ],
)
def test_what_is_not_there_is_told_in_one_line(text: str, listings: dict[str, Listing], message: str) -> None:
    with pytest.raises(MissingCandlesError) as caught:
        resolve(text, listings, "spot", "binance")
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "market", "name"),
    [
        ("BTCUSDT", "spot", "BTCUSDT"),
        ("BTC/USDT", "spot", "BTCUSDT"),
        ("btc-usdt", "spot", "BTCUSDT"),
        ("BTC_USDT", "spot", "BTCUSDT"),
        ("BTC/USDT:USDT", "spot", "BTCUSDT__USDT"),
        ("BTC/USDT:USDT", "swap", "BTCUSDT"),
        ("BTC/USD:BTC", "swap", "BTCUSD__BTC"),
        ("BTC/USDT:USDT-250627", "future", "BTCUSDT__250627"),
        ("BTC/USD:BTC-250627", "future", "BTCUSD__BTC__250627"),
        ("币/USDT", "spot", "U5E01USDT"),
        ("../../etc/passwd", "spot", "ETCPASSWD"),
        ("", "spot", "UNNAMED"),
    ],
)
def test_the_cache_knows_each_symbol_by_one_name(text: str, market: str, name: str) -> None:
    assert cache_name(text, market) == name


@given(st.text(), st.sampled_from(sorted(MARKET_KINDS)))
def test_a_cache_name_is_safe_as_a_file_and_names_itself(text: str, market: str) -> None:
    name = cache_name(text, market)
    assert re.fullmatch(r"[A-Z0-9]+(__[A-Z0-9]+)*", name)
    assert cache_name(name, market) == name


@given(st.sampled_from(["BTC", "ETH", "1000PEPE"]), st.sampled_from(["USDT", "USD", "BTC"]), st.sampled_from("/-_ "))
def test_separators_and_case_do_not_matter(base: str, quote: str, separator: str) -> None:
    for market in MARKET_KINDS:
        assert cache_name(f"{base}{separator}{quote}".lower(), market) == cache_name(base + quote, market)

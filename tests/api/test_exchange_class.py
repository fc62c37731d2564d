"""Registering a class as an exchange: what it must have is looked at before anything runs."""

from collections.abc import Iterator
from typing import Any

import pytest

from backtestkit_cli.api.markets import add_exchange
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.errors import ConfigError, StrategyError


class Own:
    def get_candles(self, symbol: str, interval: str, since: Any, limit: int) -> list[Any]:
        return []

    def format_price(self, symbol: str, price: float) -> str:
        return str(price)

    def format_quantity(self, symbol: str, quantity: float) -> str:
        return str(quantity)


class Static:
    @staticmethod
    async def get_candles(*asked: Any) -> list[Any]:
        return []

    @classmethod
    def format_price(cls, symbol: str, price: float, digits: int = 2) -> str:
        return str(price)

    format_quantity = staticmethod(max)


@pytest.fixture(autouse=True)
def registered() -> Iterator[Registry]:
    with registering_in(Registry()) as registry:
        yield registry


@pytest.mark.parametrize("source", [Own, Own(), Static, Static()])
def test_a_class_or_an_instance_becomes_an_exchange(registered: Registry, source: object) -> None:
    add_exchange("mine", source=source, note="my own")
    add_exchange("kept", source=source, cache=True)
    mine, kept = registered.exchanges["mine"], registered.exchanges["kept"]
    assert (mine.kind, mine.options, mine.note) == ("class", {"source": source, "cache": False}, "my own")
    assert kept.options == {"source": source, "cache": True}
    assert "test_exchange_class.py:" in mine.where


def test_an_exchange_of_a_kind_keeps_its_options(registered: Registry) -> None:
    add_exchange("theirs", kind="sql", url="sqlite:///x.db", table="candles")
    spec = registered.exchanges["theirs"]
    assert (spec.kind, spec.options) == ("sql", {"url": "sqlite:///x.db", "table": "candles"})


class Headless:
    def __init__(self, key: str) -> None: ...


class Short(Own):
    def get_candles(self, symbol: str, interval: str) -> list[Any]:  # type: ignore[override]
        return []


class Long(Own):
    def format_price(self, symbol: str, price: float, digits: int) -> str:  # type: ignore[override]
        return ""


class Named(Own):
    def format_quantity(self, symbol: str, *, quantity: float) -> str:  # type: ignore[override]
        return ""


class Waiting(Own):
    async def format_price(self, symbol: str, price: float) -> str:  # type: ignore[override]
        return ""


class Deaf(Own):
    def on_candles(self, candles: Any) -> None: ...


class Blank(Own):
    get_candles = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (object(), r"expected a method get_candles\(symbol, interval, since, limit\), object has none"),
        (Blank, r"expected a method get_candles\(symbol, interval, since, limit\), Blank has none"),
        (Headless, r"expected a class made without arguments, found Headless\(key\)"),
        (Short, r"expected get_candles\(symbol, .*\), found Short.get_candles\(self, symbol, interval\)"),
        (Short(), r"expected get_candles\(symbol, .*\), found Short.get_candles\(symbol, interval\)"),
        (Long, r"expected format_price\(symbol, price\), found Long.format_price\(self, symbol, price, digits\)"),
        (Named, r"expected format_quantity\(symbol, quantity\), found Named"),
        (Waiting(), r"expected format_price\(symbol, price\) to answer at once, found an async Waiting.format_price"),
        (Deaf, r"expected on_candles\(symbol, interval, since, limit, candles\), found Deaf.on_candles"),
        ("binance", "expected a method get_candles"),
    ],
)
def test_a_class_that_cannot_serve_is_refused_where_it_is_registered(source: object, problem: str) -> None:
    with pytest.raises(StrategyError, match=rf"^\S+test_exchange_class.py:\d+: exchange 'mine': {problem}") as caught:
        add_exchange("mine", source=source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({}, "exchange 'mine' needs either kind or source, and not both"),
        ({"kind": "csv", "source": Own}, "needs either kind or source, and not both"),
        ({"source": Own, "cached": True}, "unknown option of a class exchange 'cached'; did you mean 'cache'"),
        ({"source": Own, "cache": "yes"}, "expected cache to be True or False, found 'yes'"),
    ],
)
def test_kind_and_source_and_options_that_contradict_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigError, match=rf"test_exchange_class.py:\d+: .*{problem}"):
        add_exchange("mine", **options)

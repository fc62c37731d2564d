"""Streams of tests speak without TLS: to read all certificates takes longer than most of them."""

from typing import Any

import pytest

from backtestkit_cli.exchange import building, listening


@pytest.fixture(autouse=True)
def no_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = building.made

    def without_tls(*arguments: Any) -> Any:
        exchange: Any = genuine(*arguments)
        exchange.verify = False
        return exchange

    monkeypatch.setattr(listening, "made", without_tls)

"""Each test has clients of its own: without TLS, and but for one with a limiter fifty times as fast as Binance's."""

from collections.abc import Iterator
from typing import Any

import pytest

from backtestkit_cli.exchange import building, clients
from backtestkit_cli.exchange.building import Account, Exchange
from backtestkit_cli.exchange.retrying import Pause


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(clients, "_VENUES", {})
    monkeypatch.setattr(clients, "_CLIENTS", {})
    yield
    assert not any(clients._CLIENTS.values())  # whoever fetched has closed


@pytest.fixture
def real_limiter() -> None:
    """Keep the limiter as it is."""


@pytest.fixture(autouse=True)
def fast_limiter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "real_limiter" in request.fixturenames:
        return
    genuine = building.made

    def hurried(account: Account, pause: Pause) -> Exchange:
        exchange: Any = genuine(account, pause)
        exchange.throttler.config["refillRate"] = 1.0  # per millisecond
        exchange.verify = False  # to read all certificates takes longer than most tests
        made: Exchange = exchange
        return made

    monkeypatch.setattr(clients, "made", hurried)

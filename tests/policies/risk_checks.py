"""Builders for tests of risk rules: a check is sensible, its arguments change what a test is about."""

from collections.abc import Sequence
from typing import Any

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.risk import Account, Admitted, ClosedTrade, OpenPosition, RiskCheck, Stage
from backtestkit_cli.domain.signal import Side, Signal
from tests.builders import START_MS


def minute(count: float) -> int:
    """Return the instant *count* minutes after midnight of Sunday, 2025-05-04 UTC."""
    return START_MS + round(count * MINUTE_MS)


def held(
    symbol: str = "BTCUSDT", *, strategy: str = "a", side: Side = Side.LONG, cost: float = 100.0, at: float = 0
) -> OpenPosition:
    """Return an open position."""
    return OpenPosition(strategy, symbol, side, cost, minute(at))


def trades(*nets: float, symbol: str = "BTCUSDT", strategy: str = "a", every: float = 1) -> list[ClosedTrade]:
    """Return a trade each *every* minutes from the first minute on."""
    return [ClosedTrade(minute((i + 1) * every), strategy, symbol, net) for i, net in enumerate(nets)]


def admitted(*minutes: float, symbol: str = "BTCUSDT", strategy: str = "a") -> list[Admitted]:
    """Return a signal let through at each of these minutes."""
    return [Admitted(minute(at), strategy, symbol) for at in minutes]


def account(equity: float = 1000.0) -> Account:
    """Return an account worth *equity*."""
    return Account(balance=1000.0, reserve=0.0, cash=equity, equity=equity)


def a_check(
    symbol: str = "BTCUSDT", *, at: float = 0, positions: Sequence[OpenPosition] = (), **changes: Any
) -> RiskCheck:
    """Return what a rule sees of a long signal of strategy `a` over 100 of 1000."""
    usual: dict[str, Any] = {
        "strategy": "a",
        "side": Side.LONG,
        "price": 100.0,
        "cost": 100.0,
        "stage": Stage.APPEARS,
        "signal": Signal(position="long", take_profit=102.0, stop_loss=98.0),
        "trades": (),
        "admitted": (),
        "groups": {},
        "account": account(),
    }
    return RiskCheck(symbol=symbol, at_ms=minute(at), positions=positions, **usual | changes)

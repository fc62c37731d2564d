"""One account, one bot: whatever folders their states are in."""

from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest

from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.stores import PlaceOptions, StoreOptions
from backtestkit_cli.errors import LockedError
from backtestkit_cli.runs.trading.assembly import assemble_trading
from backtestkit_cli.runs.trading.outside import outside_of
from backtestkit_cli.runs.trading.plan import TradingPlan

STRATEGY = """
from backtestkit_cli import add_strategy

add_strategy("quiet", interval="1m", get_signal=lambda symbol, when, price: None)
"""
KEYS = {"BINANCE_API_KEY": "one", "BINANCE_API_SECRET": "two"}


@pytest.fixture
def plan(tmp_path: Path) -> TradingPlan:
    entry = tmp_path / "quiet.py"
    entry.write_text(STRATEGY, encoding="utf-8")
    flags = {"entry": str(entry), "symbols": ["BTCUSDT"], "exchange": "binance", "data": str(tmp_path / "data")}
    loaded = load_config(None, flags=flags, sets=(), environ={}, dotenv=None, default=None)
    return assemble_trading(loaded, mode="live", environ=KEYS)


def test_a_second_bot_on_the_account_is_refused_though_its_state_is_elsewhere(
    plan: TradingPlan, tmp_path: Path
) -> None:
    def lock_of(folder: str, **keys: str) -> AbstractContextManager[object]:
        store = StoreOptions(place=PlaceOptions(folder=str(tmp_path / folder)))
        environ = {**KEYS, "XDG_STATE_HOME": str(tmp_path / "user"), **keys}
        return outside_of(replace(plan, store=store), environ).lock

    with lock_of("first"):
        with pytest.raises(LockedError, match="is traded by another process already"), lock_of("second"):
            pass
        with lock_of("third", BINANCE_API_KEY="another"):
            pass
    with lock_of("second"):
        pass

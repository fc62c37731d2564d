"""A config kept in a manifest is the same config when it is read again, and holds no secret."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.snapshot import from_snapshot, resolved_now, snapshot_of
from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.errors import ConfigError
from tests.config.sources import load

ROOT = Path(__file__).resolve().parents[2]
ODD = """
entry: ../strategies/a.py
strategy: [one, "two, three"]
symbols: [BTC/USDT, ETH/USDT:USDT, ÄÖ]
exchange: mine
exchanges:
  mine: {kind: sql, url: "sqlite:///x.db", table: c, columns: {timestamp: at, open: "o p"}}
  venue.eu: {kind: ccxt, id: binance, market: swap, first_wait_seconds: 0.1}
  files: {kind: csv, path: a.csv, symbol: BTCUSDT, interval: 1m}
frame: may
frames: {may: {from: 2025-05-01, to: 2025-05-31T12:34}}
settings: {max_minutes: null, fee_pct: 1e-3, gaps: skip}
sizing: calm
sizings:
  calm: {method: atr, risk_pct: 1, balance: 10000, correlation: {threshold: 0.8, factor: 0.5}}
  plain: {method: kelly, win_rate: 0.55, reward_ratio: 1.5}
risk: [careful]
risks:
  careful:
    max_open: 3
    trading_hours: "08:00-20:00"
    allow_symbols: [BTC/USDT, ETH/USDT:USDT]
    max_signals: {count: 3, minutes: 15}
    min_win_rate: {percent: 40, trades: 10}
groups: {all of them: [BTC/USDT]}
portfolio: {balance: 1000, max_daily_loss_pct: 3}
"""


def through_json(loaded: LoadedConfig) -> dict[str, Any]:
    """Return the snapshot as a manifest gives it back."""
    snapshot: dict[str, Any] = json.loads(json.dumps(snapshot_of(loaded)))
    return snapshot


def again(loaded: LoadedConfig) -> LoadedConfig:
    return from_snapshot(through_json(loaded), where="manifest")


def nothing_built_in(_name: str) -> None:
    return None


def assert_same(loaded: LoadedConfig) -> None:
    once_more = again(loaded)
    assert once_more.config == loaded.config
    assert once_more.settings_given == loaded.settings_given
    assert snapshot_of(once_more) == snapshot_of(loaded)


@pytest.mark.parametrize("name", [file.name for file in sorted((ROOT / "configs").glob("*.yaml"))])
def test_a_shipped_config_is_itself_again(name: str) -> None:
    assert_same(load_config(ROOT / "configs" / name, flags={}, sets=(), environ={}, dotenv=None))


def test_a_config_with_everything_there_is_is_itself_again() -> None:
    loaded = load(ODD)
    assert_same(loaded)
    assert snapshot_of(loaded)["config"]["risks"]["careful"]["trading_hours"] == "08:00-20:00"
    assert set(snapshot_of(loaded)["config_settings_given"]) == {"max_minutes", "fee_pct", "gaps"}


def test_an_empty_config_is_itself_again() -> None:
    assert_same(load_config(None, flags={}, sets=(), environ={}, dotenv=None, required=()))


def test_what_a_program_gives_is_itself_again() -> None:
    flags = {
        "symbols": ("A", "B"),
        "entry": Path("a.py"),
        "from": datetime(2025, 5, 1, tzinfo=UTC),
        "to": "2025-05-02",
        "fill_model": FillModelName.CANDLE,
        "exchange": {"kind": "demo", "seed": 3},
        "portfolio": {"balance": 10},
        "cache": False,
    }
    loaded = load_config(None, flags=flags, sets=(), environ={}, dotenv=None, default=None)
    assert_same(loaded)
    assert snapshot_of(loaded)["config_given"]["settings.fill_model"] == "candle"


@given(
    numbers=st.fixed_dictionaries(
        {},
        optional={
            "fee_pct": st.floats(0, 50),
            "slippage_pct": st.floats(0, 50),
            "max_minutes": st.none() | st.integers(1, 10_000_000),
            "max_handler_seconds": st.floats(0, 86_400, exclude_min=True),
            "fill_model": st.sampled_from(["vwap", "candle"]),
        },
    ),
    minutes=st.lists(st.integers(0, 40_000_000), min_size=2, max_size=2, unique=True),
    seed=st.integers(0, 2**62),
)
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_number_and_instant_is_itself_again(numbers: dict[str, Any], minutes: list[int], seed: int) -> None:
    first, last = (datetime.fromtimestamp(minute * 60, UTC) for minute in sorted(minutes))
    flags = {"settings": numbers, "from": first, "to": last, "exchange": {"kind": "demo", "seed": seed}}
    assert_same(load_config(None, flags=flags, sets=(), environ={}, dotenv=None, required=(), default=None))


def test_no_password_is_kept_and_the_file_gives_it_again() -> None:
    text = 'exchange: {kind: sql, url: "postgresql://me:pa55@db/x", table: c}\n'
    loaded = load(text, sets=["exchange.table=d"])
    snapshot = through_json(loaded)
    assert "pa55" not in json.dumps(snapshot)
    now = resolved_now(snapshot, built_in=nothing_built_in)
    assert from_snapshot(snapshot, where="manifest", now=now).config == loaded.config
    with pytest.raises(ConfigError) as caught:
        from_snapshot(snapshot, where="manifest")
    assert str(caught.value) == (
        "manifest: config.exchange.url: expected a password, found it hidden; write it as ${NAME}"
    )


def test_a_password_from_the_environment_is_no_secret() -> None:
    assert_same(load('exchange: {kind: sql, url: "postgresql://me:${DB_PASSWORD}@db/x", table: c}\n'))


@pytest.mark.parametrize(
    ("sets", "environ", "key", "value"),
    [
        ((), {}, "fee_pct", 0.3),
        (("fee_pct=0.2",), {}, "fee_pct", 0.2),
        ((), {"CC_FEE_PCT": "0.1"}, "fee_pct", 0.1),
        (("max_minutes=null",), {}, "max_minutes", None),
    ],
)
def test_what_the_file_says_today_is_read_below_the_flags_of_then(
    sets: tuple[str, ...], environ: dict[str, str], key: str, value: object
) -> None:
    loaded = load("settings: {fee_pct: 0.15, max_minutes: 5}\n", sets=sets, environ=environ)
    Path("configs/run.yaml").write_text("settings: {fee_pct: 0.3, max_minutes: 7}\n", encoding="utf-8")
    now = resolved_now(through_json(loaded), built_in=nothing_built_in)
    assert now is not None
    assert getattr(now.config.settings, key) == value


def test_a_part_of_an_exchange_given_by_a_flag_holds_for_what_the_file_says_today() -> None:
    loaded = load("exchange: mine\nexchanges: {mine: {kind: demo}}\n", sets=["exchange.seed=3"])
    Path("configs/run.yaml").write_text("exchange: mine\nexchanges: {mine: {kind: demo, seed: 5}}\n", encoding="utf-8")
    now = resolved_now(through_json(loaded), built_in=nothing_built_in)
    assert now is not None
    assert now.config.exchange == loaded.config.exchange


def test_without_a_file_there_is_nothing_of_today() -> None:
    loaded = load_config(None, flags={"symbols": "A"}, sets=(), environ={}, dotenv=None, default=None)
    assert resolved_now(through_json(loaded), built_in=nothing_built_in) is None

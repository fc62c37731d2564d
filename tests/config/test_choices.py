"""What names stand for, what is shown of a config, and the settings of a strategy."""

import pickle
from pathlib import Path

import pytest

from backtestkit_cli.config.choices import exchange_name, exchange_of, frame_of
from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.exchanges import CcxtExchange, CsvExchange, DemoExchange, ParquetExchange
from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.settings import settings_from
from backtestkit_cli.domain.settings import FillModelName, Settings
from backtestkit_cli.errors import ConfigError
from tests.config.sources import load

MAY = 1_746_057_600_000
DAY = 86_400_000


def test_an_exchange_is_found_by_its_name() -> None:
    config = load("exchange: mine\nexchanges:\n  mine: {kind: csv, path: a}\n").config
    assert exchange_name(config) == "mine"
    assert exchange_of(config, "mine") == CsvExchange(kind="csv", path="configs/a")
    assert exchange_of(config, "demo") == DemoExchange(kind="demo", seed=7)
    assert exchange_of(config, "of the strategy module") is None


def test_an_exchange_in_place_is_called_by_its_name_or_kind() -> None:
    named = load("exchange: {kind: parquet, name: binance, path: a}\n").config
    assert exchange_name(named) == "binance"
    assert exchange_of(named, "binance") == ParquetExchange(kind="parquet", name="binance", path="configs/a")
    plain = load("exchange: {kind: demo, seed: 3}\n").config
    assert exchange_name(plain) == "demo"
    assert exchange_of(plain, "demo") == DemoExchange(kind="demo", seed=3)


def test_the_config_may_have_a_demo_of_its_own() -> None:
    config = load("exchanges:\n  demo: {kind: demo, seed: 3}\n").config
    assert exchange_of(config, exchange_name(config)) == DemoExchange(kind="demo", seed=3)


def test_a_frame_is_found_by_its_name() -> None:
    text = "frames:\n  may: {from: 2025-05-01, to: 2025-06-01}\n"
    assert frame_of(load(f"{text}frame: may\n").config) == ("may", MAY, MAY + 31 * DAY)
    assert frame_of(load(f"{text}frame: june\n").config) == "june"
    with pytest.raises(ConfigError, match="frame: expected a frame, found none"):
        frame_of(load(text).config)


def test_a_frame_in_place_is_called_by_its_ends() -> None:
    assert frame_of(load("frame: {from: 2025-05-01, to: 2025-05-02}\n").config) == (
        "2025-05-01_2025-05-02",
        MAY,
        MAY + DAY,
    )
    found = frame_of(load("frame: {from: 2025-05-01T00:30, to: 2025-05-02}\n").config)
    assert found[0] == "2025-05-01T0030_2025-05-02"


def test_every_value_is_shown_with_its_origin() -> None:
    loaded = load(
        "symbols: [A, B]\nexchange:\n  kind: csv\n  path: a\nsettings: {max_minutes: null}\n"
        "frames:\n  may: {from: 2025-05-01, to: 2025-06-01}\n",
        flags={"strategy": ["one", "two"], "from": "2025-05-01", "to": "2025-05-02T12:00"},
        sets=["fill_model=candle"],
    )
    assert describe(loaded) == [
        ("entry", "none", "default"),
        ("strategy", "one, two", "flag --strategy"),
        ("symbols", "A, B", "configs/run.yaml:1"),
        ("exchange.kind", "csv", "configs/run.yaml:3"),
        ("exchange.name", "none", "default"),
        ("exchange.path", "configs/a", "configs/run.yaml:4"),
        ("exchange.symbol", "none", "default"),
        ("exchange.interval", "none", "default"),
        ("frame.from", "2025-05-01 00:00", "flag --from"),
        ("frame.to", "2025-05-02 12:00", "flag --to"),
        ("settings.fill_model", "candle", "flag --set"),
        ("settings.gaps", "fill", "default"),
        ("settings.avg_price_candles", "5", "default"),
        ("settings.fee_pct", "0.1", "default"),
        ("settings.slippage_pct", "0.1", "default"),
        ("settings.position_cost", "100.0", "default"),
        ("settings.schedule_await_minutes", "120", "default"),
        ("settings.min_take_profit_pct", "0.5", "default"),
        ("settings.min_stop_loss_pct", "0.5", "default"),
        ("settings.max_stop_loss_pct", "20.0", "default"),
        ("settings.max_minutes", "none", "configs/run.yaml:5"),
        ("settings.max_signal_seconds", "180.0", "default"),
        ("settings.max_job_seconds", "180.0", "default"),
        ("settings.max_handler_seconds", "180.0", "default"),
        ("settings.averaging", "below_lowest", "default"),
        ("settings.partial_basis", "revenue", "default"),
        ("out", "dump", "default"),
        ("data", ".btk/data", "default"),
        ("cache", "true", "default"),
        ("offline", "false", "default"),
        ("max_concurrent", "none", "default"),
        ("workers", "1", "default"),
        ("frames.may.from", "2025-05-01 00:00", "configs/run.yaml:7"),
        ("frames.may.to", "2025-06-01 00:00", "configs/run.yaml:7"),
        ("sizing", "none", "default"),
        ("risk", "none", "default"),
        ("portfolio", "none", "default"),
        ("trading.on_stop", "keep", "default"),
        ("trading.exits", "venue", "default"),
        ("trading.settle_seconds", "1.0", "default"),
        ("trading.candle_patience_seconds", "15.0", "default"),
        ("trading.max_lateness_seconds", "45.0", "default"),
        ("trading.attempts", "5", "default"),
        ("trading.restart_seconds", "5.0", "default"),
        ("trading.reconcile_minutes", "15", "default"),
        ("trading.max_clock_skew_seconds", "1.0", "default"),
        ("paper.balance", "10000.0", "default"),
        ("paper.latency_ms", "0", "default"),
        ("paper.max_volume_pct", "none", "default"),
        ("alerts.webhook", "none", "default"),
        ("alerts.telegram", "none", "default"),
        ("alerts.redis", "none", "default"),
        ("alerts.max_waiting", "1000", "default"),
        ("store.kind", "file", "default"),
        ("store.folder", ".btk/state", "default"),
        ("store.lease_seconds", "30.0", "default"),
        ("store.cache", "none", "default"),
    ]


def test_a_whole_has_the_origin_of_its_highest_part() -> None:
    loaded = load(
        "exchange:\n  kind: csv\n  path: a\nframe: {from: 2025-05-01, to: 2025-05-02}\n", sets=["exchange.path=b"]
    )
    assert loaded.origins["exchange"] == "flag --set"
    assert loaded.origins["frame"] == "configs/run.yaml:4"


def test_settings_of_a_strategy_lie_over_the_defaults() -> None:
    found = settings_from({"fill_model": "candle", "fee_pct": 0, "max_minutes": None}, where="a.py:3")
    assert found == Settings(fill_model=FillModelName.CANDLE, fee_pct=0.0, max_minutes=None)


def test_wrong_settings_of_a_strategy_name_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        settings_from({"fee_pc": 1, "fee_pct": True, "max_minutes": 1.5, "gaps": "drop"}, where="a.py:3")
    assert set(caught.value.problems) == {
        "a.py:3: settings.fee_pc: unknown key; did you mean 'fee_pct'?",
        "a.py:3: settings.fee_pct: expected a number from 0 to 50, found 'true'",
        "a.py:3: settings.max_minutes: expected a whole number from 1 to 10,000,000 or null, found 1.5",
        "a.py:3: settings.gaps: expected error, fill or skip, found 'drop'",
    }


def test_a_loaded_config_can_be_sent_to_another_process() -> None:
    loaded = load("frame: {from: 2025-05-01, to: 2025-05-02}\nexchange: {kind: demo}\n", sets=["fill_model=candle"])
    assert pickle.loads(pickle.dumps(loaded)) == loaded  # noqa: S301 - what this process wrote


def test_a_config_cannot_be_changed() -> None:
    config = load().config
    with pytest.raises(ValueError, match="frozen"):
        config.workers = 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://quant:se@cr:et@db/candles", "postgresql://quant:***@db/candles"),
        ("postgresql://quant:${PASSWORD}@db/candles", "postgresql://quant:${PASSWORD}@db/candles"),
        ("sqlite:///a:b@c.db", "sqlite:///a:b@c.db"),
        ("postgresql://db:5432/candles", "postgresql://db:5432/candles"),
    ],
)
def test_a_password_in_a_url_is_not_shown(url: str, shown: str) -> None:
    loaded = load("exchange:\n  kind: sql\n  table: candles\n", sets=[f"exchange.url={url}"])
    assert ("exchange.url", shown, "flag --set") in describe(loaded)


def test_parts_can_be_given_of_an_exchange_that_is_built_in_elsewhere() -> None:
    def built_in(name: str) -> dict[str, object] | None:
        return {"kind": "ccxt", "id": name} if name == "binance" else None

    def load_named(name: str) -> LoadedConfig:
        flags, sets = {"exchange": name}, ["exchange.market=swap"]
        return load_config(None, flags=flags, sets=sets, environ={}, dotenv=None, required=(), built_in=built_in)

    loaded = load_named("binance")
    assert loaded.config.exchange == CcxtExchange(kind="ccxt", id="binance", market="swap")
    assert exchange_name(loaded.config) == "binance-swap"
    assert loaded.origins["exchange.id"] == "flag --exchange"
    with pytest.raises(ConfigError, match="expected exchange 'binanc' to be described"):
        load_named("binanc")


def test_a_data_folder_and_the_use_of_the_network_are_given_like_anything_else() -> None:
    loaded = load("data: a\ncache: no\n", environ={"BTK_DATA": "~/b", "CC_OFFLINE": "1"})
    config = loaded.config
    assert (config.data, config.cache, config.offline) == (str(Path.home() / "b"), False, True)
    assert loaded.origins["data"] == "environment BTK_DATA"

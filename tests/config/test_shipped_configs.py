"""The configs that come with the program."""

from pathlib import Path

import pytest

from backtestkit_cli.config.choices import exchange_name
from backtestkit_cli.config.exchanges import DemoExchange, ParquetExchange
from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.schema import FrameConfig
from backtestkit_cli.domain.interval import DAY_MS

ROOT = Path(__file__).resolve().parents[2]


def read(name: str) -> LoadedConfig:
    return load_config(ROOT / "configs" / name, flags={}, sets=(), environ={}, dotenv=None)


@pytest.mark.parametrize("name", [file.name for file in sorted((ROOT / "configs").glob("*.yaml"))])
def test_a_config_is_right_and_its_strategy_is_there(name: str) -> None:
    config = read(name).config
    assert config.entry is not None
    assert Path(config.entry).is_file()


def test_the_demo_runs_three_symbols_over_30_days_of_a_seeded_market() -> None:
    loaded = read("demo.yaml")
    assert loaded.config.exchange == DemoExchange(kind="demo", seed=7)
    assert loaded.config.symbols == ("BTCUSDT", "ETHUSDT", "SOLUSDT")
    assert loaded.settings_given == {}  # so that the defaults of a strategy hold
    assert isinstance(loaded.config.frame, FrameConfig)
    assert loaded.config.frame.end_ms - loaded.config.frame.start_ms == 30 * DAY_MS


def test_the_sixteen_perpetuals_come_from_a_folder_beside_the_configs() -> None:
    config = read("parquet.yaml").config
    path = str(ROOT / "candles" / "binance-usdm")
    assert config.exchange == ParquetExchange(kind="parquet", name="binance-usdm", path=path)
    assert exchange_name(config) == "binance-usdm"
    assert len(config.symbols) == 16

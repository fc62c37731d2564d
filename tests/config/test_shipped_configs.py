"""The configs that come with the program."""

from pathlib import Path

import pytest
import yaml

from backtestkit_cli.config.choices import exchange_name
from backtestkit_cli.config.exchanges import DemoExchange, ParquetExchange
from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.config.risks import RiskProfile, rules_of
from backtestkit_cli.config.schema import FrameConfig
from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.policies.risk.catalogue import RULES
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.plan import shares_something

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


def test_the_portfolio_config_resolves_to_a_plan_with_an_account_groups_and_a_profile() -> None:
    plan = assemble(read("portfolio.yaml"))
    (careful,) = plan.risks["sma_cross"]
    assert [rule.name for rule in careful.rules][:2] == ["max_open", "max_open_per_group_side"]
    assert plan.portfolio is not None
    assert set(plan.groups) == {"majors", "layer_one", "memes"}
    assert {symbol for group in plan.groups.values() for symbol in group} <= set(plan.symbols)


def test_the_coordination_config_resolves_to_a_plan_in_which_symbols_share_all_they_can() -> None:
    plan = assemble(read("coordination.yaml"))
    assert [profile.name for profile in plan.risks["portfolio_cap"]] == ["three_at_a_time", "spread"]
    assert plan.portfolio is not None
    assert (plan.portfolio.max_drawdown_pct, plan.portfolio.on_drawdown) == (10, StopAction.CLOSE_ALL)
    assert plan.sizings["portfolio_cap"].name == "half_a_percent"
    assert {symbol for group in plan.groups.values() for symbol in group} <= set(plan.symbols)
    what = " and ".join(shares_something(plan))
    rest = "a portfolio and sizings that look at other positions and risk profiles (three_at_a_time, spread)"
    assert what == f"services (Book) and {rest}"


def test_the_portfolio_config_names_every_rule_there_is_in_use_or_commented_out() -> None:
    text = (ROOT / "configs" / "portfolio.yaml").read_text(encoding="utf-8")
    assert {name for name in RULES if f"{name}:" not in text} == set()
    written_out = text.replace("    # max_", "    max_").replace("    # allow", "    allow")
    written_out = written_out.replace("    # block", "    block").replace("    # trading", "    trading")
    tree = yaml.safe_load(written_out)
    profile = RiskProfile.model_validate(tree["risks"]["careful"])
    assert [rule.name for rule in rules_of(profile)] == list(RULES)

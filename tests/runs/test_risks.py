"""Names of risk profiles are looked up before the first candle, wherever they are described."""

import json
from pathlib import Path

import pytest

from backtestkit_cli import BlockSymbols, MaxOpen
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.plan import RunPlan

STRATEGIES = """
from backtestkit_cli import MaxOpen, MaxExposurePct, MaxOpenPerGroup, add_risk, add_strategy

add_strategy("one", get_signal=lambda symbol, when, price: None, risk="careful")
add_strategy("two", get_signal=lambda symbol, when, price: None, risk=["careful", "own"])
add_strategy("free", get_signal=lambda symbol, when, price: None)

def no_mondays(check):
    return "not on a Monday" if check.when.weekday() == 0 else None

add_risk("careful", rules=[MaxOpen(3), no_mondays])
add_risk("own", rules=[MaxOpen(1)])
add_risk("by_account", rules=[MaxExposurePct(50)])
add_risk("by_group", rules=[MaxOpenPerGroup(1)])
"""


def planned(folder: Path, config: str = "", *, strategies: str = STRATEGIES, run: str = "one, two, free") -> RunPlan:
    (folder / "mine.py").write_text(strategies, encoding="utf-8")
    text = f"entry: mine.py\nstrategy: [{run}]\nsymbols: [A]\nframe: {{from: 2025-05-01, to: 2025-05-02}}\n{config}"
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return assemble(load_config(folder / "run.yaml", flags={}, sets=(), environ={}, dotenv=None))


def names(plan: RunPlan) -> dict[str, list[str]]:
    return {strategy: [profile.name for profile in profiles] for strategy, profiles in plan.risks.items()}


def test_a_strategy_names_profiles_that_are_registered_after_it(tmp_path: Path) -> None:
    plan = planned(tmp_path)
    assert names(plan) == {"one": ["careful"], "two": ["careful", "own"]}
    assert [rule.name for rule in plan.risks["one"][0].rules] == ["max_open", "no_mondays"]
    assert (plan.portfolio, dict(plan.groups)) == (None, {})


def test_profiles_of_the_run_come_after_those_of_a_strategy_and_each_once(tmp_path: Path) -> None:
    plan = planned(tmp_path, "risk: [yaml, own]\nrisks:\n  yaml: {max_open: 9}\n")
    assert names(plan) == {
        "one": ["careful", "yaml", "own"],
        "two": ["careful", "own", "yaml"],
        "free": ["yaml", "own"],
    }
    assert plan.risks["free"][0].rules == (MaxOpen(9),)
    assert plan.risks["free"][0].where.endswith("run.yaml:7")


def test_a_profile_of_the_config_hides_one_of_the_strategy_file(tmp_path: Path) -> None:
    plan = planned(tmp_path, "risks:\n  careful: {block_symbols: [DOGEUSDT]}\n")
    assert plan.risks["one"][0].rules == (BlockSymbols(("DOGEUSDT",)),)


def test_an_unknown_profile_of_a_strategy_fails_with_its_line_and_the_nearest(tmp_path: Path) -> None:
    text = STRATEGIES.replace('risk="careful"', 'risk="carefl"')
    with pytest.raises(UnknownNameError, match=r"mine\.py:4: unknown risk profile 'carefl'; did you mean 'careful'\?"):
        planned(tmp_path, strategies=text)
    assert names(planned(tmp_path, strategies=text, run="two")) == {"two": ["careful", "own"]}


def test_an_unknown_profile_of_the_config_fails_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"run\.yaml:5: unknown risk profile 'carefl'; did you mean 'careful'\?"):
        planned(tmp_path, "risk: carefl\n")


def test_a_rule_in_the_place_of_a_name_is_named(tmp_path: Path) -> None:
    text = STRATEGIES.replace('risk="careful"', "risk=[MaxOpen(3)]")
    with pytest.raises(ConfigError, match=r"mine\.py:4: expected the name of a risk profile, found MaxOpen\(limit=3\)"):
        planned(tmp_path, strategies=text)


def test_a_rule_that_needs_an_account_fails_without_a_portfolio(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(tmp_path, "risk: by_account\n")
    assert str(caught.value).endswith(
        "mine.py:13: risk profile 'by_account': max_exposure_pct needs an account: "
        "expected `portfolio:` with a balance in the config, found none"
    )
    plan = planned(tmp_path, "risk: by_account\nportfolio: {balance: 1000}\n")
    assert plan.portfolio is not None
    assert names(plan)["free"] == ["by_account"]


def test_a_rule_that_counts_by_group_fails_without_groups(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"run\.yaml:7: risk profile 'g': max_open_per_group needs groups: expected"):
        planned(tmp_path, "risk: g\nrisks:\n  g: {max_open_per_group: 1}\n")
    plan = planned(tmp_path, "risk: by_group\ngroups: {majors: [BTCUSDT]}\n")
    assert dict(plan.groups) == {"majors": ("BTCUSDT",)}


def test_all_that_decides_is_in_the_facts_as_plain_values(tmp_path: Path) -> None:
    plan = planned(
        tmp_path,
        "risk: yaml\nrisks:\n  yaml: {max_signals: {count: 3, minutes: 15}, block_symbols: [A]}\n"
        "  unused: {max_open: 1}\ngroups: {majors: [BTCUSDT]}\nportfolio: {balance: 1000}\n",
        run="one",
    )
    assert json.loads(json.dumps(plan.coordination_facts)) == {
        "risk": {"one": ["careful", "yaml"]},
        "risks": {
            "careful": [["max_open", 3], ["no_mondays", "a function"]],
            "yaml": [["block_symbols", ["A"]], ["max_signals", {"count": 3, "minutes": 15, "scope": "all"}]],
        },
        "groups": {"majors": ["BTCUSDT"]},
        "portfolio": {
            "balance": 1000.0,
            "reserve": 0.0,
            "max_drawdown_pct": None,
            "on_drawdown": "close_all",
            "max_daily_loss_pct": None,
            "on_daily_loss": "close_all",
        },
    }


def test_a_run_without_coordination_has_no_facts_of_it(tmp_path: Path) -> None:
    assert dict(planned(tmp_path, run="free").coordination_facts) == {}

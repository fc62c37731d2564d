"""Risk profiles, groups and the portfolio of a config: what can be written, and what is said about mistakes."""

import pickle

import pytest

from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.risks import RiskProfile, rules_of
from backtestkit_cli.domain.portfolio import Portfolio, StopAction
from backtestkit_cli.domain.risk import Rule
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.policies.risk.catalogue import RULES
from backtestkit_cli.policies.risk.counts import MaxOpen, MaxOpenPerGroupSide
from backtestkit_cli.policies.risk.exposure import MaxExposurePct, MaxGroupExposurePct, MaxPositionPct
from backtestkit_cli.policies.risk.hours import TradingHours
from backtestkit_cli.policies.risk.losses import CoolDown, MinWinRate
from backtestkit_cli.policies.risk.pace import MaxSignals
from backtestkit_cli.policies.risk.symbols import AllowSymbols, BlockSymbols
from tests.config.sources import load, problems

PROFILE = """
risks:
  careful:
    max_signals: {count: 3, minutes: 15}
    max_open: 3
    allow_symbols: BTCUSDT, ETH/USDT
    block_symbols: [DOGEUSDT]
    trading_hours: 09:00-17:00
    max_open_per_group_side: 2
    max_position_pct: 50
    max_group_exposure_pct: 5e1
    max_exposure_pct: 80.5
    cool_down: {losses: 3, within_minutes: 60, minutes: 30, scope: symbol}
    min_win_rate:
      percent: 40
      trades: 10
      again_after_minutes: null
"""


def rules(text: str, *sets: str) -> tuple[Rule, ...]:
    return rules_of(load(text, sets=sets).config.risks["careful"])


def test_a_profile_is_a_mapping_of_rules_asked_in_the_order_of_the_catalogue() -> None:
    assert rules(PROFILE) == (
        AllowSymbols(("BTCUSDT", "ETH/USDT")),
        BlockSymbols(("DOGEUSDT",)),
        TradingHours.from_text("09:00-17:00"),
        MaxOpen(3),
        MaxOpenPerGroupSide(2),
        MaxPositionPct(50.0),
        MaxGroupExposurePct(50.0),
        MaxExposurePct(80.5),
        MaxSignals(count=3, minutes=15),
        CoolDown(losses=3, within_minutes=60, minutes=30, scope="symbol"),
        MinWinRate(percent=40.0, trades=10),
    )


def test_a_config_can_name_every_built_in_rule() -> None:
    assert list(RiskProfile.model_fields) == list(RULES)


def test_a_set_changes_one_rule_or_one_part_of_it_and_leaves_the_others() -> None:
    changed = rules(
        PROFILE,
        "risks.careful.max_open=2",
        "risks.careful.max_signals.count=5",
        "risks.careful.trading_hours=mon-fri 22:00-02:00",
        "risks.careful.block_symbols=[DOGEUSDT,SHIBUSDT]",
        "risks.careful.cool_down=null",
    )
    assert MaxOpen(2) in changed
    assert MaxSignals(count=5, minutes=15) in changed
    assert TradingHours.from_text("mon-fri 22:00-02:00") in changed
    assert BlockSymbols(("DOGEUSDT", "SHIBUSDT")) in changed
    assert "cool_down" not in {rule.name for rule in changed}
    assert len(changed) == len(rules(PROFILE)) - 1


def test_sets_alone_make_profiles_groups_and_a_portfolio() -> None:
    sets = [
        "risks.bold.max_open=9",
        "risks.bold.max_signals={count: 1, minutes: 5}",
        "risk=bold",
        "groups.memes=DOGEUSDT,SHIBUSDT",
        "portfolio.balance=10000",
        "portfolio.max_drawdown_pct=1e1",
    ]
    for text in (None, "risks:\ngroups:\nportfolio:\n"):  # sections whose lines are all commented out
        config = load(text, sets=sets).config
        assert rules_of(config.risks["bold"]) == (MaxOpen(9), MaxSignals(count=1, minutes=5))
        assert config.risk == ("bold",)
        assert config.groups == {"memes": ("DOGEUSDT", "SHIBUSDT")}
        assert config.portfolio == Portfolio(balance=10_000.0, max_drawdown_pct=10.0)


def test_a_part_can_be_set_of_what_the_file_leaves_empty() -> None:
    text = "risks:\n  careful:\n    max_signals: null\n    max_open: 1\n  bold:\n"
    sets = ["risks.careful.max_signals.count=1", "risks.careful.max_signals.minutes=5", "risks.bold.max_open=2"]
    risks = load(text, sets=sets).config.risks
    assert rules_of(risks["careful"]) == (MaxOpen(1), MaxSignals(count=1, minutes=5))
    assert rules_of(risks["bold"]) == (MaxOpen(2),)


def test_a_portfolio_has_defaults_and_there_is_none_where_none_is_written() -> None:
    assert load("portfolio: {balance: 1e4}\n").config.portfolio == Portfolio(balance=10_000.0)
    given = "portfolio: {balance: 500, reserve: 499.9, max_daily_loss_pct: 3, on_daily_loss: block_entries}\n"
    portfolio = load(given).config.portfolio
    assert portfolio == Portfolio(
        balance=500.0, reserve=499.9, max_daily_loss_pct=3.0, on_daily_loss=StopAction.BLOCK_ENTRIES
    )
    for text in (None, "out: a\n"):
        assert load(text).config.portfolio is None
    for text in ("portfolio:\n", "portfolio: null\n", "portfolio:\n  # balance: 1000\n"):
        with pytest.raises(ConfigError, match=r":1: portfolio: expected a mapping with balance, found nothing"):
            load(text)
    assert load(given, sets=["portfolio=null"]).config.portfolio is None


@pytest.mark.parametrize(
    ("text", "names"),
    [("a", ("a",)), ("[a, b]", ("a", "b")), ("null", ()), ("[]", ())],
)
def test_a_run_names_the_profiles_of_all_its_strategies(text: str, names: tuple[str, ...]) -> None:
    assert load(f"risk: {text}\n").config.risk == names


def test_what_was_given_is_shown_with_its_origin_and_rules_that_were_not_are_left_out() -> None:
    text = (
        "risks:\n  careful:\n    trading_hours: 9:00-17:00\n    block_symbols: [DOGEUSDT, SHIBUSDT]\n"
        "    max_signals: {count: 3, minutes: 15}\ngroups:\n  memes: [DOGEUSDT]\nportfolio:\n  balance: 1000\n"
    )
    sets = ["risks.careful.max_open=2", "portfolio.reserve=10"]
    shown = [row for row in describe(load(text, sets=sets)) if row[0].startswith(("risk", "groups", "portfolio"))]
    assert shown == [
        ("risk", "none", "default"),
        ("risks.careful.block_symbols", "DOGEUSDT, SHIBUSDT", "configs/run.yaml:4"),
        ("risks.careful.trading_hours", "09:00-17:00", "configs/run.yaml:3"),
        ("risks.careful.max_open", "2", "flag --set"),
        ("risks.careful.max_signals.count", "3", "configs/run.yaml:5"),
        ("risks.careful.max_signals.minutes", "15", "configs/run.yaml:5"),
        ("risks.careful.max_signals.scope", "all", "default"),
        ("groups.memes", "DOGEUSDT", "configs/run.yaml:7"),
        ("portfolio.balance", "1000.0", "configs/run.yaml:9"),
        ("portfolio.reserve", "10.0", "flag --set"),
        ("portfolio.max_drawdown_pct", "none", "default"),
        ("portfolio.on_drawdown", "close_all", "default"),
        ("portfolio.max_daily_loss_pct", "none", "default"),
        ("portfolio.on_daily_loss", "close_all", "default"),
    ]


def test_a_config_with_risks_can_be_sent_to_another_process() -> None:
    loaded = load(PROFILE, sets=["portfolio.balance=100"])
    assert pickle.loads(pickle.dumps(loaded)) == loaded  # noqa: S301 - what this process wrote


A_SYMBOL = "expected a symbol such as BTCUSDT, BTC/USDT or BTC/USDT:USDT"
HOURS = "expected hours in UTC such as 09:00-17:00, mon-fri 09:00-17:00 or 22:00-02:00"
SHARE = "expected a number above 0 and at most 100"
RULE_MISTAKES = {
    "max_opn: 3": "max_opn: unknown key; did you mean 'max_open'?",
    "max_open: 0": "max_open: expected a whole number of at least 1, found 0",
    "max_open: 2.5": "max_open: expected a whole number of at least 1, found 2.5",
    "max_open: true": "max_open: expected a whole number of at least 1, found 'true'",
    "max_open: {limit: 3}": "max_open: expected a whole number of at least 1, found a mapping",
    "max_open: [3]": "max_open: expected a whole number of at least 1, found a list",
    "max_position_pct: 0": f"max_position_pct: {SHARE}, found 0",
    "max_position_pct: 100.1": f"max_position_pct: {SHARE}, found 100.1",
    "max_position_pct: nan": f"max_position_pct: {SHARE}, found nan",
    "block_symbols: []": "block_symbols: expected at least one symbol, found an empty list",
    "block_symbols: {A: 1}": "block_symbols: expected a list of symbols, found a mapping",
    "block_symbols: [A, 'b c']": f"block_symbols: {A_SYMBOL}, found 'b c'",
    "block_symbols: [AB, A/B]": "block_symbols: expected each symbol once, found 'A/B' and 'AB'",
    "trading_hours: 9-17": f"trading_hours: {HOURS}, found '9-17'",
    "trading_hours: [09:00-17:00]": f"trading_hours: {HOURS}, found a list",
    "max_signals: 3": "max_signals: expected a mapping with count and minutes, found 3",
    "max_signals: {count: 3}": "max_signals.minutes: missing, expected a whole number of at least 1",
    "max_signals: {count: 3, minutes: 5, scop: all}": "max_signals.scop: unknown key; did you mean 'scope'?",
    "max_signals: {count: 3, minutes: 5, scope: symbool}": (
        "max_signals.scope: expected all, strategy or symbol, found 'symbool'; did you mean 'symbol'?"
    ),
    "cool_down: 3": "cool_down: expected a mapping with losses, within_minutes and minutes, found 3",
    "min_win_rate: {percent: 140, trades: 10}": f"min_win_rate.percent: {SHARE}, found 140",
    "min_win_rate: {percent: 40, trades: 10, again_after_minutes: soon}": (
        "min_win_rate.again_after_minutes: expected a whole number of at least 1 or null, found 'soon'"
    ),
}


@pytest.mark.parametrize("text", RULE_MISTAKES)
def test_a_mistake_in_a_rule_is_named_with_line_key_expected_and_found(text: str) -> None:
    found = problems(f"risks:\n  careful:\n    max_open_per_side: 3\n    {text}\n")
    assert found == [f"configs/run.yaml:4: risks.careful.{RULE_MISTAKES[text]}"]


MISTAKES = {
    "risks: [a]": "risks: expected a mapping from names to risk profiles, found a list",
    "risks: {a: }": "risks.a: expected a mapping of rules, found nothing",
    "risks: {a: {}}": "risks.a: expected at least one rule, found none",
    "risks: {a: {max_open: }}": "risks.a: expected at least one rule, found none",
    "risks: {a: max_open}": "risks.a: expected a mapping of rules, found 'max_open'",
    "risk: [a, a]": "risk: expected each risk profile once, found 'a' twice",
    "risk: {a: 1}": "risk: expected the name of a risk profile, found a mapping",
    "risk: [a, '']": "risk: expected the name of a risk profile, but entry 2 is blank",
    "groups: A": "groups: expected a mapping from names to lists of symbols, found 'A'",
    "groups: {a: }": "groups.a: expected a list of symbols, found nothing",
    "groups: {a: [AB, A/B]}": "groups.a: expected each symbol once, found 'A/B' and 'AB'",
    "portfolio: 100": "portfolio: expected a mapping with balance, or null, found 100",
    "portfolio: {reserve: 1}": "portfolio.balance: missing, expected a number above 0",
    "portfolio: {balance: 0}": "portfolio.balance: expected a number above 0, found 0",
    "portfolio: {balance: inf}": "portfolio.balance: expected a number above 0, found inf",
    "portfolio: {balance: 1, balanc: 2}": "portfolio.balanc: unknown key; did you mean 'balance'?",
    "portfolio: {balance: 100, reserve: 100}": "portfolio: expected reserve to be below balance, found 100 of 100",
    "portfolio: {balance: 100, reserve: -1}": "portfolio.reserve: expected a number of at least 0, found -1",
    "portfolio: {balance: 100, max_drawdown_pct: 101}": (
        "portfolio.max_drawdown_pct: expected a number above 0 and at most 100 or null, found 101"
    ),
    "portfolio: {balance: 100, on_drawdown: close}": (
        "portfolio.on_drawdown: expected block_entries or close_all, found 'close'; did you mean 'close_all'?"
    ),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_in_a_section_is_named(text: str) -> None:
    assert problems(f"{text}\n") == [f"configs/run.yaml:1: {MISTAKES[text]}"]


@pytest.mark.parametrize(
    ("setting", "problem"),
    [
        ("risks.careful.max_open=0", "risks.careful.max_open: expected a whole number of at least 1, found 0"),
        ("risks.careful.max_signal.count=3", "risks.careful.max_signal: unknown key; did you mean 'max_signals'?"),
        ("risks.careful.max_signals.coun=3", "risks.careful.max_signals.coun: unknown key; did you mean 'count'?"),
        ("portfolio.balnce=3", "portfolio.balnce: unknown key; did you mean 'balance'?"),
    ],
)
def test_a_wrong_set_of_a_rule_is_named(setting: str, problem: str) -> None:
    text = f"{PROFILE}portfolio: {{balance: 100}}\n"
    assert problems(text, sets=[setting]) == [f"flag --set: {problem}"]


def test_a_rule_that_is_one_value_has_no_parts_to_set() -> None:
    (found,) = problems(PROFILE, sets=["risks.careful.max_open.limit=2"])
    assert found.startswith("flag --set: unknown key 'risks.careful.max_open.limit'")

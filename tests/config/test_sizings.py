"""Sizings in a config: what they become, what is said about mistakes, and where each value comes from."""

import pytest

from backtestkit_cli.config.describe import describe
from backtestkit_cli.config.described import checked_sizing
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.policies.sizing.correlation import Correlation
from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly
from tests.config.sources import load, problems

FILE = """
sizing: small
sizings:
  small: {method: fixed_pct, risk_pct: 1, max_position_pct: 1e1}
  calm:
    method: atr
    risk_pct: 2
    interval: 15m
    correlation: {factor: 0.25}
  bold: {method: kelly, win_rate: .55, reward_ratio: 1.5, min_cost: 10, max_cost: null}
"""


def test_sizings_are_read_by_their_method() -> None:
    config = load(FILE.lstrip()).config
    assert config.sizing == "small"
    assert config.sizings == {
        "small": FixedPct(risk_pct=1, max_position_pct=10),
        "calm": Atr(risk_pct=2, interval="15m", correlation=Correlation(factor=0.25)),
        "bold": Kelly(win_rate=0.55, reward_ratio=1.5, min_cost=10),
    }


def test_one_value_of_a_sizing_can_be_set_and_is_shown_with_its_origin() -> None:
    loaded = load(
        FILE.lstrip(), sets=["sizings.small.risk_pct=3", "sizings.calm.correlation.factor=0.4", "sizing=calm"]
    )
    assert loaded.config.sizings["small"] == FixedPct(risk_pct=3, max_position_pct=10)
    rows = {key: (value, origin) for key, value, origin in describe(loaded)}
    assert rows["sizing"] == ("calm", "flag --set")
    assert rows["sizings.small.method"] == ("fixed_pct", "configs/run.yaml:3")
    assert rows["sizings.small.risk_pct"] == ("3.0", "flag --set")
    assert rows["sizings.small.max_cost"] == ("none", "default")
    assert rows["sizings.calm.interval"] == ("15m", "configs/run.yaml:7")
    assert rows["sizings.calm.correlation.factor"] == ("0.4", "flag --set")
    assert rows["sizings.calm.correlation.threshold"] == ("0.8", "default")


def test_a_sizing_can_be_set_whole_without_a_file() -> None:
    sets = ["sizings.small={method: kelly, win_rate: 0.5, reward_ratio: 2}"]
    assert load(sets=sets).config.sizings == {"small": Kelly(win_rate=0.5, reward_ratio=2)}


KEYS = "atr_multiplier, balance, candles, correlation, interval, max_cost, max_position_pct, min_cost, risk_pct"


@pytest.mark.parametrize(
    ("sizing", "problem"),
    [
        ("3", ": expected a mapping with method, found 3"),
        ("", ": expected a mapping with method, found nothing"),
        ("{risk_pct: 1}", ".method: missing, expected fixed_pct, kelly or atr"),
        (
            "{method: fixed}",
            ".method: expected fixed_pct, kelly or atr, found 'fixed'; did you mean 'fixed_pct'?",
        ),
        ("{method: [atr]}", ".method: expected fixed_pct, kelly or atr, found a list"),
        ("{method: fixed_pct}", ".risk_pct: missing, expected a number above 0 and at most 100"),
        (
            "{method: fixed_pct, risk_pct: 101}",
            ".risk_pct: expected a number above 0 and at most 100, found 101",
        ),
        ("{method: fixed_pct, risk_pct: nan}", ".risk_pct: expected a number above 0 and at most 100, found nan"),
        ("{method: fixed_pct, risk_pct: [1]}", ".risk_pct: expected a number above 0 and at most 100, found a list"),
        ("{method: fixed_pct, risk_pct: 1, risk_pc: 2}", ".risk_pc: unknown key; did you mean 'risk_pct'?"),
        ("{method: atr, risk_pct: 1, xyz: 2}", f".xyz: unknown key; known: {KEYS}"),
        ("{method: fixed_pct, risk_pct: 1, win_rate: 1}", ".win_rate: is for method kelly, found method fixed_pct"),
        ("{method: fixed_pct, risk_pct: 1, max_cost: 0}", ".max_cost: expected a number above 0 or null, found 0"),
        (
            "{method: fixed_pct, risk_pct: 1, min_cost: 9, max_cost: 8}",
            ".min_cost: expected at most max_cost, found 9 and max_cost 8",
        ),
        (
            "{method: kelly, win_rate: 55, reward_ratio: 1}",
            ".win_rate: expected a number from 0 to 1, found 55",
        ),
        ("{method: atr, risk_pct: 1, candles: 1.5}", ".candles: expected a whole number of at least 1, found 1.5"),
        ("{method: atr, risk_pct: 1, interval: [1h]}", ".interval: expected a text, found a list"),
        (
            "{method: atr, risk_pct: 1, correlation: 0.8}",
            (
                ".correlation: expected a mapping with any of threshold, factor, interval and candles, or null,"
                " found 0.8"
            ),
        ),
        (
            "{method: atr, risk_pct: 1, correlation: {threshold: 1}}",
            ".correlation.threshold: expected a number of at least 0 and below 1, found 1",
        ),
        (
            "{method: atr, risk_pct: 1, correlation: {threshld: 1}}",
            ".correlation.threshld: unknown key; did you mean 'threshold'?",
        ),
    ],
)
def test_a_mistake_in_a_sizing_is_one_line_with_its_place(sizing: str, problem: str) -> None:
    assert problems(f"sizings:\n  small: {sizing}\n") == [f"configs/run.yaml:2: sizings.small{problem}"]


def test_intervals_of_a_sizing_are_looked_at() -> None:
    found = problems(
        "sizings:\n  s:\n    method: atr\n    risk_pct: 1\n    interval: 7m\n    correlation:\n      interval: x\n"
    )
    assert [problem.partition("; ")[0] for problem in found] == [
        "configs/run.yaml:5: sizings.s.interval: unknown interval '7m'",
        "configs/run.yaml:7: sizings.s.correlation.interval: unknown interval 'x'",
    ]


def test_all_mistakes_are_told_at_once() -> None:
    found = problems("sizing: []\nsizings:\n  a: {method: atr}\n  b: {method: kelly, win_rate: 2, reward_ratio: 0}\n")
    assert len(found) == 4
    assert problems("sizings: small\n") == [
        "configs/run.yaml:1: sizings: expected a mapping from names to sizings, found 'small'"
    ]
    assert problems(sets=["sizings.small.risk.pct.much=1"])[0].startswith("flag --set: unknown key")


def test_a_section_without_lines_says_nothing() -> None:
    assert load("out: a\nsizings:\n").config.sizings == {}


@pytest.mark.parametrize(
    ("sizing", "problem"),
    [
        (FixedPct(risk_pct=-1), "risk_pct: expected a number above 0 and at most 100, found -1"),
        (Kelly(win_rate=55, reward_ratio=1), "win_rate: expected a number from 0 to 1, found 55"),
        (Atr(risk_pct=1, candles=0), "candles: expected a whole number of at least 1, found 0"),
        (
            Atr(risk_pct=1, correlation=Correlation(candles=2)),
            "correlation.candles: expected a whole number of at least 4, found 2",
        ),
    ],
)
def test_what_a_strategy_file_makes_is_held_to_the_same_rules(sizing: FixedPct | Kelly | Atr, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        checked_sizing(sizing, where="mine.py:3")
    assert caught.value.problems == (f"mine.py:3: {problem}",)


def test_what_is_right_stays_what_it_is() -> None:
    sizing = Atr(risk_pct=1, min_cost=5, correlation=Correlation(candles=20))
    assert checked_sizing(sizing, where="mine.py:3") == sizing

"""Which sizing a strategy gets, and what a run refuses before its first candle."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from backtestkit_cli.config.loader import LoadedConfig, load_config
from backtestkit_cli.domain.interval import HOUR_MS
from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.policies.sizing.methods import Atr, FixedPct
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.history import history_of
from backtestkit_cli.runs.sizings import check_balances, needs_balance

STRATEGIES = """
from backtestkit_cli import Atr, FixedPct, Kelly, Size, add_sizing, add_strategy

class Own:
    def size(self, check):
        raise ValueError("not today")

add_sizing("small", FixedPct(risk_pct=1, balance=1000), note="of the file")
add_sizing("ranges", Atr(risk_pct=1, balance=1000, candles=30))
add_sizing("poor", FixedPct(risk_pct=1))
add_sizing("wrong", FixedPct(risk_pct=-1, balance=0))
add_sizing("fn", lambda check: 25)
add_sizing("own", Own())
add_strategy("plain", get_signal=lambda *_: None)
add_strategy("picky", get_signal=lambda *_: None, sizing=CHOSEN, warm_up={"1h": 4})
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(*sets: str, chosen: str | None = None) -> LoadedConfig:
    """Return the config of a run of both strategies, of which one names the sizing *chosen*."""
    Path("mine.py").write_text(STRATEGIES.replace("CHOSEN", repr(chosen)), encoding="utf-8")
    given = ["strategy=[plain, picky]", "entry=mine.py", "symbols=A", "frame.from=2025-05-04", "frame.to=2025-05-05"]
    return load_config(None, flags={}, sets=[*given, *sets], environ={}, dotenv=None)


def sizings(*sets: str, chosen: str | None = None) -> dict[str, Any]:
    return {name: spec.sizing for name, spec in assemble(loaded(*sets, chosen=chosen)).sizings.items()}


CALM = "sizings.calm={method: fixed_pct, risk_pct: 2, balance: 500}"


def test_a_strategy_gets_the_sizing_that_it_names_and_the_others_that_of_the_config() -> None:
    assert sizings() == {}
    assert sizings(chosen="small") == {"picky": FixedPct(risk_pct=1, balance=1000)}
    assert sizings(CALM, "sizing=calm", chosen="small") == {
        "plain": FixedPct(risk_pct=2, balance=500),
        "picky": FixedPct(risk_pct=1, balance=1000),
    }
    assert sizings("sizing=small") == dict.fromkeys(("plain", "picky"), FixedPct(risk_pct=1, balance=1000))


def test_a_config_may_put_another_sizing_in_the_place_of_one_of_the_file() -> None:
    own = "sizings.small={method: fixed_pct, risk_pct: 3, balance: 7}"
    assert sizings(own, chosen="small") == {"picky": FixedPct(risk_pct=3, balance=7)}


def test_an_unknown_name_is_refused_with_who_asks_and_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match=r"mine.py:15: unknown sizing 'smalll'; did you mean 'small'\?"):
        assemble(loaded(chosen="smalll"))
    with pytest.raises(UnknownNameError, match=r"flag --set: unknown sizing 'clam'; did you mean 'calm'\?"):
        assemble(loaded(CALM, "sizing=clam"))


def test_values_of_a_strategy_file_are_refused_with_its_line() -> None:
    with pytest.raises(ConfigError) as caught:
        assemble(loaded(chosen="wrong"))
    assert [problem.rpartition("/")[2] for problem in caught.value.problems] == [
        "mine.py:11: sizing 'wrong': risk_pct: expected a number above 0 and at most 100, found -1",
        "mine.py:11: sizing 'wrong': balance: expected a number above 0 or null, found 0",
    ]


def test_a_sizing_without_a_balance_needs_a_portfolio() -> None:
    with pytest.raises(ConfigError, match=r"mine.py:10: sizing 'poor': expected a balance to size by, found neither"):
        assemble(loaded(chosen="poor"))
    specs = [SimpleNamespace(name="poor", where="mine.py:10", sizing=FixedPct(risk_pct=1))]
    with_account: Any = SimpleNamespace(portfolio=object())
    check_balances(specs, with_account)  # type: ignore[arg-type]
    assert needs_balance(Atr(risk_pct=1))
    assert not needs_balance(Atr(risk_pct=1, balance=5))


def test_a_sizing_of_the_author_brings_its_own_money_and_raises_to_who_asks() -> None:
    assert sizings(chosen="fn")["picky"].size(SimpleNamespace(price=50.0)).quantity == 0.5
    with pytest.raises(ValueError, match="not today"):
        sizings(chosen="own")["picky"].size(SimpleNamespace(price=50.0))


def test_the_run_reads_the_candles_that_its_sizings_need() -> None:
    plan = assemble(loaded(chosen="ranges"))
    assert {spec.name: dict(spec.warm_up) for spec in plan.strategies} == {"picky": {"1h": 31}, "plain": {}}
    assert history_of(plan).start_ms == plan.start_ms - 31 * HOUR_MS

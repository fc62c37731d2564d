"""Risk profiles as an author registers them, and rules of the author's that answer something odd."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest

from backtestkit_cli import MaxOpen, MaxOpenPerSymbol, OpenPosition, RiskCheck, Side, add_risk
from backtestkit_cli.api.specs import RiskSpec
from backtestkit_cli.domain.risk import Rule
from backtestkit_cli.engine.failures import answer_of, text_of
from backtestkit_cli.errors import ConfigError
from tests.markets import registered
from tests.policies.risk_checks import a_check, account, held


def profile(*rules: Any, **others: Any) -> RiskSpec:
    """Return what is registered under `careful`."""
    found = registered(lambda: add_risk("careful", rules=rules, **others)).risks
    assert list(found) == ["careful"]
    return found["careful"]


def problem(*rules: Any, **others: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        profile(*rules, **others)
    (line,) = caught.value.problems
    assert "test_risk.py:" in line
    return line.partition("risk profile 'careful': ")[2]


def no_mondays(check: RiskCheck) -> str | None:
    return "not on a Monday" if check.when.weekday() == 0 else None


def refuses(raised: BaseException) -> Callable[[RiskCheck], str | None]:
    def rule(check: RiskCheck) -> str | None:
        raise raised

    return rule


def answers(value: Any) -> Callable[[RiskCheck], Any]:
    def rule(check: RiskCheck) -> Any:
        return value

    return rule


def asked(rule: Any, check: RiskCheck | None = None) -> str | None:
    (found,) = profile(rule).rules
    return refusal_of(found, check or a_check())


def refusal_of(rule: Rule, check: RiskCheck) -> str | None:
    """Ask *rule* as a session does."""
    reason, failure = answer_of(lambda: rule.refusal(check), 60, text_of)
    return failure or reason


def test_a_profile_keeps_its_rules_in_the_order_they_were_given() -> None:
    heard: list[str] = []
    spec = profile(
        MaxOpen(3), no_mondays, on_allowed=lambda _: heard.append("a"), on_rejected=lambda _, why: heard.append(why)
    )
    assert [rule.name for rule in spec.rules] == ["max_open", "no_mondays"]
    assert spec.rules[0] == MaxOpen(3)
    assert spec.on_allowed is not None
    assert spec.on_rejected is not None
    spec.on_allowed(a_check())
    spec.on_rejected(a_check(), "why")
    assert heard == ["a", "why"]


def test_of_two_validations_the_second_raises_and_its_message_is_the_refusal() -> None:
    def first(check: RiskCheck) -> None:
        assert check.active_count == 0

    def second(check: RiskCheck) -> None:
        raise ValueError(f"no {check.symbol} today")

    rules: tuple[Rule, ...] = profile(first, second).rules
    assert [refusal_of(rule, a_check()) for rule in rules] == [None, "no BTCUSDT today"]


def test_a_function_refuses_with_its_text_on_one_line() -> None:
    monday = a_check(at=24 * 60)
    assert (asked(no_mondays), asked(no_mondays, monday)) == (None, "not on a Monday")
    assert asked(answers("  too\n many ")) == "too many"
    assert asked(answers("")) == "rule refused without a reason"


class Unprintable(Exception):  # noqa: N818 - odd on purpose
    def __str__(self) -> str:
        raise RuntimeError


class Rude(BaseException): ...


@pytest.mark.parametrize(
    ("raised", "refused"),
    [
        (ValueError("too risky"), "too risky"),
        (ValueError("too\nrisky"), "too risky"),
        (AssertionError(), "AssertionError"),
        (KeyError("BTC"), "'BTC'"),
        (StopIteration(), "StopIteration"),
        (SystemExit(3), "3"),
        (SystemExit(), "SystemExit"),
        (Rude("no"), "no"),
        (Unprintable(), "Unprintable"),
        (RecursionError("deep"), "deep"),
    ],
    ids=repr,
)
def test_whatever_a_rule_raises_is_a_refusal(raised: BaseException, refused: str) -> None:
    assert asked(refuses(raised)) == refused


@pytest.mark.parametrize("raised", [KeyboardInterrupt, GeneratorExit, asyncio.CancelledError])
def test_what_ends_the_run_goes_through(raised: type[BaseException]) -> None:
    with pytest.raises(raised):
        asked(refuses(raised()))


async def later() -> None: ...


@pytest.mark.parametrize(("value", "kind"), [(True, "bool"), (False, "bool"), (0, "int"), ([], "list")])
def test_an_answer_of_another_type_is_a_refusal_that_says_what_was_expected(value: Any, kind: str) -> None:
    assert asked(answers(value)) == f"rule: expected None or a text, found {kind}"


def test_a_coroutine_is_no_answer_and_is_not_left_unawaited() -> None:
    assert asked(answers(later())) == "rule: expected None or a text, found coroutine"


class Veto:
    name = "veto"
    needs_account = True

    def refusal(self, check: RiskCheck) -> str | None:
        raise LookupError("a rule of a class may be odd as well")


def test_an_object_with_a_name_and_refusal_is_a_rule_held_to_the_same_contract() -> None:
    (rule,) = profile(Veto()).rules
    assert rule.name == "veto"
    assert getattr(rule, "needs_account", False) is True
    assert refusal_of(rule, a_check()) == "a rule of a class may be odd as well"


async def slow(check: RiskCheck) -> None: ...


class SlowCall:
    name = "slow_call"

    async def __call__(self, check: RiskCheck) -> None: ...


class SlowRule:
    name = "slow_rule"

    async def refusal(self, check: RiskCheck) -> None: ...


@pytest.mark.parametrize("rule", [slow, SlowCall(), SlowRule()])
def test_an_async_rule_is_refused_at_registration(rule: Any) -> None:
    assert problem(rule).endswith("must be a plain function, found an async one")


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([], "needs at least one rule"),
        ([no_mondays, no_mondays], "has two rules called 'no_mondays'"),
        ([MaxOpen(1), MaxOpenPerSymbol(1), MaxOpen(2)], "has two rules called 'max_open'"),
        ([MaxOpen], "expected a rule such as MaxOpen(3), found the class MaxOpen"),
        (["max_open"], "expected a rule such as MaxOpen(3) or a function, found 'max_open'"),
        ([lambda: None], "rule '<lambda>' must take one argument, a RiskCheck"),
    ],
)
def test_rules_that_are_none_are_named_with_their_place(rules: list[Any], expected: str) -> None:
    assert problem(*rules) == expected


def test_a_function_without_a_name_is_refused() -> None:
    assert problem(partial(no_mondays)).startswith("a rule needs a name, found functools.partial(")


def test_one_rule_alone_is_no_list() -> None:
    with pytest.raises(ConfigError, match=r"rules must be a list, was MaxOpen\(limit=3\)"):
        registered(lambda: add_risk("careful", rules=MaxOpen(3)))  # type: ignore[arg-type]


def test_a_callback_that_cannot_be_called_is_refused() -> None:
    expected = "expected on_rejected, a function of the check and the reason, found 'print'"
    assert problem(MaxOpen(1), on_rejected="print") == expected


def test_a_profile_registered_twice_names_both_places() -> None:
    def twice() -> None:
        add_risk("careful", rules=[MaxOpen(1)])
        add_risk("careful", rules=[MaxOpen(2)])

    with pytest.raises(ConfigError) as caught:
        registered(twice)
    assert str(caught.value).count("test_risk.py:") == 2
    assert "risk profile 'careful' is registered twice, first at " in str(caught.value)


def test_a_check_tells_how_many_are_open_which_and_when() -> None:
    positions = [held("BTCUSDT", strategy="one"), held("ETHUSDT", strategy="two", side=Side.SHORT, at=3)]
    seen: list[RiskCheck] = []
    asked(lambda check: seen.append(check), a_check("XRPUSDT", strategy="three", at=5, positions=positions))  # noqa: PLW0108
    (check,) = seen
    assert (check.active_count, check.symbol, check.strategy, check.side) == (2, "XRPUSDT", "three", Side.LONG)
    assert check.when == datetime(2025, 5, 4, 0, 5, tzinfo=UTC)
    assert [(held.strategy, held.symbol) for held in check.positions] == [("one", "BTCUSDT"), ("two", "ETHUSDT")]
    assert isinstance(check.positions[1], OpenPosition)
    assert check.positions[1].opened_at == datetime(2025, 5, 4, 0, 3, tzinfo=UTC)
    assert check.account == account()

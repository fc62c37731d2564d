import asyncio

from backtestkit_cli import Candles, MaxOpen, Signal, add_risk, add_strategy
from backtestkit_cli.analytics.refusals import ProblemCount, RuleCount
from backtestkit_cli.domain.risk import Stage
from backtestkit_cli.events.facts import SignalInvalid, SignalRefused
from backtestkit_cli.reports.markdown import risk
from backtestkit_cli.reports.saved.record import record_of
from backtestkit_cli.runs.backtest import run_backtest
from tests.builders import START_MS, a_record, a_session
from tests.coordinated_run import coordinated_record
from tests.markets import plan_for, random_candles, registered

SIGNAL = Signal(position="long", take_profit=102.0, stop_loss=98.0)


def refused(rule: str, stage: Stage = Stage.APPEARS, *, profile: str = "careful", strategy: str = "a") -> SignalRefused:
    return SignalRefused(START_MS, strategy, "BTCUSDT", "id", SIGNAL, 100.0, stage, profile, rule, "because")


def invalid(*problems: str, strategy: str = "a") -> SignalInvalid:
    return SignalInvalid(START_MS, strategy, "BTCUSDT", SIGNAL, 100.0, problems)


def test_refusals_are_counted_by_profile_rule_and_stage_most_frequent_first() -> None:
    events = [
        refused("max_open"),
        refused("cash", profile="portfolio"),
        refused("max_open", Stage.OPENS),
        refused("max_open"),
        refused("max_open", profile="bold"),
    ]
    assert risk.get_data(a_record(events=events)).by_rule == (
        RuleCount("careful", "max_open", 2, 1),
        RuleCount("bold", "max_open", 1, 0),
        RuleCount("portfolio", "cash", 1, 0),
    )


def test_invalid_signals_are_counted_by_the_words_of_what_is_wrong_with_them() -> None:
    events = [
        invalid("not_twice: seen before"),
        invalid("stop_loss must be below 101.5, was 1e+3", "not_twice: seen before"),
        invalid("stop_loss must be below 99, was 0.25", "not_twice: seen before"),
    ]
    statistics = risk.get_data(a_record(events=events))
    assert statistics.invalid_signals == 3
    assert statistics.by_problem == (
        ProblemCount("not_twice: seen before", 3),
        ProblemCount("stop_loss must be below 101.5, was 1e+3", 2),
    )


def test_a_strategy_can_be_looked_at_alone() -> None:
    events = [refused("max_open"), refused("max_open", strategy="b"), invalid("no", strategy="b")]
    record = a_record(a_session(strategy="a"), a_session(strategy="b"), events=events)
    assert [len(risk.get_data(record, name).refused) for name in ("a", "b")] == [1, 1]
    assert [risk.get_data(record, name).invalid_signals for name in ("a", "b")] == [0, 1]


def test_counts_by_rule_add_up_to_the_refusals_of_a_run() -> None:
    record = coordinated_record()
    statistics = risk.get_data(record)
    total = sum(row.total for row in statistics.by_rule)
    assert total == len(statistics.refused) == sum(one.counts.get("signal_refused", 0) for one in record.sessions) > 20
    assert {row.profile for row in statistics.by_rule} == {"careful"}


def test_a_rule_is_counted_at_the_stage_it_refused_and_a_veto_by_the_name_of_its_function() -> None:
    def get_signal(symbol: str, _when: object, price: float) -> Signal:
        # A opens at once and holds the only place.
        price_open = None if symbol == "A" else price * 0.999
        return Signal(
            position="long", take_profit=price * 1.05, stop_loss=price * 0.96, minutes=240, price_open=price_open
        )

    def no_odd_prices(_signal: Signal, price: float) -> str | None:
        return f"price {price} is odd" if int(price * 10) % 2 else None

    def register() -> None:
        add_strategy("eager", interval="1m", get_signal=get_signal, validate=no_odd_prices)
        add_risk("one", rules=[MaxOpen(1)])

    registry = registered(register)
    candles: dict[str, Candles] = {name: random_candles(seed, 1500) for seed, name in enumerate("AB")}
    plan = plan_for(registry, candles, risks={"eager": (registry.risks["one"],)})
    statistics = risk.get_data(record_of(asyncio.run(run_backtest(plan))))
    (rule,) = statistics.by_rule
    assert (rule.profile, rule.rule) == ("one", "max_open")
    assert (rule.appears > 0, rule.opens > 0) == (True, True)
    assert rule.appears + rule.opens == len(statistics.refused)
    (problem,) = statistics.by_problem
    assert problem.problem.startswith("no_odd_prices: price ")
    assert problem.signals == statistics.invalid_signals > 10

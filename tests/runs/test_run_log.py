"""The lines of a run: who gets them, what they say, and that nobody pays for them who does not listen."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from backtestkit_cli import (
    Candles,
    ErrorOccurred,
    Signal,
    SignalScheduled,
    add_strategy,
    average_buy,
    context,
    get_candles,
    listen,
    now,
    set_logger,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.api.log_context import LOG_KEYS
from backtestkit_cli.api.registry import Registry
from backtestkit_cli.errors import ConfigError, ContextError
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.facts import facts_of
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.run_log import RunLog
from tests.markets import plan_for, random_candles, registered

CANDLES = {"A": random_candles(1, 700), "B": random_candles(2, 700)}


class Fake:
    """A logger as an author might write it."""

    def __init__(self) -> None:
        """Start without lines."""
        self.lines: list[tuple[str, str]] = []

    def debug(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(("debug", text))

    def info(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(("info", text))

    def warn(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(("warning", text))

    def error(self, text: str) -> None:
        """Keep the line."""
        self.lines.append(("error", text))


def a_strategy(**others: Any) -> None:
    def get_signal(symbol: str, _when: object, price: float) -> Signal | None:
        if symbol == "B" and now().hour >= 5:
            raise ValueError("no more")
        stop = price * (0.98 if now().hour % 2 else 1.5)
        return Signal(position="long", take_profit=price * 1.02, stop_loss=stop, minutes=60)

    def opened(_event: object) -> None:
        average_buy(-1)

    add_strategy("asks", interval="1h", get_signal=get_signal, on_open=opened, **others)


def plan(registry: Registry) -> RunPlan:
    return replace(plan_for(registry, CANDLES), log_sink=registry.log_sink)


def said(name: str, lines: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return the lines about the symbol *name* without the context they end with."""
    return [(level, text.partition(" run_id=")[0]) for level, text in lines if f"symbol={name}" in text]


async def test_a_logger_of_ones_own_gets_every_line_of_the_engine_with_its_context_appended() -> None:
    fake = Fake()

    def module() -> None:
        set_logger(fake)
        a_strategy()

    outcome = await run_backtest(plan(registered(module)))
    heads = [(level, text.partition(":")[0]) for level, text in said("A", fake.lines)]
    assert {
        ("info", "candles read"),
        ("info", "position opened"),
        ("warning", "signal invalid"),
        ("warning", "command refused"),
        ("info", "position closed"),
    } <= set(heads)
    assert heads[1][1] == "session begins"
    assert heads[-1][1].startswith("session ends")
    assert fake.lines[0][1].startswith("run begins: 2 sessions of asks run_id=asks-")
    failed = [text for level, text in said("B", fake.lines) if level == "error"]
    assert len(failed) == 1
    assert failed[0].startswith("error occurred: strategy: ValueError: no more")
    opened = next(text for level, text in fake.lines if text.startswith("position opened") and "symbol=A" in text)
    for part in ("mode=backtest", "strategy=asks", "exchange=held", "frame=all", "when=2025-01-01T01:"):
        assert part in opened
    events = sum(len(session.counts) and sum(session.counts.values()) for session in outcome.sessions)
    of_engine = ("session", "candles", "run ")
    assert sum(not text.startswith(of_engine) for _, text in fake.lines) == events


async def test_a_logger_that_binds_gets_the_names_bound_and_a_standard_one_as_extra(
    caplog: pytest.LogCaptureFixture,
) -> None:
    bound: list[tuple[dict[str, str], str]] = []

    class Binding(Fake):
        def __init__(self, **names: str) -> None:
            super().__init__()
            self.names = names

        def bind(self, **names: str) -> "Binding":
            return Binding(**names)

        def info(self, text: str) -> None:
            bound.append((self.names, text))

    def binding() -> None:
        set_logger(Binding())
        a_strategy()

    await run_backtest(plan(registered(binding)))
    names, text = next(pair for pair in bound if pair[1].startswith("position opened"))
    assert (list(names), names["symbol"], "symbol=" in text) == (list(LOG_KEYS), "A", False)

    theirs = logging.getLogger("theirs")

    def standard() -> None:
        set_logger(theirs)
        a_strategy()

    with caplog.at_level(logging.INFO, "theirs"):
        await run_backtest(plan(registered(standard)))
    record = next(record for record in caplog.records if record.getMessage().startswith("position opened"))
    assert vars(record)["symbol"] == "A"
    assert " symbol=A " in record.getMessage()


async def test_a_logger_that_fails_is_not_asked_again_and_the_run_is_the_same() -> None:
    class Broken(Fake):
        def info(self, text: str) -> None:
            super().info(text)
            raise OSError("disk full")

    broken = Broken()

    def module() -> None:
        set_logger(broken)
        a_strategy()

    assert same(await run_backtest(plan(registered(module))), await run_backtest(plan(registered(a_strategy))))
    assert len(broken.lines) == 1


@pytest.mark.parametrize("logger", [print, object(), "log", 5])
def test_an_object_without_the_methods_is_refused_with_what_it_lacks(logger: object) -> None:
    with pytest.raises(ConfigError, match=r"test_run_log.py:\d+: set_logger expects an object with debug, info, "):
        registered(lambda: set_logger(logger))


def test_none_takes_a_logger_away() -> None:
    def module() -> None:
        set_logger(Fake())
        set_logger(None)

    assert registered(module).log_sink is None


async def test_a_logger_cannot_be_changed_inside_a_run() -> None:
    refused: list[str] = []

    def change(_event: object) -> None:
        try:
            set_logger(Fake())
        except ContextError as error:
            refused.append(str(error))

    def module() -> None:
        add_strategy("asks", interval="1h", get_signal=lambda _s, _w, _p: None, on_idle=change)

    await run_backtest(plan_for(registered(module), {"A": CANDLES["A"]}))
    assert "set_logger works before a run only" in refused[0]


@pytest.mark.parametrize("level", [logging.DEBUG, logging.WARNING])
async def test_listening_changes_nothing_of_a_run(caplog: pytest.LogCaptureFixture, level: int) -> None:
    alone = await run_backtest(plan(registered(a_strategy)))
    with caplog.at_level(level, "btk"):
        heard = await run_backtest(plan(registered(a_strategy)))
    assert same(alone, heard)
    levels = {record.levelno for record in caplog.records if record.name.startswith("btk")}
    assert min(levels) == max(level, logging.INFO)


def same(one: RunOutcome, other: RunOutcome) -> bool:
    """Say whether two runs had the same record, but for the lines of tracebacks."""

    def rows(outcome: RunOutcome) -> list[str]:
        events = (replace(e, detail="") if isinstance(e, ErrorOccurred) else e for e in outcome.events)
        return [repr(event) for event in events]

    return rows(one) == rows(other) and [s.trades for s in one.sessions] == [s.trades for s in other.sessions]


def test_nobody_listens_unless_a_level_was_chosen(caplog: pytest.LogCaptureFixture) -> None:
    facts = facts_of(plan(registered(a_strategy)))
    assert RunLog(facts, None).listeners() == ()
    with caplog.at_level(logging.ERROR, "btk"):
        assert len(RunLog(facts, None).listeners()) == 1
    with caplog.at_level(logging.INFO):
        assert RunLog(facts, None).level == logging.INFO
    assert RunLog(facts, None).listeners() == ()


async def test_a_helper_without_arguments_sees_its_own_session_and_time(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[tuple[str, str, str, str, str]] = []

    def helper() -> None:
        inside = context()
        seen.append((inside.symbol, inside.strategy, inside.exchange, inside.frame, now().isoformat()))

    def register() -> None:
        async def get_signal(symbol: str, when: Any, _price: float) -> None:
            import asyncio

            helper()
            await asyncio.sleep(0)
            helper()
            assert seen[-1] == seen[-2] == (symbol, "asks", "held", "all", when.isoformat())
            newest = get_candles(symbol, "1m", 5)
            assert int(newest.timestamp[-1]) + 60_000 == context().when_ms

        add_strategy("asks", interval="15m", get_signal=get_signal)

    outcome = await run_backtest(plan_for(registered(register), CANDLES))
    assert [session.error for session in outcome.sessions] == [None, None]
    assert {symbol for symbol, *_ in seen} == {"A", "B"}
    assert [row[0] for row in seen[:4]] == ["A", "A", "B", "B"]
    with pytest.raises(ContextError, match="works inside a run only"):
        context()


async def test_a_batch_strategy_says_the_same_lines(caplog: pytest.LogCaptureFixture) -> None:
    def entries(candles: Candles) -> dict[str, Any]:
        return {"side": 1, "take_profit": candles.close * 1.02, "stop_loss": candles.close * 0.98, "minutes": 60}

    def module() -> None:
        listen(SignalScheduled, print)
        add_strategy("batch", interval="1h", entries=entries)

    with caplog.at_level(logging.INFO, "btk"):
        outcome = await run_backtest(plan_for(registered(module), CANDLES))
    opened = [record for record in caplog.records if record.getMessage().startswith("position opened")]
    assert len(opened) == sum(len(session.trades) for session in outcome.sessions) > 0

"""Several runs and sessions in one process: each like alone, with its own context, state and end."""

import asyncio
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli import (
    PositionActive,
    PositionClosed,
    PositionOpened,
    RunOutcome,
    SessionEnded,
    Signal,
    add_exchange,
    add_strategy,
    backtest,
    close_position,
    context,
    listen,
    mode,
    now,
)
from backtestkit_cli.domain.interval import HOUR_MS, to_datetime
from backtestkit_cli.errors import ContextError
from backtestkit_cli.runs.backtest import run_backtest
from tests.data.candle_files import START, a_market
from tests.data.own_markets import OwnMarket
from tests.markets import START_MS, candles_of, plan_for, random_candles, registered
from tests.runs.programs import HOURLY, TWO_DAYS, hourly, long_each_time, saved

VARIANT = (
    HOURLY.replace("calls", "hasty_calls")
    .replace("def get_signal", "def ask")
    .replace("get_signal=get_signal", "get_signal=ask")
    .replace('"hourly", interval="1h"', '"hasty", interval="15m"')
)


async def test_two_runs_of_one_strategy_at_once_are_byte_for_byte_like_alone(tmp_path: Path) -> None:
    """A5, A18: background runs share neither clock nor context nor module variables."""
    entry = hourly(tmp_path, text=HOURLY.replace("def get_signal", "async def get_signal"))
    for out in ("first", "second"):
        await backtest.run(entry=entry, symbols="BTCUSDT", **TWO_DAYS, out=f"alone/{out}")
    runs = [
        backtest.background(entry=entry, symbols="BTCUSDT", **TWO_DAYS, out=f"together/{out}")
        for out in ("first", "second")
    ]
    outcomes = [await run.wait() for run in runs]
    assert saved(tmp_path / "alone") == saved(tmp_path / "together")
    assert all(outcome is not None and outcome.sessions[0].trades for outcome in outcomes)


async def test_two_variants_at_once_are_each_like_alone_and_have_a_report_each(tmp_path: Path) -> None:
    """A18: variants of a strategy by distinct names, in one run and in two."""
    both = hourly(tmp_path, "both.py", HOURLY + VARIANT)
    alone: dict[str, RunOutcome] = {}
    for name in ("hourly", "hasty"):
        alone[name] = await backtest.run(entry=both, strategy=name, symbols="BTCUSDT", **TWO_DAYS)
    runs = [backtest.background(entry=both, strategy=name, symbols="BTCUSDT", **TWO_DAYS, out="dump") for name in alone]
    for name, run in zip(alone, runs, strict=True):
        outcome = await run.wait()
        assert outcome is not None
        assert outcome.sessions[0].trades == alone[name].sessions[0].trades
        assert (tmp_path / f"dump/backtest/{name}.md").is_file()
    together = await backtest.run(entry=both, symbols="BTCUSDT", strategy=["hourly", "hasty"], **TWO_DAYS)
    assert {s.strategy: s.trades for s in together.sessions} == {n: o.sessions[0].trades for n, o in alone.items()}
    assert alone["hourly"].sessions[0].trades != alone["hasty"].sessions[0].trades


async def test_runs_of_two_modes_at_once_keep_clock_mode_and_state_apart() -> None:
    """A23: neither sees the other's, whichever wakes when."""
    seen: list[tuple[str, str, str]] = []
    late: list[datetime] = []

    async def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
        await asyncio.sleep(0)
        seen.append((mode(), context().symbol, symbol))
        if now() != when:
            late.append(when)
        return long_each_time(symbol, when, price) if mode() == "paper" else None

    registry = registered(lambda: add_strategy("s", interval="5m", get_signal=get_signal))
    past = plan_for(registry, {"AAA": random_candles(1, 2000)})
    present = replace(plan_for(registry, {"BBB": random_candles(2, 2000)}), mode="paper")
    outcomes = await asyncio.gather(run_backtest(past), run_backtest(present))
    assert set(seen) == {("backtest", "AAA", "AAA"), ("paper", "BBB", "BBB")}
    changes = sum(a[0] != b[0] for a, b in pairwise(seen))
    assert changes > 20, "they take turns"
    assert late == []
    assert [len(outcome.sessions[0].trades) > 0 for outcome in outcomes] == [False, True]


async def test_four_states_by_symbol_and_exchange_of_which_a_command_changes_one(tmp_path: Path) -> None:
    """A24: the same strategy on two symbols of two exchanges."""
    for seed in (1, 2):
        add_exchange(f"demo-{seed}", kind="demo", seed=seed)
    add_strategy("s", interval="1d", get_signal=long_each_time)
    what: dict[str, Any] = {"symbols": ["AAA", "BBB"], **TWO_DAYS, "settings": {"min_take_profit_pct": 0.1}}

    async def both() -> dict[tuple[str, str], tuple[Any, ...]]:
        runs = {name: backtest.background(exchange=name, **what) for name in ("demo-1", "demo-2")}
        outcomes = {name: await run.wait() for name, run in runs.items()}
        return {(n, s.symbol): s.trades for n, outcome in outcomes.items() if outcome for s in outcome.sessions}

    untouched = await both()

    def close(active: PositionActive) -> None:
        if (context().exchange, active.symbol) == ("demo-1", "AAA"):
            close_position("first only")

    listen(PositionActive, close)
    touched = await both()
    assert len(touched) == 4
    assert {key for key in touched if touched[key] != untouched[key]} == {("demo-1", "AAA")}
    assert len(set(untouched.values())) == 4


class Counted(OwnMarket):
    """Counts how often it is made."""

    made = 0

    def __init__(self) -> None:
        super().__init__(a_market(3 * 1440))
        type(self).made += 1

    def found(self, symbol: str, *others: Any) -> Any:
        self.symbol = symbol
        return super().found(symbol, *others)


async def test_a_run_of_three_symbols_has_three_sessions_one_exchange_and_one_frame() -> None:
    """A26: counted."""
    Counted.made = 0
    add_exchange("counted", source=Counted)
    contexts: dict[str, list[Any]] = {}

    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        contexts.setdefault(symbol, []).append(context())
        return long_each_time(symbol, when, price)

    add_strategy("s", interval="1h", get_signal=get_signal)
    start, end = (to_datetime(START + hours * HOUR_MS) for hours in (1, 25))
    await backtest.run(exchange="counted", symbols=["AAA", "BBB", "CCC"], start=start, end=end)
    assert Counted.made == 1
    assert len({id(one) for seen in contexts.values() for one in seen}) == 3
    assert len({(one.exchange, one.frame, one.run_id) for seen in contexts.values() for one in seen}) == 1


async def test_a_function_without_arguments_knows_session_and_time_and_nothing_after_the_run() -> None:
    """A27, A28: with two symbols in turn, while the signals are awaited."""
    wrong: list[object] = []

    async def where_am_i() -> tuple[str, ...]:
        await asyncio.sleep(0)
        inside = context()
        return inside.symbol, inside.strategy, inside.exchange, inside.frame, now().isoformat()

    asked = 0

    def strategy(name: str) -> Any:
        async def get_signal(symbol: str, when: datetime, _price: float) -> None:
            nonlocal asked
            asked += 1
            expected = symbol, name, "demo", "2025-05-04_2025-05-06", when.isoformat()
            if await where_am_i() != expected:
                wrong.append(expected)

        return get_signal

    for name in ("one", "two"):
        add_strategy(name, interval="15m", get_signal=strategy(name))
    runs = [
        backtest.background(strategy=["one", "two"], symbols=symbols, **TWO_DAYS)
        for symbols in (["AAA", "BBB"], ["BBB", "CCC"])
    ]
    assert None not in [await run.wait() for run in runs]
    assert (asked, wrong) == (2 * 4 * 192, [])
    with pytest.raises(ContextError, match="inside a run only"):
        context()
    async for _ in backtest.events(strategy="one", symbols="AAA", kind=SessionEnded, **TWO_DAYS):
        with pytest.raises(ContextError, match="inside a run only"):
            now()


async def test_a_slow_listener_makes_the_next_event_wait() -> None:
    """A171: one at a time, in order, also with async handlers of two symbols."""
    log: list[tuple[str, str, int]] = []

    async def slow(event: PositionOpened | PositionClosed) -> None:
        log.append(("begin", event.symbol, event.at_ms))
        await asyncio.sleep(0.002)
        log.append(("end", event.symbol, event.at_ms))

    listen(PositionOpened, slow)
    listen(PositionClosed, slow)
    add_strategy("s", interval="1h", get_signal=long_each_time)
    await backtest.run(symbols=["AAA", "BBB"], **TWO_DAYS)
    pairs = list(zip(log[::2], log[1::2], strict=True))
    assert len(pairs) > 100
    assert all(begin == ("begin", *end[1:]) and end[0] == "end" for begin, end in pairs)
    times = [at_ms for (_, _, at_ms), _ in pairs]
    assert times == sorted(times)


def test_each_session_tells_its_end_with_its_names() -> None:
    """A14, A173: strategy, symbol, exchange; one failing and one without candles are told as well."""

    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        if symbol == "BBB" and when.hour == 1:
            raise ValueError("enough")
        return long_each_time(symbol, when, price)

    ends: list[SessionEnded] = []

    def register() -> None:
        add_strategy("s", interval="1h", get_signal=get_signal)
        listen(SessionEnded, ends.append)

    candles = {name: random_candles(seed, 400) for seed, name in enumerate(("AAA", "BBB", "CCC"))}
    plan = plan_for(registered(register), candles, symbols=["CCC", "BBB", "NONE", "AAA"])
    outcome = asyncio.run(run_backtest(plan))
    assert [(end.symbol, end.error is None) for end in ends] == [
        ("NONE", False),
        ("BBB", False),
        ("AAA", True),
        ("CCC", True),
    ]
    assert {(end.strategy, end.exchange, end.frame) for end in ends} == {("s", "held", "all")}
    by_symbol = {session.symbol: session for session in outcome.sessions}
    assert all(end.trades == len(by_symbol[end.symbol].trades) for end in ends)
    assert [end.at_ms for end in ends if end.error is None] == [plan.end_ms] * 2
    assert ends[1].when.hour == 1
    assert all(end.error in by_symbol[end.symbol].error for end in ends if end.error)  # type: ignore[operator]
    assert sum(len(session.trades) for session in outcome.sessions) > 3


@pytest.mark.parametrize("sees_ahead", [True, False])
def test_the_end_of_a_quiet_session_does_not_come_before_the_time_it_names(*, sees_ahead: bool) -> None:
    """Nor does it change what is recorded, though the session has long had nothing to do."""
    log: list[tuple[int, str]] = []

    def register() -> None:
        def entries(candles: Any) -> Any:
            side = (candles.timestamp == START_MS + 600_000).astype(float)
            return {"side": side, "take_profit": candles.close * 1.02, "stop_loss": candles.close * 0.98}

        add_strategy("quiet", interval="1m", entries=entries)
        add_strategy("busy", interval="5m", get_signal=long_each_time)

    def listening() -> None:
        register()
        listen(SessionEnded, lambda end: log.append((end.at_ms, f"{end.strategy} {now().timestamp() * 1000:.0f}")))
        listen(PositionClosed, lambda closed: log.append((closed.at_ms, closed.strategy)))

    candles = {"AAA": random_candles(3, 700)}
    plan = plan_for(registered(listening), candles)
    heard = asyncio.run(run_backtest(plan, sees_ahead=sees_ahead))
    times = [at_ms for at_ms, _ in log]
    assert times == sorted(times)
    assert [text for _, text in log if " " in text] == [f"{name} {plan.end_ms}" for name in ("busy", "quiet")]
    assert heard.events == asyncio.run(run_backtest(plan_for(registered(register), candles))).events


def test_a_command_at_the_end_of_a_session_is_refused_and_recorded() -> None:
    def register() -> None:
        add_strategy("s", interval="1h", get_signal=lambda *_: None)
        listen(SessionEnded, lambda _: close_position())

    plan = plan_for(registered(register), {"AAA": candles_of([100.0] * 100)})
    outcome = asyncio.run(run_backtest(plan))
    assert [(type(event).__name__, event.at_ms) for event in outcome.events] == [("CommandRefused", plan.end_ms)]
    assert outcome.sessions[0].counts == {"command_refused": 1}

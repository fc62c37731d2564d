import asyncio
from dataclasses import replace

import pytest

from backtestkit_cli import add_strategy
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, interval_ms
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.chart_candles import CHART_CANDLES, chart_candles, chart_interval
from backtestkit_cli.runs.plan import RunPlan
from tests.markets import START_MS, plan_for, random_candles, registered


def a_plan(*, symbols: int = 1, minutes: int = 600) -> RunPlan:
    registry = registered(lambda: add_strategy("idle", interval="1h", get_signal=lambda *_: None))
    return plan_for(registry, {f"S{i}": random_candles(i, minutes) for i in range(symbols)})


@pytest.mark.parametrize(
    ("days", "symbols", "interval"),
    [(1, 1, "1m"), (27, 1, "1m"), (27, 9, "5m"), (27, 100, "1h"), (730, 1, "15m"), (3650, 500, "1d")],
)
def test_a_chart_has_the_shortest_interval_that_keeps_a_page_small(days: int, symbols: int, interval: str) -> None:
    plan = replace(
        a_plan(), end_ms=a_plan().start_ms + days * DAY_MS, symbols=tuple(f"S{number}" for number in range(symbols))
    )
    assert chart_interval(plan) == interval
    lengths = {"1m": MINUTE_MS, "5m": 5 * MINUTE_MS, "15m": 15 * MINUTE_MS, "1h": HOUR_MS}
    if interval in lengths:
        assert symbols * days * DAY_MS // lengths[interval] <= CHART_CANDLES


def test_chart_candles_are_those_of_the_frame_and_hold_every_extreme() -> None:
    plan, minutes = a_plan(minutes=600), random_candles(0, 600)
    inside = minutes.between(plan.start_ms, plan.end_ms)
    for interval in ("1m", "5m", "1h"):
        shown = chart_candles(minutes, replace(plan, chart_interval=interval))
        assert plan.start_ms <= shown.timestamp[0] < shown.timestamp[-1] < plan.end_ms
        covered = minutes.between(int(shown.timestamp[0]), int(shown.timestamp[-1]) + interval_ms(interval))
        assert (shown.high.max(), shown.low.min()) == (covered.high.max(), covered.low.min())
    exact = chart_candles(minutes, replace(plan, chart_interval="1m"))
    assert exact.rows() == inside.rows()


def test_a_run_keeps_the_candles_of_every_symbol_also_where_sessions_run_one_after_the_other() -> None:
    together = asyncio.run(run_backtest(a_plan(symbols=3)))
    apart = asyncio.run(run_backtest(replace(a_plan(symbols=3), max_concurrent=1)))
    assert list(together.charts) == list(apart.charts) == ["S0", "S1", "S2"]
    assert [candles.rows() for candles in together.charts.values()] == [c.rows() for c in apart.charts.values()]
    assert int(together.charts["S0"].timestamp[0]) >= START_MS

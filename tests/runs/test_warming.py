"""A warm-up fetches what a run reads, so that the run needs nothing more."""

from pathlib import Path

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.settings import GapPolicy
from backtestkit_cli.errors import MissingCandlesError, ShortHistoryError
from backtestkit_cli.runs.history import HistoryPlan, read_history
from backtestkit_cli.runs.warming import Need, warm
from tests.data.cache.remotes import Venue, cached
from tests.data.candle_files import START, a_market, bytes_of, without

MARKET = a_market(6 * 1440)


def at(minute: int) -> int:
    return START + minute * MINUTE_MS


def a_need(plan: HistoryPlan) -> Need:
    return Need("BTCUSDT", "1m", plan.span, (plan,))


@pytest.mark.parametrize("gaps", [GapPolicy.FILL, GapPolicy.SKIP])
@pytest.mark.parametrize("hole", [range(4500, 7000), range(5760, 5765), range(0)], ids=["days", "edge", "none"])
async def test_after_a_warm_up_the_run_reads_the_same_offline(tmp_path: Path, gaps: GapPolicy, hole: range) -> None:
    venue = Venue({("BTCUSDT", "1m"): without(MARKET, *hole)}, page=500)
    plan = HistoryPlan(at(4 * 1440), at(5 * 1440), at(5 * 1440 + 300), gaps)
    (result,) = await warm(cached(tmp_path / "a", venue), [a_need(plan)])
    assert result.problem is None
    span, offline = await read_history(cached(tmp_path / "a", None), "BTCUSDT", plan)
    expected_span, online = await read_history(cached(tmp_path / "b", venue), "BTCUSDT", plan)
    assert (span, offline.missing, offline.gaps) == (expected_span, online.missing, online.gaps)
    assert bytes_of(offline.candles) == bytes_of(online.candles)
    if gaps is GapPolicy.SKIP:
        assert sum(opened < plan.frame_start_ms for opened in offline.candles.timestamp.tolist()) == 1440


async def test_what_would_keep_a_run_from_running_is_said_and_what_came_is_kept(tmp_path: Path) -> None:
    venue = Venue({("BTCUSDT", "1m"): MARKET}, page=500)
    early = HistoryPlan(at(-100), at(0), at(300), GapPolicy.FILL)
    needs = [a_need(early), Need("ETHUSDT", "1m", early.span, (early,))]
    first, second = await warm(cached(tmp_path, venue), needs)
    assert isinstance(first.problem, ShortHistoryError)
    assert first.warmed is not None
    assert first.warmed.fetched == 300
    assert isinstance(second.problem, MissingCandlesError)
    assert second.warmed is None


async def test_gaps_that_a_run_refuses_are_no_problem_of_the_cache(tmp_path: Path) -> None:
    venue = Venue({("BTCUSDT", "1m"): without(MARKET, 50)}, page=500)
    plan = HistoryPlan(at(0), at(10), at(300), GapPolicy.ERROR)
    (result,) = await warm(cached(tmp_path, venue), [a_need(plan)])
    assert (result.problem, result.warmed and result.warmed.missing) == (None, 1)

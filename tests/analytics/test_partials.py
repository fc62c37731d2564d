from collections import Counter

from backtestkit_cli.analytics.partials import PartialAction, PartialRow, partial_statistics
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.signal import Side
from backtestkit_cli.events.facts import LossLevelReached, PositionOpened, ProfitLevelReached
from backtestkit_cli.reports.markdown import partial
from tests.builders import START_MS, a_position, a_record, a_session
from tests.coordinated_run import coordinated_record

LONG, SHORT = a_position(), a_position(side=Side.SHORT, opened_at_ms=START_MS + MINUTE_MS)
EVENTS = [
    PositionOpened(START_MS, "sma_cross", "BTCUSDT", 100.0, LONG),
    ProfitLevelReached(START_MS + MINUTE_MS, "sma_cross", "BTCUSDT", 110.5, 10, 10.5, LONG),
    LossLevelReached(START_MS + 2 * MINUTE_MS, "dca", "ETHUSDT", 121.0, 10, 10.5, SHORT),
    LossLevelReached(START_MS + 2 * MINUTE_MS, "dca", "ETHUSDT", 121.0, 20, 20.5, SHORT),
    ProfitLevelReached(START_MS + 3 * MINUTE_MS, "sma_cross", "BTCUSDT", 120.0, 20, 20.5, LONG),
    ProfitLevelReached(START_MS + 4 * MINUTE_MS, "dca", "ETHUSDT", 90.0, 10, 10.5, SHORT),
]
RECORD = a_record(a_session(), a_session(strategy="dca", symbol="ETHUSDT"), events=EVENTS, mode="paper")


def test_partial_events_are_counted_in_all_by_side_and_by_level() -> None:
    statistics = partial.get_data(RECORD)
    assert (statistics.total_events, statistics.profit_events, statistics.loss_events) == (5, 3, 2)
    assert statistics.profit_levels == {10: 2, 20: 1}
    assert statistics.loss_levels == {10: 1, 20: 1}


def test_a_row_says_when_what_which_signal_on_which_side_at_which_level_price_and_mode() -> None:
    assert partial.get_data(RECORD).rows[:2] == (
        PartialRow(
            START_MS + MINUTE_MS, PartialAction.PROFIT, "sma_cross", "BTCUSDT", LONG.id, Side.LONG, 10, 110.5, "paper"
        ),
        PartialRow(
            START_MS + 2 * MINUTE_MS, PartialAction.LOSS, "dca", "ETHUSDT", SHORT.id, Side.SHORT, 10, 121.0, "paper"
        ),
    )


def test_a_strategy_can_be_looked_at_alone() -> None:
    statistics = partial.get_data(RECORD, "dca")
    assert [(row.action, row.level) for row in statistics.rows] == [("loss", 10), ("loss", 20), ("profit", 10)]
    assert (statistics.total_events, statistics.profit_levels) == (3, {10: 1})


def test_without_levels_there_is_nothing() -> None:
    statistics = partial_statistics((), "backtest")
    assert (statistics.total_events, statistics.rows, statistics.loss_levels) == (0, (), {})


def test_the_statistics_of_a_run_agree_with_what_its_sessions_counted() -> None:
    record = coordinated_record()
    statistics = partial.get_data(record)
    counts: Counter[str] = sum((Counter(session.counts) for session in record.sessions), Counter())
    assert statistics.profit_events == counts["profit_level_reached"] > 100
    assert statistics.loss_events == counts["loss_level_reached"] > 100
    assert statistics.total_events == len(statistics.rows) == statistics.profit_events + statistics.loss_events
    once = Counter((row.action, row.signal_id, row.level) for row in statistics.rows)
    assert set(once.values()) == {1}

"""Runs that a program awaits or pulls: the same results as the command line, and nothing left of them."""

import asyncio
import hashlib
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli import (
    CommandRefused,
    Event,
    PositionActive,
    PositionClosed,
    RunOutcome,
    Signal,
    Trade,
    add_exchange,
    add_frame,
    add_strategy,
    backtest,
    context,
    listen,
)
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, to_datetime
from backtestkit_cli.errors import ConfigError, ContextError, StrategyError
from backtestkit_cli.runs.arguments import RunArguments
from tests.cli.program import called
from tests.data.candle_files import START, a_market
from tests.data.own_markets import OwnMarket
from tests.runs.programs import HOURLY, TWO_DAYS, hourly, long_each_time, other_tasks, saved, state_of_process

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


def trades_of(outcome: RunOutcome) -> list[Trade]:
    return [trade for session in outcome.sessions for trade in session.trades]


def test_a_program_and_the_command_line_write_the_same_bytes(tmp_path: Path) -> None:
    """A17: the two ways to start equal runs."""
    hourly(tmp_path)
    outcome = asyncio.run(backtest.run(entry="hourly.py", symbols="BTCUSDT,ETHUSDT", **TWO_DAYS, out="ours"))
    frame = ("--from", "2025-05-04", "--to", "2025-05-06")
    assert called("backtest", "-e", "hourly.py", "-s", "BTCUSDT,ETHUSDT", *frame, "-o", "theirs").code == 0
    assert saved(tmp_path / "ours") == saved(tmp_path / "theirs")
    assert "backtest/hourly.md" in saved(tmp_path / "ours")
    assert len(trades_of(outcome)) > 20


async def test_nothing_is_written_and_no_file_is_read_that_is_not_named(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/demo.yaml").write_text("nonsense: true\n")
    before = set(tmp_path.rglob("*"))
    await backtest.run(entry=hourly(tmp_path), symbols=["BTCUSDT"], **TWO_DAYS)
    assert {path.name for path in set(tmp_path.rglob("*")) - before} == {"hourly.py"}


async def test_a_config_and_the_environment_hold_below_the_keywords(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hourly(tmp_path)
    (tmp_path / "run.yaml").write_text(
        "entry: hourly.py\nsymbols: [BTCUSDT]\nframe: {from: 2025-05-04, to: 2025-05-05}\n"
        "settings: {fee_pct: 0.3, slippage_pct: 0.3, max_minutes: 30}\n"
    )
    monkeypatch.setenv("CC_SLIPPAGE_PCT", "0.2")
    outcome = await backtest.run(
        config="run.yaml", end=datetime(2025, 5, 6, tzinfo=UTC), settings={"max_minutes": None}
    )
    settings = outcome.facts.settings["hourly"]
    assert (settings.fee_pct, settings.slippage_pct, settings.max_minutes) == (0.3, 0.2, None)
    assert outcome.facts.frame == "2025-05-04_2025-05-06"


async def test_a_trade_is_there_before_the_run_goes_on() -> None:
    """A2: the caller pulls closed trades one at a time; of what comes later nothing has been computed."""
    asked: list[datetime] = []

    def get_signal(symbol: str, when: datetime, price: float) -> Signal:
        asked.append(when)
        return long_each_time(symbol, when, price)

    add_strategy("asks", interval="1h", get_signal=get_signal)
    got: list[Trade] = []
    async with backtest.trades(symbols="BTCUSDT", **TWO_DAYS) as trades:
        async for trade in trades:
            got.append(trade)
            await asyncio.sleep(0.02)  # time in which a run that does not wait would go on
            assert trade.closed_at_ms - asked[-1].timestamp() * 1000 <= 3_600_000
            if len(got) == 3:
                break
    assert [trade.symbol for trade in got] == ["BTCUSDT"] * 3
    assert all(trade.reason and trade.pnl_pct for trade in got)
    assert len(asked) <= 6


@pytest.mark.parametrize("text", [HOURLY, HOURLY.replace("calls += 1", "calls += 2")])
async def test_trades_come_in_the_order_of_time_and_session(tmp_path: Path, text: str) -> None:
    """A2: and they are those of a run that is awaited."""
    entry = hourly(tmp_path, text=text)
    pulled = backtest.trades(entry=entry, symbols=SYMBOLS[::-1], **TWO_DAYS)
    got = [trade async for trade in pulled]
    assert all((a.closed_at_ms, a.symbol) <= (b.closed_at_ms, b.symbol) for a, b in pairwise(got))
    outcome = await backtest.run(entry=entry, symbols=SYMBOLS, **TWO_DAYS)
    assert sorted(got, key=lambda trade: trade.symbol) == trades_of(outcome)
    assert pulled.outcome is not None
    assert pulled.outcome.sessions[0].trades == outcome.sessions[0].trades


async def test_events_of_a_kind_are_pulled_and_by_default_all_that_are_recorded(tmp_path: Path) -> None:
    entry = hourly(tmp_path)
    outcome = await backtest.run(entry=entry, symbols="BTCUSDT", **TWO_DAYS)
    assert [event async for event in backtest.events(entry=entry, symbols="BTCUSDT", **TWO_DAYS)] == [*outcome.events]
    closed = [event async for event in backtest.events(kind=PositionClosed, entry=entry, symbols="BTCUSDT", **TWO_DAYS)]
    assert closed == [event for event in outcome.events if isinstance(event, PositionClosed)]
    async for ping in backtest.events(kind=PositionActive, entry=entry, symbols="BTCUSDT", **TWO_DAYS):
        assert ping.position.cost_left == 100
        break


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_consumer_may_think_for_as_long_as_it_likes(*, blocks: bool) -> None:
    """It is no handler of the run, whose time is limited."""
    add_strategy("s", interval="1h", get_signal=long_each_time)
    got: list[Trade] = []
    settings = {"max_handler_seconds": 0.05, "max_signal_seconds": 0.05, "max_job_seconds": 0.05}
    pulled = backtest.trades(symbols="BTCUSDT", settings=settings, **TWO_DAYS)
    async for trade in pulled:
        got.append(trade)
        if len(got) <= 3 and blocks:
            time.sleep(0.2)  # noqa: ASYNC251 - blocks the thread, which is its own business
        elif len(got) <= 3:
            await asyncio.sleep(0.2)
    assert pulled.outcome is not None
    assert got == trades_of(pulled.outcome)
    assert "error_occurred" not in pulled.outcome.sessions[0].counts
    assert len(got) > 20


class Connected(OwnMarket):
    """Knows whether it is connected."""

    opened = closed = 0

    def get_candles(self, symbol: str, interval: str, since: datetime, limit: int) -> object:
        type(self).opened += self.opened == self.closed
        return super().get_candles(symbol, interval, since, limit)

    def close(self) -> None:
        type(self).closed += self.opened > self.closed


async def test_leaving_the_loop_early_ends_the_run_and_the_next_one_starts_clean(tmp_path: Path) -> None:
    """A3: leave at the first loss; no task, no connection, no timer stays, and a rerun is like the first."""
    market = Connected(a_market(3 * 1440))
    add_exchange("mine", source=market)
    entry = hourly(tmp_path)
    start, end = to_datetime(START + HOUR_MS), to_datetime(START + 2 * DAY_MS)
    what: RunArguments = {"entry": entry, "exchange": "mine", "symbols": "BTCUSDT", "start": start, "end": end}
    before, tasks = state_of_process(), other_tasks()

    async def until_a_loss() -> list[Trade]:
        got: list[Trade] = []
        async for trade in backtest.trades(**what):
            assert state_of_process() != before
            got.append(trade)
            if trade.pnl_pct < 0:
                break
        return got

    first = await until_a_loss()
    assert (state_of_process(), other_tasks()) == (before, tasks)
    assert market.opened == market.closed == 1
    assert first
    assert first[-1].pnl_pct < 0
    assert await until_a_loss() == first
    whole = await backtest.run(**what)
    assert trades_of(whole)[: len(first)] == first
    assert len(trades_of(whole)) > len(first)


async def test_a_consumer_that_raises_ends_the_run_and_keeps_its_error(tmp_path: Path) -> None:
    before, tasks = state_of_process(), other_tasks()

    async def consume() -> None:
        async for trade in backtest.trades(entry=hourly(tmp_path), symbols="BTCUSDT", **TWO_DAYS):
            raise LookupError(trade.symbol)

    with pytest.raises(LookupError, match="BTCUSDT"):
        await consume()
    assert (state_of_process(), other_tasks()) == (before, tasks)


async def test_an_iterator_that_was_closed_or_never_used_is_over(tmp_path: Path) -> None:
    entry = hourly(tmp_path)
    backtest.trades(entry=entry, symbols="BTCUSDT", **TWO_DAYS)
    trades = backtest.trades(entry=entry, symbols="BTCUSDT", **TWO_DAYS)
    await anext(trades)
    await trades.aclose()
    await trades.aclose()
    assert [trade async for trade in trades] == []
    assert trades.outcome is None


async def test_two_tasks_cannot_pull_one_run() -> None:
    async def get_signal(*_: object) -> None:
        await asyncio.sleep(0.01)

    add_strategy("waits", interval="1h", get_signal=get_signal)
    trades = backtest.trades(symbols="BTCUSDT", **TWO_DAYS)
    first = asyncio.ensure_future(anext(trades))
    await asyncio.sleep(0.02)
    with pytest.raises(ContextError, match="one task at a time"):
        await anext(trades)
    with pytest.raises(ContextError, match="one task at a time"):
        await trades.aclose()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert [trade async for trade in trades] == []


async def test_cancelling_who_awaits_a_run_ends_it() -> None:
    async def get_signal(*_: object) -> None:
        await asyncio.sleep(0.01)

    add_strategy("waits", interval="1h", get_signal=get_signal)
    before = state_of_process()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    assert state_of_process() == before


async def swallows(*_: object) -> None:
    with suppress(asyncio.CancelledError):
        await asyncio.sleep(0.01)


async def fails_when_cancelled(*_: object) -> None:
    try:
        await asyncio.sleep(0.01)
    except asyncio.CancelledError:
        raise ValueError from None


@pytest.mark.parametrize("where", ["get_signal", "on_idle"])
@pytest.mark.parametrize("odd", [swallows, fails_when_cancelled])
async def test_cancelling_ends_a_run_whatever_the_authors_code_makes_of_it(odd: Any, where: str) -> None:
    begun: list[object] = []
    has_begun = asyncio.Event()

    async def code(*_: object) -> None:
        begun.append(_)
        has_begun.set()
        await odd()

    what: dict[str, Any] = {"get_signal": lambda *_: None, where: code}
    add_strategy("odd", interval="1h", **what)
    with pytest.raises(TimeoutError):
        await run_with_no_time_left_after(has_begun)
    count = len(begun)
    assert 0 < count <= 12
    has_begun.clear()
    task = asyncio.ensure_future(backtest.run(symbols="BTCUSDT", **TWO_DAYS))
    await has_begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelled()
    assert count < len(begun) <= count + 12


async def run_with_no_time_left_after(event: asyncio.Event) -> None:
    """Run with a time limit that is over as soon as *event* is set, however slow the machine is."""

    async def end() -> None:
        await event.wait()
        limit.reschedule(asyncio.get_running_loop().time())

    async with asyncio.timeout(None) as limit, asyncio.TaskGroup() as group:
        group.create_task(end())
        await backtest.run(symbols="BTCUSDT", **TWO_DAYS)


async def test_a_timeout_of_the_authors_own_is_no_cancellation_of_the_run() -> None:
    timeouts: list[datetime] = []

    async def get_signal(_symbol: str, when: datetime, _price: float) -> None:
        if when.hour % 12 == 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(0.01):
                    await asyncio.sleep(60)
            timeouts.append(when)
            await asyncio.sleep(0.01)

    add_strategy("s", interval="1h", get_signal=get_signal)
    outcome = await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    assert outcome.sessions[0].error is None
    assert len(timeouts) == 4


async def test_every_run_has_the_variables_of_its_module_for_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a dotted module, which the program may have imported too."""
    (tmp_path / "own_package").mkdir()
    hourly(tmp_path / "own_package", name="dotted.py")
    hourly(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    entries = ["hourly.py", "own_package.dotted"]
    runs = [backtest.run(entry=entry, symbols=SYMBOLS, **TWO_DAYS) for entry in entries * 2]
    outcomes = [*await asyncio.gather(*runs), await backtest.run(entry=entries[1], symbols=SYMBOLS, **TWO_DAYS)]
    assert all(trades_of(outcome) == trades_of(outcomes[0]) for outcome in outcomes)
    from own_package import dotted  # type: ignore[import-not-found]

    dotted.calls = 1_000_001
    again = await backtest.run(entry="own_package.dotted", symbols=SYMBOLS, **TWO_DAYS)
    assert trades_of(again) == trades_of(outcomes[0])
    assert dotted.calls == 1_000_001


async def test_a_run_within_a_listener_of_another_one_works_and_neither_sees_the_other(tmp_path: Path) -> None:
    theirs = "from backtestkit_cli import PositionClosed, listen\n"
    theirs += "listen(PositionClosed, lambda event: 1 / (event.strategy == 'hourly'))\n"
    entry = hourly(tmp_path, text=HOURLY + theirs)
    alone = await backtest.run(entry=entry, symbols="ETHUSDT", **TWO_DAYS)
    within: list[RunOutcome] = []
    seen: list[tuple[str, str]] = []

    async def start_another(closed: PositionClosed) -> None:
        within.append(await backtest.run(entry=entry, symbols="ETHUSDT", **TWO_DAYS))
        async for trade in backtest.trades(entry=entry, symbols="ETHUSDT", **TWO_DAYS):
            assert trade == alone.sessions[0].trades[0]
            break
        seen.append((closed.symbol, context().symbol))

    add_strategy("outer", interval="1d", get_signal=long_each_time, on_close=start_another)
    outer = await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    assert [(s.error, "error_occurred" in s.counts) for s in (*outer.sessions, *alone.sessions)] == [(None, False)] * 2
    assert [trades_of(outcome) for outcome in within] == [trades_of(alone)] * len(trades_of(outer))
    assert seen == [("BTCUSDT", "BTCUSDT")] * 2


async def test_what_a_program_listens_for_it_hears_of_each_of_its_runs(tmp_path: Path) -> None:
    heard: list[str] = []
    stop = listen(PositionClosed, lambda event: heard.append(event.strategy))
    own = hourly(tmp_path)
    outcome = await backtest.run(entry=own, symbols="BTCUSDT", **TWO_DAYS)
    assert heard == ["hourly"] * len(trades_of(outcome))
    stop()
    await backtest.run(entry=own, symbols="BTCUSDT", **TWO_DAYS)
    assert len(heard) == len(trades_of(outcome))


async def test_what_is_listened_for_within_a_run_ends_with_it() -> None:
    heard: list[Event] = []

    def on_open(_: object) -> None:
        listen(CommandRefused, heard.append)
        listen(PositionClosed, heard.append, once=True)

    add_strategy("listens", interval="1d", get_signal=long_each_time, on_open=on_open)
    await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    count = len(heard)
    assert count == 2
    await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    assert len(heard) == 2 * count


def test_runs_of_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    entry = hourly(tmp_path)
    before, outcomes = state_of_process(), []

    def one() -> None:
        outcomes.append(asyncio.run(backtest.run(entry=entry, symbols=SYMBOLS, **TWO_DAYS)))

    threads = [threading.Thread(target=one) for _ in range(3)]
    for thread in threads:
        thread.start()
    one()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert all(trades_of(outcome) == trades_of(outcomes[0]) for outcome in outcomes)
    assert state_of_process() == before


async def test_the_programs_own_strategies_are_hashed_by_the_file_that_registers_them(tmp_path: Path) -> None:
    add_strategy("own", interval="1h", get_signal=long_each_time)
    outcome = await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    assert outcome.facts.strategies == {"own": digest}
    assert outcome.facts.files["own"]["test_programs.py"] == digest


BAD: dict[str, dict[str, Any]] = {
    "unknown argument 'symbol'; did you mean 'symbols'?": {"symbol": "BTCUSDT"},
    "argument settings: settings.fee: unknown key; did you mean 'fee_pct'?": {"settings": {"fee": 1}},
    "argument start: frame.from: expected a date such as 2025-05-04 or 2025-05-04T12:00, found 'soon'": {
        "start": "soon"
    },
    "argument config: expected a path, found 7": {"config": 7},
    "argument symbols: symbols: expected each symbol once, found 'A' twice": {"symbols": ["A", "A"]},
    "argument max_concurrent: max_concurrent: expected a whole number of at least 1 or null, found 0": {
        "max_concurrent": 0
    },
}


@pytest.mark.parametrize("message", BAD)
async def test_a_wrong_keyword_is_refused_before_anything_runs(message: str, tmp_path: Path) -> None:
    what: Any = {"entry": hourly(tmp_path), "symbols": "BTCUSDT", **TWO_DAYS, **BAD[message]}
    for start in (backtest.trades, backtest.events, backtest.background):
        with pytest.raises(ConfigError) as caught:
            start(**what)
        assert str(caught.value) == message
    with pytest.raises(ConfigError):
        await backtest.run(**what)


async def test_a_run_without_a_strategy_symbols_or_frame_says_all_that_is_missing() -> None:
    with pytest.raises(ConfigError) as caught:
        await backtest.run()
    assert [text.split(":")[0] for text in caught.value.problems] == ["symbols", "entry", "frame"]


async def test_names_that_clash_or_are_not_there_are_refused(tmp_path: Path) -> None:
    add_strategy("twin", interval="1h", get_signal=long_each_time)
    with pytest.raises(
        ConfigError, match=r"test_programs.py:\d+: strategy 'twin' is registered twice, first at .*:\d+"
    ):
        add_strategy("twin", interval="1h", get_signal=long_each_time)
    with pytest.raises(ConfigError, match="unknown strategy 'twim'; did you mean 'twin'"):
        await backtest.run(strategy="twim", symbols="BTCUSDT", **TWO_DAYS)
    add_strategy("other", interval="1h", get_signal=long_each_time)
    with pytest.raises(StrategyError, match="registers 2 strategies"):
        await backtest.run(symbols="BTCUSDT", **TWO_DAYS)
    add_frame("days", start="2025-05-04", end="2025-05-06")
    entry = hourly(
        tmp_path,
        text=HOURLY + "from backtestkit_cli import add_frame\n"
        "add_frame('days', start='2025-05-04', end='2025-05-05')\n",
    )
    with pytest.raises(ConfigError, match="frame 'days' is registered twice"):
        await backtest.run(entry=entry, symbols="BTCUSDT", frame="days")
    outcome = await backtest.run(strategy="other,twin", symbols="BTCUSDT", frame="days")
    assert [session.strategy for session in outcome.sessions] == ["other", "twin"]


async def test_a_kind_that_is_no_event_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"test_programs.py:\d+: unknown class of events 'Trade'"):
        backtest.events(kind=Trade, symbols="BTCUSDT", **TWO_DAYS)

"""The examples in which symbols or variants meet: the same result for any order, and nothing known before its time."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import cache
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from backtestkit_cli import (
    ErrorOccurred,
    JobRan,
    PositionClosed,
    PositionOpened,
    SignalRefused,
    TickPassed,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.interval import DAY_MS, HOUR_MS, MINUTE_MS, to_datetime
from backtestkit_cli.events.bus import Audience, Listener
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.backtest import run_backtest
from tests.cli.program import called
from tests.strategies.demo_run import END_MS, START_MS, demo_candles, run_on_demo

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "strategies"
FIVE = ("ADAUSDT", "BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT")
PAIR = ("BTCUSDT", "ETHUSDT")
FIRST_AT_8_MS = START_MS + 8 * HOUR_MS


@cache
def outcome(example: str, symbols: tuple[str, ...]) -> RunOutcome:
    return run_on_demo(FOLDER / f"{example}.py", symbols=symbols)


def of_kind(run: RunOutcome, kind: type) -> list[Any]:
    return [event for event in run.events if isinstance(event, kind)]


def ears(kind: type, handler: Callable[[Any], Any]) -> Listener:
    return Listener(kind, handler, Audience(), None, once=False)


ORDERS = [FIVE[::-1], *list(permutations(FIVE))[17:120:37]]


@pytest.mark.parametrize("max_concurrent", [None, 1, 2])
@pytest.mark.parametrize("symbols", ORDERS, ids=lambda order: "-".join(name[:3] for name in order))
def test_of_five_that_want_to_open_at_once_the_same_three_do(
    symbols: Sequence[str], max_concurrent: int | None
) -> None:
    """A76, A125: for any order of symbols and any number at a time."""
    run = run_on_demo(FOLDER / "portfolio_cap.py", symbols=symbols, max_concurrent=max_concurrent)
    assert run.events == outcome("portfolio_cap", FIVE).events


def test_the_cap_lets_three_open_and_refuses_the_others_each_day() -> None:
    """A76, A125: all five candidates at one virtual minute."""
    run = outcome("portfolio_cap", FIVE)
    days = [FIRST_AT_8_MS + day * DAY_MS for day in range(28)]
    assert [(e.at_ms, e.symbol) for e in of_kind(run, PositionOpened)] == [(d, s) for d in days for s in FIVE[:3]]
    refused = of_kind(run, SignalRefused)
    assert [(e.at_ms, e.symbol) for e in refused] == [(d, s) for d in days for s in FIVE[3:]]
    assert {(e.profile, e.rule) for e in refused} == {("three_at_a_time", "max_open")}
    assert all({place.symbol for place in e.check.positions} == set(FIVE[:3]) for e in refused)


def test_the_book_that_all_symbols_share_stops_entries_once_enough_is_lost(tmp_path: Path) -> None:
    """A76: the running total of all symbols, recomputed from the trades."""
    text = (FOLDER / "portfolio_cap.py").read_text(encoding="utf-8")
    assert "MOST_LOST = 50.0" in text
    (tmp_path / "cap.py").write_text(text.replace("MOST_LOST = 50.0", "MOST_LOST = 6.0"), encoding="utf-8")
    run = run_on_demo(tmp_path / "cap.py", symbols=FIVE)
    total, stopped = 0.0, 0
    for event in run.events:
        if isinstance(event, PositionClosed):
            total += event.trade.pnl_cost
        elif isinstance(event, PositionOpened):
            assert total > -6
        elif isinstance(event, SignalRefused) and event.rule == "lost_enough":
            assert total <= -6
            assert event.reason == f"lost {-total:.2f}, at most 6.0 may be"
            stopped += 1
    assert stopped > 5


def test_the_coordination_config_opens_the_same_for_any_order_and_says_why_others_do_not() -> None:
    def run(*symbols: str) -> RunOutcome:
        flags = {"symbols": symbols} if symbols else {}
        config = ROOT / "configs" / "coordination.yaml"
        loaded = load_config(config, flags=flags, sets=(), environ={}, dotenv=None)
        return asyncio.run(run_backtest(assemble(loaded)))

    once = run()
    assert run(*once.facts.symbols[::-1]).events == once.events
    assert once.account is not None
    assert not once.account.is_stopped
    opened = of_kind(once, PositionOpened)
    assert {event.symbol for event in opened} == {"ADAUSDT", "BTCUSDT", "DOGEUSDT"}
    assert len({round(event.position.invested) for event in opened}) > 3, "sized by the account"
    refused = {(event.symbol, event.profile, event.rule) for event in of_kind(once, SignalRefused)}
    assert {("AVAXUSDT", "spread", "max_open_per_group"), ("XRPUSDT", "three_at_a_time", "max_open")} <= refused


def average_price(symbol: str, at_ms: int) -> float:
    """Return the mean of (high + low + close) / 3 of the five candles that have closed by *at_ms*, by volume."""
    candles = demo_candles(symbol, "1m", before=5)
    end = (at_ms - START_MS) // MINUTE_MS + 5
    high, low, close, volume = (getattr(candles, c)[end - 5 : end] for c in ("high", "low", "close", "volume"))
    return float(np.average((high + low + close) / 3, weights=volume))


@pytest.mark.parametrize("max_concurrent", [None, 1])
@pytest.mark.parametrize("symbols", [PAIR, PAIR[::-1]], ids=["btc_first", "eth_first"])
def test_btc_sees_the_price_of_eth_at_this_very_minute(symbols: Sequence[str], max_concurrent: int | None) -> None:
    """A80: recomputed from the candles, whichever of the two is listed first, or runs alone before the other."""
    run = run_on_demo(FOLDER / "btc_eth_ratio.py", symbols=symbols, max_concurrent=max_concurrent)
    assert run.events == outcome("btc_eth_ratio", PAIR).events
    for session in run.sessions:
        assert len(session.trades) >= 10
        for trade in session.trades[::9]:
            ratio = average_price("BTCUSDT", trade.opened_at_ms) / average_price("ETHUSDT", trade.opened_at_ms)
            assert trade.note.startswith(f"ratio {ratio:.6f}, ")


def test_the_ratio_is_traded_against_its_mean_with_two_percent_both_ways_for_an_hour() -> None:
    """A80: stop, target and time; the two symbols of the pair on opposite sides."""
    sides = defaultdict(set)
    for event in of_kind(outcome("btc_eth_ratio", PAIR), PositionOpened):
        position, sign = event.position, event.position.side.sign
        assert position.take_profit == pytest.approx(position.price_open * (1 + sign * 0.02))
        assert position.stop_loss == pytest.approx(position.price_open * (1 - sign * 0.02))
        assert position.minutes == 60
        sides["+" in position.note, event.symbol].add(str(position.side))
    assert dict(sides) == {
        (True, "BTCUSDT"): {"short"},
        (True, "ETHUSDT"): {"long"},
        (False, "BTCUSDT"): {"long"},
        (False, "ETHUSDT"): {"short"},
    }


def test_the_ratio_needs_no_session_of_the_symbol_that_is_only_read() -> None:
    alone = run_on_demo(FOLDER / "btc_eth_ratio.py", symbols=["BTCUSDT"])
    (session,) = alone.sessions
    assert session.trades == outcome("btc_eth_ratio", PAIR).sessions[0].trades
    assert set(alone.candles_beside) == {"ETHUSDT"}


@pytest.mark.parametrize("symbols", [FIVE[::-1], FIVE[2:] + FIVE[:2]], ids=["reversed", "turned"])
@pytest.mark.parametrize("max_concurrent", [None, 1])
def test_news_are_the_same_for_any_order_of_symbols(symbols: Sequence[str], max_concurrent: int | None) -> None:
    """A178: also where few sessions are wanted at a time."""
    run = run_on_demo(FOLDER / "news.py", symbols=symbols, max_concurrent=max_concurrent)
    assert run.events == outcome("news", FIVE).events


def test_every_symbol_trades_on_the_news_of_this_hour_and_none_on_later_ones() -> None:
    """A178: one fetch an hour for all symbols, seen from its minute on."""
    run = outcome("news", FIVE)
    fetches = [(event.at_ms, event.job) for event in of_kind(run, JobRan)]
    assert fetches == [(at_ms, "news") for at_ms in range(START_MS, END_MS, HOUR_MS)]
    late = 0
    for session in run.sessions:
        assert len(session.trades) >= 20
        for trade in session.trades:
            hour = to_datetime(trade.opened_at_ms - trade.opened_at_ms % HOUR_MS)
            assert trade.note.endswith(f" at {hour:%Y-%m-%dT%H:%M}")
            late += trade.opened_at_ms % HOUR_MS > 0
    assert late > 0, "some asked within the hour, and saw no newer news"


LOOKING = """
from backtestkit_cli import TickPassed, listen

def look(tick):
    headline = service(News).about(tick.symbol)
    is_last = tick.when.isoformat() == "2025-03-03T00:00:00+00:00"  # closes what is open; a frame ends before it
    if not is_last and (headline is None or headline.at != tick.when.replace(minute=0)):
        raise ValueError(f"{headline} at {tick.when}")

listen(TickPassed, look)
"""


def test_all_symbols_see_a_headline_from_its_minute_on_however_long_the_fetch_takes(tmp_path: Path) -> None:
    """A178: looked at by every symbol at every minute of two days."""
    text, head = (FOLDER / "news.py").read_text(encoding="utf-8"), "async def gather(call: JobCall) -> None:\n"
    assert head in text
    slow = text.replace(head, f"{head}    import asyncio\n\n    await asyncio.sleep(0.003)\n")
    (tmp_path / "slow.py").write_text(slow + LOOKING, encoding="utf-8")
    ticks: list[TickPassed] = []
    span: dict[str, Any] = {"from": "2025-03-01", "to": "2025-03-03"}
    run = run_on_demo(tmp_path / "slow.py", symbols=FIVE, listeners=[ears(TickPassed, ticks.append)], **span)
    assert len(ticks) == 5 * (2 * 1440 + 1)
    assert of_kind(run, ErrorOccurred) == []
    assert len(of_kind(run, JobRan)) == 48


VARIANTS = ("breakout_near", "breakout_far")


def test_two_variants_in_one_run_trade_each_as_alone() -> None:
    """A18: on the same symbols at the same time."""
    entry = FOLDER / "ab_variants.py"
    both = run_on_demo(entry)
    alone = {name: run_on_demo(entry, strategies=[name]) for name in VARIANTS}
    for name, solo in alone.items():
        assert [s.trades for s in both.sessions if s.strategy == name] == [s.trades for s in solo.sessions]
        assert [e for e in both.events if e.strategy == name] == list(solo.events)
    assert alone[VARIANTS[0]].sessions[0].trades != alone[VARIANTS[1]].sessions[0].trades


def test_two_variants_have_a_report_each_and_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A18: as the README says it is run."""
    monkeypatch.chdir(tmp_path)
    chosen = [part for name in VARIANTS for part in ("--strategy", name)]
    frame = ("--from", "2025-05-01", "--to", "2025-05-08")
    ended = called("backtest", "-e", str(FOLDER / "ab_variants.py"), *chosen, "-s", "BTCUSDT", *frame)
    assert ended.code == 0, ended.err
    reports = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "dump/backtest").iterdir()}
    assert reports.keys() == set(VARIANTS)
    assert "stop 1.0 %, target 2.0 %" in reports["breakout_near"]
    assert "stop 3.0 %, target 6.0 %" in reports["breakout_far"]


@pytest.mark.parametrize("example", ["scale_out", "ladder", "sma_cross"])
def test_without_portfolio_and_rules_a_symbol_trades_as_it_would_alone(example: str) -> None:
    """A94: with other symbols beside it, in any order."""
    entry = FOLDER / f"{example}.py"
    together = run_on_demo(entry, symbols=FIVE[:3][::-1])
    for session in together.sessions:
        (alone,) = run_on_demo(entry, symbols=[session.symbol]).sessions
        assert alone.trades == session.trades
        assert alone.trades


@pytest.mark.parametrize(
    ("example", "shared"), [("portfolio_cap", "services (Book) and risk profiles"), ("news", "jobs (")]
)
def test_what_symbols_share_is_not_shared_by_processes(
    example: str, shared: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A95: a run that would have to is refused."""
    monkeypatch.chdir(tmp_path)
    frame = ("--from", "2025-05-01", "--to", "2025-05-02")
    run = ("backtest", "-e", str(FOLDER / f"{example}.py"), "-s", "BTCUSDT,ETHUSDT", *frame, "--workers", "2")
    ended = called(*run)
    assert ended.code == 2
    assert f"all symbols share {shared}" in ended.err

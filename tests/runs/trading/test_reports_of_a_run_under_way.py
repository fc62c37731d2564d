"""What a run without an end leaves on disk while it goes on, when it is killed, and when it ends."""

import json
import time
import tracemalloc
from datetime import datetime
from pathlib import Path

import pytest

import backtestkit_cli as btk
from backtestkit_cli.analytics.live_figures import live_statistics
from backtestkit_cli.domain.interval import DAY_MS, to_ms
from backtestkit_cli.domain.signal import CancelReason
from backtestkit_cli.events.facts import PositionClosed, PositionOpened, SignalCancelled
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.reports.markdown.kinds import report
from backtestkit_cli.reports.saved.run_reading import find_run, load_run
from backtestkit_cli.runs.trading.event_journal import EventJournal
from tests.builders import a_trade
from tests.cli.program import called
from tests.engine.coordinated import a_long
from tests.markets import START_MS, plan_for, random_candles, registered
from tests.runs.trading.going_on import Bot, minute_of, of_kind


def every_ten_minutes(out: Path, minutes: int = 400, *, symbols: tuple[str, ...] = ("AAA", "BBB")) -> Bot:
    def get_signal(_symbol: str, when: datetime, price: float) -> btk.Signal | None:
        is_due = minute_of(to_ms(when)) % 10 == 0
        return a_long(price, minutes=6, take_profit=price * 1.01) if is_due else None

    candles = {symbol: random_candles(seed, minutes) for seed, symbol in enumerate(symbols)}
    plan = plan_for(registered(lambda: btk.add_strategy("s", interval="1m", get_signal=get_signal)), candles)
    return Bot(plan=plan, candles=candles, out=out)


def test_the_live_report_is_written_anew_at_each_close(tmp_path: Path) -> None:
    """A154: its time of change moves with every close, while the run goes on."""
    bot, path = every_ten_minutes(tmp_path, symbols=("AAA",)), tmp_path / "live/s.md"
    seen: dict[int, tuple[int, ...]] = {}  # when the files changed last, by the number of closes

    def changes() -> tuple[int, ...]:
        return tuple(file.stat().st_mtime_ns for file in (path, *tmp_path.glob("runs/*/manifest.json")))

    def look(_status: object) -> None:
        closes, until_s = len(of_kind(bot.heard, PositionClosed)), time.monotonic() + 2.0
        while closes and closes not in seen and time.monotonic() < until_s:
            time.sleep(0.005)  # a minute is long, and a report takes less
            is_new = path.exists() and not {*changes()} & {at_ns for ats in seen.values() for at_ns in ats}
            if is_new and len(changes()) == 2:
                seen[closes] = changes()

    bot.on_look = look
    bot.lives(9, 35)
    assert len(seen) >= 2
    assert len({live_ns for live_ns, _ in seen.values()}) == len(seen)
    assert "| Mode       | **paper**" in path.read_text()


def test_a_killed_run_can_be_reported_and_goes_on_as_the_same_run(tmp_path: Path) -> None:
    """A148, A154: events, trades and figures over two processes are those that were told."""
    bot = every_ten_minutes(tmp_path)
    bot.lives(9, 71, killed=True)
    first = load_run(find_run("latest", tmp_path))
    assert 0 < len(first.trades) <= len(of_kind(bot.heard, PositionClosed))
    outcome = bot.outcome(75, 140)
    record = load_run(find_run("latest", tmp_path))
    assert record.run_id == first.run_id == outcome.facts.run_id
    assert record.facts.start_ms == first.facts.start_ms
    assert [*record.events.rows()] == [event_row(event) for event in bot.heard]
    closed = of_kind(bot.heard, PositionClosed)
    assert sorted(record.trades["id"]) == sorted(event.trade.id for event in closed)
    assert report.live.get_data(record) == live_statistics(event_row(event) for event in bot.heard)
    assert report.live.get_data(record).figures.trades == len(closed)
    counts = record.sessions[0].counts
    assert counts["position_closed"] == sum(event.symbol == "AAA" for event in closed)
    assert (bot.status.note if bot.status else "") == f"run {record.run_id} goes on"


def test_other_strategies_are_another_run_and_say_so(tmp_path: Path) -> None:
    bot = every_ten_minutes(tmp_path)
    bot.lives(9, 31)
    before = find_run("latest", tmp_path).name
    bot.plan.source_hashes["s"] = "changed"  # type: ignore[index]
    outcome = bot.outcome(33, 60)
    assert outcome.facts.run_id != before
    assert bot.status is not None
    assert bot.status.note == f"a new run: strategies differ from those of run {before}"
    assert all(trade.closed_at_ms >= outcome.facts.start_ms for one in outcome.sessions for trade in one.trades)


def test_commands_read_a_run_without_an_end_as_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    every_ten_minutes(tmp_path / "dump").lives(9, 61)
    for kind in ("live", "performance"):
        ended = called("report", kind, "latest")
        assert ended.code == 0, ended.err
    ended = called("runs", "list", "--json")
    (listed,) = json.loads(ended.out)["runs"]
    assert (listed["mode"], listed["problem"], listed["exit_code"]) == ("paper", None, 0)
    assert called("runs", "show").code == 0


def test_midnights_are_marked_also_those_of_an_earlier_process(tmp_path: Path) -> None:
    bot = every_ten_minutes(tmp_path, 3000)
    bot.lives(1435, 1445, killed=True)
    outcome = bot.outcome(2875, 2885)
    marks = outcome.sessions[0].marks
    assert [at_ms for at_ms, _ in marks][:2] == [START_MS + DAY_MS, START_MS + 2 * DAY_MS]
    assert marks[-1][0] == outcome.facts.end_ms


def an_event(count: int) -> SignalCancelled:
    return SignalCancelled(START_MS + count, "s", "AAA", "id", CancelReason.USER)


def test_a_half_written_last_line_is_cut_off(tmp_path: Path) -> None:
    journal = EventJournal(tmp_path)
    for count in range(3):
        journal.write(an_event(count))
    journal.close()
    path = tmp_path / "events.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    journal = EventJournal(tmp_path)
    journal.write(an_event(3))
    assert [row["at"] - START_MS for row in journal.events().rows()] == [0, 1, 3]
    assert journal.counts_of("s", "AAA") == {"signal_cancelled": 3}
    journal.close()


def test_closes_that_nobody_had_time_to_tell_are_told_to_the_journal(tmp_path: Path) -> None:
    known, unknown = a_trade(symbol="AAA"), a_trade(symbol="BBB")
    journal = EventJournal(tmp_path)
    journal.write(PositionClosed(known.closed_at_ms, known.strategy, known.symbol, known))
    journal.close()
    journal = EventJournal(tmp_path)
    journal.complete([known, unknown])
    assert [row["symbol"] for row in journal.events().rows("position_closed")] == ["AAA", "BBB"]
    journal.close()


def test_events_do_not_pile_up_in_memory(tmp_path: Path) -> None:
    journal = EventJournal(tmp_path)
    for count in range(2000):
        journal.write(an_event(count))
    tracemalloc.start()
    for count in range(2000, 6000):
        journal.write(an_event(count))
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown < 400_000, "the newest thousand, and not all of them"
    assert len(journal.events()) == 6000
    journal.close()


def test_what_cannot_be_written_waits_for_the_next_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = EventJournal(tmp_path)
    journal.write(an_event(0))
    import os

    write = os.write

    def half(file: int, content: bytes) -> int:
        return write(file, content[:10])

    monkeypatch.setattr(os, "write", half)
    journal.write(an_event(1))
    assert "full" in journal.problem
    monkeypatch.undo()
    journal.write(an_event(2))
    assert [row["at"] - START_MS for row in journal.events().rows()] == [0, 1, 2]
    assert journal.problem == ""
    journal.close()


def test_secrets_are_in_no_line(tmp_path: Path) -> None:
    journal = EventJournal(tmp_path, lambda line: line.replace("hunter22", "***"))
    journal.write(SignalCancelled(START_MS, "s", "AAA", "hunter22", CancelReason.USER))
    journal.close()
    assert b"hunter22" not in (tmp_path / "events.jsonl").read_bytes()


def test_a_position_that_stays_open_is_no_trade_and_no_error(tmp_path: Path) -> None:
    bot = every_ten_minutes(tmp_path)
    outcome = bot.outcome(9, 43)
    assert len(of_kind(bot.heard, PositionOpened)) > len(of_kind(bot.heard, PositionClosed))
    assert outcome.exit_code == 0

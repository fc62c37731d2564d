"""The view of a trading run: which cells it has, what goes where there is no room, and the lines that stand for it."""

import io
import json
import re

import pytest
from rich.console import Console

from backtestkit_cli.cli.trading_lines import JsonEvents, StatusLines, event_line, status_line
from backtestkit_cli.cli.trading_view import age_text, view_of
from backtestkit_cli.domain.trading import OnStop
from backtestkit_cli.events.facts import ErrorOccurred
from backtestkit_cli.events.venue_facts import EntriesBlocked
from backtestkit_cli.runs.trading.status import RunStatus
from tests.builders import START_MS
from tests.cli.statuses import a_run, a_session_status, a_waiting


def drawn(status: RunStatus, *, width: int = 200, height: int = 40, on_stop: OnStop | None = OnStop.KEEP) -> list[str]:
    screen = Console(file=io.StringIO(), width=width, height=height, color_system=None)
    with screen.capture() as captured:
        screen.print(view_of(status, on_stop, width=width, height=height))
    return [line.rstrip() for line in captured.get().splitlines()]


def coloured(status: RunStatus) -> str:
    screen = Console(file=io.StringIO(), width=200, force_terminal=True, color_system="standard")
    with screen.capture() as captured:
        screen.print(view_of(status, OnStop.KEEP, width=200, height=40))
    return captured.get()


def test_each_session_has_a_line_with_what_it_holds_and_how_it_is() -> None:
    lines = drawn(a_run())
    titles = "Symbol Strategy State Price PNL PNL quote Trades Net Last event Late Connection"
    assert " ".join(lines[0].split()) == titles
    text = [" ".join(line.split()) for line in lines[2:5]]
    assert text[0] == (
        "BTCUSDT tiny long 0.01 at 60000 61200.5 +1.25 % +7.50 3 -12.50 "
        "12 s ago: position opened: long at 60000 1.3 s ok"
    )
    assert text[1] == "ETHUSDT tiny waiting long at 61000 61100 0 0.00 1.3 s ok"
    assert text[2] == "SOLUSDT tiny flat 0 0.00 blocked: an order nobody knows 1.3 s lost"


def test_the_footer_has_the_mode_in_plain_words_the_run_the_next_tick_and_what_ctrl_c_does() -> None:
    *_, facts, keys = drawn(a_run())
    assert facts.strip() == "PAPER, no real orders  on demo  tiny-0123456789  next tick in 34 s  120 MB"
    assert keys == "Ctrl-C stops and keeps positions, which the next start takes up again; twice ends at once"
    *_, facts, keys = drawn(a_run(mode="live", exchange="binance"), on_stop=OnStop.CLOSE)
    assert facts.startswith("LIVE, real orders  on binance")
    assert keys == "Ctrl-C stops and closes all positions; twice ends at once"
    assert drawn(a_run(is_stopping=True))[-1] == (
        "stopping: nothing new is opened, positions are kept, and the next start takes them up again; "
        "Ctrl-C again ends at once"
    )


def test_a_replay_does_not_promise_to_be_taken_up_again() -> None:
    assert drawn(a_run(), on_stop=None)[-1] == "Ctrl-C ends the replay; twice ends at once"
    assert "the replay ends" in drawn(a_run(is_stopping=True), on_stop=None)[-1]


def test_gains_losses_modes_and_a_lost_connection_are_coloured() -> None:
    paper, live = coloured(a_run()), coloured(a_run(mode="live"))
    assert re.search(r"\033\[32m *\+1.25 %", paper)
    assert re.search(r"\033\[32m *\+7.50", paper)
    assert re.search(r"\033\[31m *-12.50", paper)
    assert "\033[1;31mlost" in paper
    assert "\033[1;37;44mPAPER" in paper
    assert "\033[1;37;41mLIVE" in live


@pytest.mark.parametrize("width", [30, 60, 80, 120])
def test_a_narrow_terminal_leaves_out_columns_by_rank_and_cuts_no_number(width: int) -> None:
    lines = drawn(a_run(), width=width)
    table = lines[:5]
    assert max(map(len, lines)) <= width
    assert all("…" not in line for line in table if width > 60)
    assert "State" in table[0]
    assert ("Late" in table[0]) <= ("Trades" in table[0]) <= ("Last event" in table[0]) <= ("PNL" in table[0])
    if width >= 60:
        assert "long 0.01 at 60000" in table[2]


def test_a_low_terminal_shows_the_sessions_that_hold_something_and_counts_the_others() -> None:
    flat = [a_session_status(f"S{number}USDT") for number in range(50)]
    busy = [a_session_status("BUSYUSDT", state=a_waiting()), a_session_status("SICKUSDT", error="no more memory")]
    lines = drawn(a_run(*flat, *busy), height=16)
    assert len(lines) <= 15
    assert any(line.startswith("BUSYUSDT") for line in lines)
    assert any("failed: no more memory" in line for line in lines)
    assert any(line == "and 43 sessions more" for line in lines)


def test_what_comes_from_outside_moves_no_cursor() -> None:
    lines = drawn(a_run(a_session_status(last_event="\033[2J\nbad", last_event_ms=START_MS)))
    assert "26 s ago: \\x1b[2J bad" in lines[2]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7200, "2 h"), (200_000, "2 d"), (-5, "0 s")]
)
def test_an_age_is_in_the_unit_that_people_would_use(seconds: int, text: str) -> None:
    assert age_text(seconds * 1000) == text


def test_a_line_says_how_the_run_is_and_names_what_is_wrong() -> None:
    assert status_line(a_run()) == (
        "2025-05-04 00:00 paper on demo: 1 position, 1 waiting; 3 trades, net -12.50; at most 1.3 s late, 120 MB; "
        "not connected: SOLUSDT; blocked: SOLUSDT"
    )


def test_lines_of_status_come_at_once_and_then_every_five_minutes() -> None:
    said: list[str] = []
    clock = iter([0.0, 1.0, 299.0, 300.0, 301.0])
    lines = StatusLines(said.append, lambda: next(clock))
    for _ in range(5):
        lines.show(a_run())
    assert len(said) == 2


def test_an_event_is_a_line_or_a_json_object() -> None:
    event = EntriesBlocked(START_MS, "tiny", "BTCUSDT", "0.5 BTC too many\nat the venue")
    assert event_line(event) == "2025-05-04 00:00 BTCUSDT tiny: entries blocked: 0.5 BTC too many at the venue"
    data = io.StringIO()
    JsonEvents(data).write(event)
    assert json.loads(data.getvalue())["event"] == "entries_blocked"
    assert data.getvalue().count("\n") == 1


def test_a_reader_of_events_that_has_gone_away_ends_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    events = JsonEvents(Gone())
    for _ in range(2):
        events.write(ErrorOccurred(START_MS, "tiny", "BTCUSDT", "strategy", "no", "no"))

"""A trading run as it shows itself, and what stands for one where a test is about all around it."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.events.facts import Event, JobRan
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.status import RunStatus, SessionStatus
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.builders import START_MS, a_position, a_session, an_outcome, trades_of
from tests.cli.program import ROOT

NOW_MS = START_MS + 26_000


async def stands_in(
    plan: TradingPlan,
    *,
    on_status: Callable[[RunStatus], None] | None,
    on_event: Callable[[Event], None] | None,
    on_note: Callable[[str], None] | None,
    stop: StopRequest,
    stands_by: bool,
) -> RunOutcome:
    """Stand for a run: it prints, tells a status and an event, and does what the environment says."""
    print("strategies print")  # noqa: T201 - as strategies do
    shown = {"mode": plan.run.mode, "exchange": plan.run.exchange}
    if on_status is not None:
        on_status(a_run(**shown))
    if on_event is not None:
        on_event(JobRan(START_MS, "", "BTCUSDT", "tidy"))
    Path("begun").touch()
    if os.environ.get("STAND_IN") == "holds the loop":
        time.sleep(60)  # noqa: ASYNC251 - that is the point
    for name in filter(None, os.environ.get("STAND_IN", "").split()):
        signal.raise_signal(signal.Signals[name])
        await stop.wait()
    if on_status is not None:
        on_status(a_run(is_stopping=stop.is_made, **shown))
    return an_outcome(a_session(*trades_of(1.0)), mode=plan.run.mode)


def a_stand_in(folder: Path) -> dict[str, str]:
    """Let programs that are started in *folder* run the stand-in; return the variables they need."""
    replace = "from backtestkit_cli.runs.trading import run\nfrom tests.cli.statuses import stands_in\n"
    (folder / "sitecustomize.py").write_text(f"{replace}run.run_trading = stands_in\n")
    return {"PYTHONPATH": f"{folder}:{ROOT}"}


def a_session_status(symbol: str = "BTCUSDT", **what: Any) -> SessionStatus:
    """Return a session that is flat and well."""
    usual: dict[str, Any] = {"strategy": "tiny", "tick_ms": START_MS, "price": 61_200.5, "lateness_ms": 1300}
    return SessionStatus(symbol=symbol, **usual | what)


def a_waiting() -> Waiting:
    """Return a long signal that waits for its price."""
    signal = Signal(position="long", take_profit=62_000.0, stop_loss=60_000.0, price_open=61_000.0)
    return Waiting("abc", signal, Side.LONG, Limit(61_000.0), 61_000.0, START_MS)


def a_run(*sessions: SessionStatus, **what: Any) -> RunStatus:
    """Return a run of these sessions, or of one that holds, one that waits and one that is blocked."""
    several = sessions or (
        a_session_status(
            state=a_position(price_open=60_000.0, cost=600.0),
            pnl_pct=1.25,
            pnl_quote=7.5,
            trades=3,
            net_quote=-12.5,
            last_event="position opened: long at 60000",
            last_event_ms=NOW_MS - 12_000,
        ),
        a_session_status("ETHUSDT", state=a_waiting(), price=61_100.0),
        a_session_status("SOLUSDT", blocked="an order nobody knows", connection="lost", price=None),
    )
    usual: dict[str, Any] = {
        "run_id": "tiny-0123456789",
        "mode": "paper",
        "exchange": "demo",
        "started_ms": START_MS,
        "now_ms": NOW_MS,
        "memory_mb": 120.4,
        "sessions": list(several),
    }
    return RunStatus(**usual | what)

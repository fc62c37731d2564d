"""One bot that trades until its frame is over or it is killed; as a program: a nursery that forks life after life.

Lives come in as lines of JSON; of each its process number is told, and then how it ended. A fork costs a hundredth of
a start of Python, and dies of SIGKILL as any process.
"""

import asyncio
import json
import os
import random
import signal
import socket
import ssl
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.errors import BacktestKitError
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.exchange.broker.broker import CcxtBroker
from backtestkit_cli.execution.paper import PaperBroker
from backtestkit_cli.persistence import tenants
from backtestkit_cli.persistence.account_lock import account_of
from backtestkit_cli.runs.trading.assembly import assemble_trading
from backtestkit_cli.runs.trading.gated_broker import gated
from backtestkit_cli.runs.trading.kept import kept_by
from backtestkit_cli.runs.trading.outside import Outside
from backtestkit_cli.runs.trading.plan import LIVE, TradingPlan
from backtestkit_cli.runs.trading.run import run_trading
from backtestkit_cli.runs.trading.stopping import StopRequest
from tests.crash.points import ORDERS, WRITES, Kill, Points, Watched
from tests.crash.scene import SYMBOLS
from tests.crash.venue_time import VenueTime
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET

KEYS = {"BINANCE_API_KEY": LOOPBACK_KEY, "BINANCE_API_SECRET": LOOPBACK_SECRET}
_USED_LATER = ("api.strategies", "data.cache.source", "exchange.source")
STATE, EVENTS, OUTPUT, TRACE, FAILED = "state", "events.jsonl", "output.log", "points.log", "failed.txt"
NOTES = "notes.jsonl"
TRADES = "trades"
"""What a life notes once it begins to trade."""


def plan_of(folder: Path, url: str, mode: str, store: Mapping[str, Any] | None = None, **more: Any) -> TradingPlan:
    """Return the plan of the bot in *folder* at the venue of *url*, kept in *store*, else in files below *folder*."""
    flags = {
        "symbols": ",".join(SYMBOLS),
        "entry": str(folder / "rounds.py"),
        "exchange": {"kind": "ccxt", "id": "binance", "url": url, "name": "binance"},
        "out": str(folder / "dump"),
        "data": str(folder / "candles"),
        **({"store.folder": str(folder / STATE)} if store is None else {f"store.{key}": store[key] for key in store}),
        "fill_model": "candle",
        "averaging": "any",
        "portfolio": {"balance": 5000, "max_drawdown_pct": 90},
        "trading": {"settle_seconds": 0, "candle_patience_seconds": 0, "attempts": 20, "max_lateness_seconds": 59},
        **more,
    }
    loaded = load_config(None, flags=flags, sets=(), environ={}, dotenv=None, required=(), default=None)
    return assemble_trading(loaded, mode=mode, environ=KEYS)


async def live(life: dict[str, Any]) -> None:
    """Live the *life* that is described until its frame is over.

    One with a `machine` is on that one, as far as others can tell; its store and its folder it may share with others.
    """
    folder, mode, machine = Path(life["folder"]), life["mode"], life.get("machine", "")
    if machine:
        tenants._here = lambda: f"{machine}/"
    plan = plan_of(folder, life["url"], mode, life["store"], out=str(folder / f"dump{machine}"))
    clock = VenueTime(life["url"], life["end_ms"], pace_s=life.get("pace_s", 0.0))
    if life.get("fate"):
        clock.before_moving = asked(life["fate"])
    ends_by = signal.Signals[life.get("ends_by", "SIGKILL")]
    points = Points(clock, [Kill(*kill) for kill in life["kills"]], folder / TRACE if life["traces"] else None, ends_by)
    kept = kept_by(plan, account_of(LOOPBACK_KEY), {"XDG_STATE_HOME": str(folder / f"user{machine}")})
    notes = Notes(folder / NOTES, machine)
    store: Any = Watched(kept.store, clock, points, WRITES, "store")
    broker = _broker(plan, store, clock)
    stop = StopRequest()
    clock.on_end = stop.request

    async def begin() -> None:
        clock.look()
        notes.add(TRADES)
        if isinstance(broker, PaperBroker):
            await broker.recall()

    outside = Outside(
        time=clock,
        store=store,
        broker=Watched(gated(broker, kept.tenure.why_not) if kept.tenure else broker, clock, points, ORDERS, "broker"),
        source=Watched(plan.run.source, clock, points, (), "source"),
        rng=random.Random(1),
        secrets=(LOOPBACK_KEY, LOOPBACK_SECRET) if mode == LIVE else (),
        lock=kept.lock,
        tenure=kept.tenure,
        begin=begin,
        steady_s=lambda: clock.now_ms() / 1000,
    )
    with (folder / EVENTS).open("a") as told:

        def tell(event: Event) -> None:
            row = event_row(event) | {"restored": getattr(event, "is_restored", False)}
            points.passes(f"before publish {row['event']} {row['symbol']}")
            told.write(json.dumps(row) + "\n")
            told.flush()

        outcome = await run_trading(
            plan,
            stop=stop,
            outside=outside,
            on_event=tell,
            on_note=notes.add,
            stands_by=life.get("stands_by", False),
        )
    errors = [session.error for session in outcome.sessions if session.error]
    if errors:
        raise RuntimeError("\n".join(errors))


class Notes:
    """What a life says of itself, with the real time that all processes of this machine share, in seconds."""

    def __init__(self, file: Path, machine: str) -> None:
        self._file = file
        self._machine = machine

    def add(self, text: str) -> None:
        with self._file.open("a") as notes:
            notes.write(json.dumps([time.monotonic(), self._machine, text]) + "\n")


def asked(fate: str) -> Callable[[int], None]:
    """Return what tells *fate*, at the end of a socket, where time is about to go, and waits for its leave."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(fate)
    answers = link.makefile("rb")

    def ask(to_ms: int) -> None:
        link.sendall(b"%d\n" % to_ms)
        answers.readline()

    return ask


async def at_once(*_: object) -> None:
    """Wait for nothing."""


def _broker(plan: TradingPlan, store: Any, clock: VenueTime) -> Any:
    if plan.run.mode == LIVE:
        return CcxtBroker(
            name="binance", exchange_id="binance", url=plan.venue and plan.venue.url, environ=KEYS, now_ms=clock.now_ms
        )
    costs = {name: Costs.of(settings) for name, settings in plan.run.settings.items()}
    key = (plan.run.mode, plan.run.exchange, "account", "simulated")
    return PaperBroker(plan.paper, costs, quote="quote", store=store, key=key)


def hasten() -> None:
    """Let the client ask as fast as it can, and files be as durable as a process that is killed needs them."""
    exchange: Any = import_module("ccxt.async_support.base.exchange").Exchange
    exchange.throttle = at_once
    os.fsync = lambda _: None  # type: ignore[assignment]  # what a dead process wrote, the system still has
    tls = ssl.create_default_context()
    ssl.create_default_context = lambda *_, **__: tls
    for name in _USED_LATER:
        import_module(f"backtestkit_cli.{name}")


def born(life: dict[str, Any]) -> None:
    """Live in this process, and end it."""
    folder, code = Path(life["folder"]), 1
    os.environ |= life["lent"]
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        asyncio.run(live(life))
        code = 0
    except BaseException as error:  # noqa: BLE001 - told to who waits
        code = error.exit_code if isinstance(error, BacktestKitError) else 1
        (folder / FAILED).write_text(traceback.format_exc())
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def nursery() -> None:
    """Fork a life for each line that comes in."""
    hasten()
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            born(json.loads(line))
        _say(pid)
        _, status = os.waitpid(pid, 0)
        _say(os.waitstatus_to_exitcode(status))


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    nursery()

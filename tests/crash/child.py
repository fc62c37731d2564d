"""One bot that trades until its frame is over or it is killed; as a program: a nursery that forks life after life.

Lives come in as lines of JSON; of each its process number is told, and then how it ended. A fork costs a hundredth of
a start of Python, and dies of SIGKILL as any process.
"""

import asyncio
import json
import os
import random
import ssl
import sys
import traceback
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.rows import event_row
from backtestkit_cli.exchange.broker.broker import CcxtBroker
from backtestkit_cli.execution.paper import PaperBroker
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
    """Live the *life* that is described until its frame is over."""
    folder, mode = Path(life["folder"]), life["mode"]
    plan = plan_of(folder, life["url"], mode, life["store"])
    time = VenueTime(life["url"], life["end_ms"])
    points = Points(time, [Kill(*kill) for kill in life["kills"]], folder / TRACE if life["traces"] else None)
    kept = kept_by(plan, account_of(LOOPBACK_KEY), {"XDG_STATE_HOME": str(folder / "user")})
    store: Any = Watched(kept.store, time, points, WRITES, "store")
    broker = _broker(plan, store, time)
    stop = StopRequest()
    time.on_end = stop.request
    outside = Outside(
        time=time,
        store=store,
        broker=Watched(gated(broker, kept.tenure.why_not) if kept.tenure else broker, time, points, ORDERS, "broker"),
        source=Watched(plan.run.source, time, points, (), "source"),
        rng=random.Random(1),
        secrets=(LOOPBACK_KEY, LOOPBACK_SECRET) if mode == LIVE else (),
        lock=kept.lock,
        tenure=kept.tenure,
        begin=broker.recall if isinstance(broker, PaperBroker) else at_once,
        steady_s=lambda: time.now_ms() / 1000,
    )
    with (folder / EVENTS).open("a") as told:

        def tell(event: Event) -> None:
            row = event_row(event) | {"restored": getattr(event, "is_restored", False)}
            points.passes(f"before publish {row['event']} {row['symbol']}")
            told.write(json.dumps(row) + "\n")
            told.flush()

        outcome = await run_trading(plan, stop=stop, outside=outside, on_event=tell)
    errors = [session.error for session in outcome.sessions if session.error]
    if errors:
        raise RuntimeError("\n".join(errors))


async def at_once(*_: object) -> None:
    """Wait for nothing."""


def _broker(plan: TradingPlan, store: Any, time: VenueTime) -> Any:
    if plan.run.mode == LIVE:
        return CcxtBroker(
            name="binance", exchange_id="binance", url=plan.venue and plan.venue.url, environ=KEYS, now_ms=time.now_ms
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
    output = os.open(folder / OUTPUT, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        asyncio.run(live(life))
        code = 0
    except BaseException:  # noqa: BLE001 - told to who waits
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

"""Run every case of a folder through the public API and compare it with its known result.

A case is a JSON file (candles, frame, script, commands, expected events and statistics); the exit code is 0
only if all match. With `--events` our own events are printed as JSON lines instead.
"""

import argparse
import asyncio
import json
import math
import sys
from collections.abc import Callable, Coroutine, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from backtestkit_cli import (
    CommandRefused,
    CommandResult,
    Event,
    PositionActive,
    PositionAveraged,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    Signal,
    SignalCancelled,
    SignalInvalid,
    SignalScheduled,
    add_strategy,
    average_buy,
    close_position,
    listen,
    partial_close,
)
from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.analytics.trade_figures import figures_of_pnl
from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import to_ms
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.events.facts import LossLevelReached, ProfitLevelReached
from backtestkit_cli.runs.backtest import run_backtest
from backtestkit_cli.runs.plan import RunPlan

Row = dict[str, Any]
Drive = Callable[[RunPlan], Coroutine[Any, Any, RunOutcome]]
_COMMANDS: dict[str, Callable[..., CommandResult]] = {
    "average_buy": average_buy,
    "partial_close": partial_close,
    "close": close_position,
}
_NAMES = {"average_buy": "average_buy", "partial_close": "partial_close", "close_position": "close"}


class OneFile(LocalSource):
    """The candles of a case, whatever the symbol."""

    name = "golden"
    is_synthetic = False

    def __init__(self, path: Path) -> None:
        """Read *path*."""
        frame = pl.read_parquet(path)
        names = ("timestamp", "open", "high", "low", "close", "volume")
        self._candles = Candles.frozen(*(frame[name].to_numpy() for name in names))

    @property
    def start_ms(self) -> int:
        """Return the open time of the first candle."""
        return int(self._candles.timestamp[0])

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles within the span."""
        assert interval == "1m", symbol
        rows = self._candles.timestamp.searchsorted([start_ms, end_ms])
        return self._candles.slice(*rows.tolist())


def run_case(path: Path, drive: Drive = run_backtest) -> tuple[list[Row], Row]:
    """Return the events and the statistics of the case in *path*, run by *drive*."""
    case = json.loads(path.read_text())
    script = {int(at): signal for at, signal in case["script"].items()}
    commands = {int(at): calls for at, calls in case["commands"].items()}

    async def get_signal(_symbol: str, when: datetime, _price: float) -> Signal | None:
        wanted = script.get(to_ms(when))
        return None if wanted is None else Signal(**wanted)

    def on_active(ping: PositionActive) -> None:
        for name, *arguments in commands.get(ping.at_ms, ()):
            _COMMANDS[name](*arguments)

    registry = Registry()
    with registering_in(registry):
        add_strategy("case", interval=case["strategy_interval"], get_signal=get_signal, on_active=on_active)
    settings = Settings(fill_model=case["fill_model"], **case["settings"])
    source = OneFile(path.parent / case["candles"])
    events: list[Event] = []
    with registering_in(registry):
        listen(Event, events.append)
    plan = RunPlan(
        mode="backtest",
        strategies=tuple(registry.strategies.values()),
        symbols=(case["symbol"],),
        exchange=source.name,
        source=source,
        source_facts={},
        frame="case",
        start_ms=case["frame"]["start"],
        end_ms=case["frame"]["end"],
        settings={"case": settings},
        source_hashes={},
        listeners=tuple(registry.listeners),
    )
    outcome = asyncio.run(drive(plan))
    session = outcome.sessions[0]
    assert session.error is None, session.error
    assert tuple(events) == outcome.events, "listeners hear what is recorded, in order"
    figures = figures_of_pnl([trade.pnl_pct for trade in session.trades])
    return [row for event in outcome.events for row in as_rows(event)], {
        name: getattr(figures, name) for name in case["expected"]["stats"]
    }


def as_rows(event: Event) -> Iterator[Row]:  # noqa: C901 - one branch a kind
    """Return *event* in the words of the cases; a close by command is a command and a close."""
    at = event.at_ms
    match event:
        case SignalScheduled(side=side, price_open=price):
            yield {"action": "scheduled", "position": side.value, "price": price, "at": at}
        case SignalInvalid():
            yield {"action": "invalid", "at": at}
        case SignalCancelled(reason=reason):
            yield {"action": "cancelled", "reason": reason.value, "at": at}
        case PositionOpened(price=price, position=position):
            yield {
                "action": "opened",
                "position": position.side.value,
                "price": price,
                "at": at,
                "scheduled_at": position.scheduled_at_ms,
            }
        case PositionAveraged(price=price, cost=cost):
            yield _command("average_buy", [cost], at, price, ok=True)
        case PositionReduced(price=price, percent=percent):
            yield _command("partial_close", [percent], at, price, ok=True)
        case CommandRefused(command=command, price=price, argument=argument):
            yield _command(_NAMES[command], [] if argument is None else [argument], at, price, ok=False)
        case PositionClosed(trade=trade):
            if trade.reason.value == "closed":
                yield _command("close", [], at, trade.price_close, ok=True)
            yield {
                "action": "closed",
                "position": trade.side.value,
                "reason": trade.reason.value,
                "at": at,
                "price": trade.price_close,
                "pnl": trade.pnl_pct,
                "cost": trade.pnl_cost,
                "invested": trade.invested,
                "effective": trade.price_effective,
                "price_open": trade.price_open,
                "opened_at": trade.opened_at_ms,
                "scheduled_at": trade.scheduled_at_ms,
            }
        case ProfitLevelReached() | LossLevelReached():
            pass  # the cases do not speak of partial levels
        case _:
            raise AssertionError(f"unexpected event {event}")


def _command(name: str, arguments: list[Any], at: int, price: float, *, ok: bool) -> Row:
    return {"action": "command", "name": name, "args": arguments, "at": at, "ok": ok, "price": price}


def differences(expected: list[Row], found: list[Row]) -> Iterator[str]:
    """Yield one line for each event and each figure that differs."""
    for index in range(max(len(expected), len(found))):
        wanted = expected[index] if index < len(expected) else {"action": "nothing"}
        got = found[index] if index < len(found) else {"action": "nothing"}
        for key in wanted.keys() | got.keys():
            if not is_equal(key, wanted.get(key), got.get(key)):
                yield f"event {index}: {key}: expected {wanted.get(key)!r}, found {got.get(key)!r}"


def is_equal(key: str, wanted: object, got: object) -> bool:
    """Compare numbers within 1e-9 (relative) and money within 1e-7, all else exactly."""
    if isinstance(wanted, float) and isinstance(got, int | float):
        if key == "cost":
            return math.isclose(wanted, got, rel_tol=0, abs_tol=1e-7)
        return math.isclose(wanted, got, rel_tol=1e-9, abs_tol=1e-12)
    return wanted == got


def main() -> int:
    """Run the cases of the folder on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--events", action="store_true", help="print our events as JSON lines")
    arguments = parser.parse_args()
    paths = sorted(arguments.folder.glob("*.json"))
    if not paths:
        print(f"{arguments.folder}: no cases (*.json)", file=sys.stderr)
        return 2
    good = 0
    for path in paths:
        events, stats = run_case(path)
        expected = json.loads(path.read_text())["expected"]
        problems = list(differences(expected["events"], events))
        problems += [
            f"stats: {key}: expected {wanted!r}, found {stats[key]!r}"
            for key, wanted in expected["stats"].items()
            if not is_equal(key, wanted, stats[key])
        ]
        good += not problems
        if arguments.events:
            keys = ("action", "reason", "at", "price", "pnl", "cost", "ok")
            for event in events:
                print(json.dumps({"case": path.stem} | {key: event.get(key) for key in keys}))
        out = sys.stderr if arguments.events else sys.stdout
        print(f"{path.stem}: {len(events)} events, {'ok' if not problems else 'DIFFERS'}", file=out)
        for problem in problems:
            print(f"  {problem}", file=out)
    print(f"{good} of {len(paths)} cases match", file=sys.stderr if arguments.events else sys.stdout)
    return 0 if good == len(paths) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Run one workload on candles that are there already and write what it took, and the trades, as JSON.

    python tests/bench/run.py w1 --data DIR --out RESULT.json [--trades TRADES.json] [--option batch|policies]

DIR holds <group>/<symbol>.parquet with the groups nine, big and hundred.
"""

import time

_STARTED = time.perf_counter()

import argparse  # noqa: E402 - the import of the product is measured
import asyncio  # noqa: E402
import json  # noqa: E402
from dataclasses import dataclass, replace  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

import polars as pl  # noqa: E402
from workloads import (  # noqa: E402
    BRACKET_SETTINGS,
    COMBOS,
    GROUPS,
    LADDER_SETTINGS,
    STRATEGIES,
    bracket,
    bracket_batch,
)

from backtestkit_cli import CloseReason, Trade  # noqa: E402
from backtestkit_cli.analytics.outcome import RunOutcome  # noqa: E402
from backtestkit_cli.analytics.trade_figures import figures_of_pnl  # noqa: E402
from backtestkit_cli.api.specs import StrategySpec  # noqa: E402
from backtestkit_cli.data.local import LocalSource  # noqa: E402
from backtestkit_cli.domain.candle import Candles  # noqa: E402
from backtestkit_cli.domain.interval import MINUTE_MS  # noqa: E402
from backtestkit_cli.domain.settings import Settings  # noqa: E402
from backtestkit_cli.runs.backtest import market_book, run_backtest  # noqa: E402
from backtestkit_cli.runs.facts import installed_version  # noqa: E402
from backtestkit_cli.runs.markets import MarketBook  # noqa: E402
from backtestkit_cli.runs.plan import RunPlan  # noqa: E402

_IMPORTED = time.perf_counter()

OPTIONS = {"w2": ("", "policies")} | dict.fromkeys(("w1", "w3", "w4", "w5"), ("", "batch"))
LADDER_FIRST = 10  # W2 decides from the close of candle 9 on


@dataclass(frozen=True, slots=True)
class Files(LocalSource):
    """The Parquet files of a group, one a symbol."""

    folder: Path
    name: str = "bench"
    is_synthetic: bool = True

    def read(self, symbol: str) -> Candles:
        """Return all candles of *symbol*."""
        frame = pl.read_parquet(self.folder / f"{symbol}.parquet")
        names = ("timestamp", "open", "high", "low", "close", "volume")
        return Candles.frozen(*(frame[name].to_numpy() for name in names))

    async def fetch(self, symbol: str, _interval: str, _start_ms: int, _end_ms: int) -> Candles:
        """Return all candles of *symbol*."""
        return self.read(symbol)


def plan_of(spec: StrategySpec, settings: Settings, files: Files, symbols: tuple[str, ...]) -> RunPlan:
    """Return the run of *spec* over the whole data of *symbols*, which all have one span."""
    times = pl.read_parquet(files.folder / f"{symbols[0]}.parquet", columns=["timestamp"])["timestamp"]
    return RunPlan(
        mode="backtest",
        strategies=(spec,),
        symbols=symbols,
        exchange=files.name,
        source=files,
        source_facts={},
        frame="all",
        start_ms=int(times[0]) + LADDER_FIRST * MINUTE_MS,
        end_ms=int(times[-1]) + MINUTE_MS,
        settings={spec.name: settings},
        source_hashes={},
    )


def counted(trades: list[Trade], end_ms: int) -> list[list[Any]]:
    """Return `[symbol, entry ms, exit ms, entry price, exit price, net %]` of each trade that ends inside the data.

    A level is touched inside a candle that we know at its close, and the workloads name the candle by its open.
    """
    rows = []
    for trade in trades:
        is_inside = trade.reason in (CloseReason.TAKE_PROFIT, CloseReason.STOP_LOSS)
        if not is_inside and trade.closed_at_ms == end_ms:
            continue
        exit_ms = trade.closed_at_ms - MINUTE_MS if is_inside else trade.closed_at_ms
        effective = trade.price_effective
        rows.append([trade.symbol, trade.opened_at_ms, exit_ms, effective, trade.price_close, trade.pnl_pct])
    return rows


async def load(plan: RunPlan) -> MarketBook:
    """Return the candles of *plan* in memory."""
    book = market_book(plan)
    for symbol in plan.symbols:
        await book.load(symbol)
    return book


async def run_all(plans: list[RunPlan], book: MarketBook) -> list[RunOutcome]:
    """Run *plans* one after the other on the same candles."""
    return [await run_backtest(plan, book=book) for plan in plans]


def measure(workload: str, option: str, data: Path) -> tuple[dict[str, Any], list[list[Any]]]:
    """Run *workload* and return its result and its trades."""
    group, symbols = GROUPS[workload]
    files = Files(data / group)
    started = time.perf_counter()
    settings = LADDER_SETTINGS if workload == "w2" else BRACKET_SETTINGS
    name = workload if option == "" else f"{workload}-{option}"
    if workload == "w4":
        specs = [(bracket_batch if option == "batch" else bracket)(combo) for combo in COMBOS]
    else:
        specs = [STRATEGIES[name]()]
    plan = plan_of(specs[0], settings, files, symbols)
    plans = [replace(plan, strategies=(spec,)) for spec in specs]
    book = asyncio.run(load(plans[0]))
    loaded = time.perf_counter()
    rows, combos = [], []
    for outcome in asyncio.run(run_all(plans, book)):
        assert outcome.exit_code == 0, [s.error for s in outcome.sessions]
        mine = counted([t for s in outcome.sessions for t in s.trades], plan.end_ms)
        figures_of_pnl([row[5] for row in mine])
        combos.append([len(mine), sum(row[5] for row in mine)])
        rows += mine
    done = time.perf_counter()
    per_symbol: dict[str, list[Any]] = {}
    for row in rows:
        total = per_symbol.setdefault(row[0], [0, 0.0])
        total[0] += 1
        total[1] += row[5]
    candles = sum(facts.count for facts in book.facts.values()) * len(plans)
    result = {
        "peer": "btk" if option == "" else f"btk-{option}",
        "version": installed_version(),
        "workload": workload,
        "candles": candles,
        "import_s": _IMPORTED - _STARTED,
        "load_s": loaded - started,
        "warm_s": 0.0,
        "engine_s": done - loaded,
        "trades": len(rows),
        "pnl_pct": sum(row[5] for row in rows),
        "per_symbol": per_symbol,
    }
    if workload == "w4":
        result["combos"] = combos
    return result, rows


def main() -> None:
    """Parse, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workload", choices=sorted(GROUPS))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trades", type=Path)
    parser.add_argument("--option", default="", choices=["", "batch", "policies"])
    arguments = parser.parse_args()
    if arguments.option not in OPTIONS[arguments.workload]:
        parser.error(f"{arguments.workload} has no form {arguments.option!r}")
    result, rows = measure(arguments.workload, arguments.option, arguments.data)
    arguments.out.write_text(json.dumps(result))
    if arguments.trades:
        arguments.trades.write_text(json.dumps(rows))


if __name__ == "__main__":
    main()

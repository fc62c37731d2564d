"""A run in which everything happens that is shared: an account that stops, refusals, partial levels."""

import asyncio
from functools import lru_cache
from pathlib import Path

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.reports.saved.record import RunRecord, record_of
from backtestkit_cli.runs.assembly import assemble
from backtestkit_cli.runs.backtest import run_backtest

CONFIG = Path(__file__).parents[1] / "configs" / "portfolio.yaml"
SETS = ("frame.to=2025-05-14", "partial_basis=progress", "portfolio.max_drawdown_pct=4")
"""Two weeks, in which the account falls by 4 % and 755 partial levels are reached."""


@lru_cache
def coordinated_run(*sets: str) -> RunOutcome:
    """Return `configs/portfolio.yaml` run on the demo market with `SETS` and *sets*."""
    loaded = load_config(CONFIG, flags={}, sets=(*SETS, *sets), environ={}, dotenv=None)
    return asyncio.run(run_backtest(assemble(loaded)))


@lru_cache
def coordinated_record(*sets: str) -> RunRecord:
    """Return the run of `coordinated_run` as it is saved."""
    return record_of(coordinated_run(*sets))

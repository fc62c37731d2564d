"""A run of history through the path of paper trading: a wall clock whose time is simulated, and a paper venue."""

from backtestkit_cli.analytics.outcome import RunOutcome
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.runs.plan import RunPlan
from backtestkit_cli.runs.trading.plan import TradingPlan
from backtestkit_cli.runs.trading.run import run_trading
from backtestkit_cli.runs.trading.stopping import StopRequest

RICH = 1e15


async def replayed(plan: RunPlan) -> RunOutcome:
    """Return what comes of *plan* where its candles close one by one."""
    trading = TradingPlan(
        run=plan,
        options=TradingOptions(),
        paper=PaperOptions(balance=RICH),
        state_folder="",
        is_replay=True,
    )
    return await run_trading(trading, stop=StopRequest())

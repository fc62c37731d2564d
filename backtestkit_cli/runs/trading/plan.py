"""What a trading run is to do, after every name has been resolved and before anything is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from backtestkit_cli.domain.alerts import AlertsOptions
from backtestkit_cli.domain.stores import StoreOptions
from backtestkit_cli.domain.trading import PaperOptions, TradingOptions
from backtestkit_cli.runs.plan import RunPlan

PAPER, LIVE = "paper", "live"
"""The modes of a trading run: without and with real orders."""


class VenueFacts(NamedTuple):
    """Where orders go: the exchange of ccxt by its id, the part of it, and another address than its own, if any.

    `patience` is how often it is asked at most, the first and the longest wait between two times, and how long one
    answer may take, in seconds.
    """

    exchange_id: str
    market: str
    url: str | None
    patience: tuple[int, float, float, float] = (8, 0.5, 60.0, 10.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingPlan:
    """A run on the wall clock: everything is resolved, nothing is started.

    `run` says in its mode whether orders are real; its frame is that of the candles that are replayed, and empty where
    the run goes on from now. `store` is where records are kept. With `is_replay` the candles of the frame pass
    as if they closed now, `speed` minutes of them a minute of real time, None for as fast as it goes.

    `venue` is None where the exchange is none of ccxt. Reports go below `out`, and the manifest keeps `told` besides
    what the run is. `alerts` are None where nobody is to be told anything.
    """

    run: RunPlan
    options: TradingOptions
    paper: PaperOptions
    store: StoreOptions
    is_replay: bool = False
    speed: float | None = None
    alerts: AlertsOptions | None = None
    venue: VenueFacts | None = None
    out: str = ""
    told: Mapping[str, Any] = field(default_factory=dict)

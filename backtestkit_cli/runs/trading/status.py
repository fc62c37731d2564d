"""What a trading run shows of itself: plain values, for the terminal and for `btk status`."""

from dataclasses import dataclass, field

from backtestkit_cli.domain.position import Position
from backtestkit_cli.engine.lifecycle import Waiting


@dataclass(slots=True, kw_only=True)
class SessionStatus:
    """One session as it is now; whoever draws it reads it, and only the run writes it.

    `price` is that of the newest tick, `pnl_pct` and `pnl_quote` are net of what is open. `lateness_ms` is how long
    after the end of its minute the newest tick was through. `connection` is `ok`, `stale` (no new candle) or `lost`.
    """

    strategy: str
    symbol: str
    state: Waiting | Position | None = None
    tick_ms: int = 0
    price: float | None = None
    pnl_pct: float | None = None
    pnl_quote: float | None = None
    trades: int = 0
    net_quote: float = 0.0
    last_event: str = ""
    last_event_ms: int = 0
    lateness_ms: int = 0
    connection: str = "ok"
    blocked: str = ""
    error: str = ""


@dataclass(slots=True, kw_only=True)
class RunStatus:
    """A trading run as it is now; `sessions` are in the order of (symbol, strategy).

    `note` is a line about which run it is: one that goes on, or a new one and why.
    """

    run_id: str
    mode: str
    exchange: str
    started_ms: int
    now_ms: int = 0
    is_stopping: bool = False
    memory_mb: float = 0.0
    note: str = ""
    sessions: list[SessionStatus] = field(default_factory=list)

"""How a run trades on a clock that does not wait: what the sections `trading` and `paper` of a config say."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le


class OnStop(StrEnum):
    """What becomes of open positions when the run is stopped: they stay, to be taken up again, or are closed."""

    KEEP = "keep"
    CLOSE = "close"


class ExitsAt(StrEnum):
    """Where stop and target wait: at the venue, with the engine as the fallback, or in the engine alone."""

    VENUE = "venue"
    ENGINE = "engine"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingOptions:
    """What the wall clock and a venue ask for; times are of the real clock.

    `settle_seconds` is how long after a minute ends its candle is waited for before anybody asks for it, and
    `candle_patience_seconds` how long until a minute the venue has no candle of counts as one without trades. A tick
    later than `max_lateness_seconds` opens nothing. `attempts` bounds how often one order is sent within a tick.
    """

    on_stop: OnStop = OnStop.KEEP
    exits: ExitsAt = ExitsAt.VENUE
    settle_seconds: Annotated[float, Ge(0), Le(30)] = 1.0
    candle_patience_seconds: Annotated[float, Ge(0), Le(600)] = 15.0
    max_lateness_seconds: Annotated[float, Gt(0), Le(3600)] = 45.0
    attempts: Annotated[int, Ge(1), Le(20)] = 5
    restart_seconds: Annotated[float, Ge(0), Le(3600)] = 5.0
    reconcile_minutes: Annotated[int, Ge(1), Le(1440)] = 15
    max_clock_skew_seconds: Annotated[float, Gt(0), Le(60)] = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperOptions:
    """The simulated venue; without anything said it fills in full at the price of the decision, as the engine does.

    `balance` is in the quote asset. An order reaches the market after `latency_ms`: whole minutes of it move the
    fill to the candles that come. `max_volume_pct` is how much of the volume of one 1m candle orders may take,
    None for all: what is left goes on in the next.
    """

    balance: Annotated[float, Gt(0), Le(1e15)] = 10_000.0
    latency_ms: Annotated[int, Ge(0), Le(3_600_000)] = 0
    max_volume_pct: Annotated[float, Gt(0), Le(100)] | None = None

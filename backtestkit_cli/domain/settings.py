"""The numbers a run trades by, with their defaults; each is also an environment variable `CC_<NAME>`."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le

from backtestkit_cli.domain.numbers import MAX_COST, MIN_COST


class AveragingPolicy(StrEnum):
    """Where a further entry of a position may stand."""

    BELOW_LOWEST = "below_lowest"
    BELOW_EFFECTIVE = "below_effective"
    ANY = "any"


class PartialBasis(StrEnum):
    """What a partial level measures: the price move from the effective entry, or the way to target or stop."""

    REVENUE = "revenue"
    PROGRESS = "progress"


class GapPolicy(StrEnum):
    """What a missing minute becomes: a failure, a flat candle at the last close with volume 0, or no tick at all."""

    ERROR = "error"
    FILL = "fill"
    SKIP = "skip"


class FillModelName(StrEnum):
    """The fill models there are; one module each in `policies/fills`."""

    VWAP = "vwap"
    CANDLE = "candle"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What a run trades by. `_pct` values are percent (0-100), money is in the quote asset."""

    fill_model: FillModelName = FillModelName.VWAP
    gaps: GapPolicy = GapPolicy.FILL
    avg_price_candles: Annotated[int, Ge(1), Le(10_000)] = 5
    fee_pct: Annotated[float, Ge(0), Le(50)] = 0.1
    slippage_pct: Annotated[float, Ge(0), Le(50)] = 0.1
    position_cost: Annotated[float, Ge(MIN_COST), Le(MAX_COST)] = 100.0
    schedule_await_minutes: Annotated[int, Ge(1), Le(10_000_000)] = 120
    min_take_profit_pct: Annotated[float, Ge(0)] = 0.5
    min_stop_loss_pct: Annotated[float, Ge(0)] = 0.5
    max_stop_loss_pct: Annotated[float, Gt(0)] = 20.0
    max_minutes: Annotated[int, Ge(1), Le(10_000_000)] | None = 1440
    max_signal_seconds: Annotated[float, Gt(0), Le(86_400)] = 180.0
    max_job_seconds: Annotated[float, Gt(0), Le(86_400)] = 180.0
    max_handler_seconds: Annotated[float, Gt(0), Le(86_400)] = 180.0
    averaging: AveragingPolicy = AveragingPolicy.BELOW_LOWEST
    partial_basis: PartialBasis = PartialBasis.REVENUE

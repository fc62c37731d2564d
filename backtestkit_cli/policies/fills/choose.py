"""The fill models by name."""

from backtestkit_cli.domain.settings import FillModelName
from backtestkit_cli.policies.fills.candle import CandleFills
from backtestkit_cli.policies.fills.model import FillModel
from backtestkit_cli.policies.fills.vwap import VwapFills

_MODELS: dict[FillModelName, FillModel] = {FillModelName.VWAP: VwapFills(), FillModelName.CANDLE: CandleFills()}


def fill_model(name: FillModelName) -> FillModel:
    """Return the model called *name*."""
    return _MODELS[name]

"""The only place where money is added up; everything is in the quote asset."""

from dataclasses import dataclass
from typing import NamedTuple

from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import Side


@dataclass(frozen=True, slots=True)
class Costs:
    """What trading costs, as rates (0-1) of the money of each fill."""

    fee_rate: float
    slippage_rate: float

    @classmethod
    def of(cls, settings: Settings) -> "Costs":
        """Return the costs that *settings* state in percent."""
        return cls(settings.fee_pct / 100, settings.slippage_pct / 100)


class Gain(NamedTuple):
    """Money won or lost, in its parts: `net = gross - slippage - fee`."""

    gross: float
    slippage: float
    fee: float

    @property
    def net(self) -> float:
        """Return what is left after slippage and fees."""
        return self.gross - self.slippage - self.fee

    def plus(self, other: "Gain") -> "Gain":
        """Return the sum, part by part."""
        return Gain(self.gross + other.gross, self.slippage + other.slippage, self.fee + other.fee)


def breakeven_price(side: Side, price_in: float, costs: Costs) -> float:
    """Return the price at which a part put in at *price_in* goes out without gain or loss, fees and slippage paid.

    `c(i-o)/o - c·f - c·f·i/o = 0` of `round_trip`, solved for the price that leads to `i`.
    """
    sign, fee = side.sign, costs.fee_rate
    slippage = sign * costs.slippage_rate
    return price_in * (1 + slippage) / (1 - slippage) * ((1 + sign * fee) / (1 - sign * fee))


NOTHING = Gain(0.0, 0.0, 0.0)


def round_trip(side: Side, cost: float, price_in: float, price_out: float, costs: Costs) -> Gain:
    """Return the gain of *cost* money put in at *price_in* and taken out at *price_out*.

    Slippage moves both fills against us and the fee is charged on the money of each fill: with
    `o = in(1+s)` and `i = out(1-s)` for a long (signs mirrored for a short), the gain is
    `c(i-o)/o` and the fees are `c·f + c·f·i/o`. Source: design, section 5.
    """
    sign = side.sign
    slippage = sign * costs.slippage_rate
    opened = price_in * (1 + slippage)
    closed = price_out * (1 - slippage)
    gross = sign * cost * (price_out - price_in) / price_in
    gain = sign * cost * (closed - opened) / opened
    return Gain(gross, gross - gain, cost * costs.fee_rate * (1 + closed / opened))

"""A sizing of the author's, kept from handing odd answers on."""

from collections.abc import Callable
from dataclasses import dataclass
from math import isclose, isfinite
from typing import SupportsFloat

from backtestkit_cli.domain.sizing import Size, SizingCheck

_LARGEST_ERROR = 0.01
"""How far quantity × price may be from the cost, as a share: a quantity may be cut to the step of a venue."""


@dataclass(frozen=True, slots=True)
class OwnSizing:
    """A function of the author's as a sizing: `fn(check)` returns quote money, or a `Size`.

    What is neither, is negative or is not finite becomes a size of 0 with the reason. What the function raises is
    for who asks.
    """

    function: Callable[[SizingCheck], object]

    def size(self, check: SizingCheck) -> Size:
        """Return what the function says, or 0 and what is odd about it.

        Raises:
            ArithmeticError, TypeError, ValueError: it says a number that does not fit a float.
        """
        return _size(self.function(check), check.price)


def _size(answer: object, price: float) -> Size:
    if isinstance(answer, Size):
        quantity, cost = float(answer.quantity), float(answer.cost)
        if not isclose(quantity * price, cost, rel_tol=_LARGEST_ERROR):
            return _nothing(f"expected a Size whose quantity × price is its cost, found {answer!r} at {price:g}")
        reason = str(answer.limited_by)
    elif isinstance(answer, SupportsFloat) and not isinstance(answer, bool):
        cost = float(answer)
        quantity, reason = cost / price, ""
    else:
        return _nothing(f"expected a cost in quote money or a Size, found {answer!r}")
    if not (isfinite(cost) and isfinite(quantity) and cost >= 0 and quantity >= 0):
        return _nothing(f"expected a cost of at least 0, found {cost:g}")
    return Size(quantity, cost, reason or ("" if cost else "the sizing says 0"))


def _nothing(reason: str) -> Size:
    return Size(0.0, 0.0, " ".join(reason.split()))

"""Signals from distances in percent instead of prices."""

from typing import Any

from backtestkit_cli.domain.signal import Side, Signal


def bracket(
    side: Side | str,
    price: float,
    *,
    take_profit_pct: float,
    stop_loss_pct: float,
    **signal_fields: Any,  # noqa: ANN401 - the fields of Signal, each of its own type
) -> Signal:
    """Return a signal with its exits *take_profit_pct* and *stop_loss_pct* percent (0-100) away from *price*.

    *price* is where the position is expected to open: the market price, or that of the `price_open` or `entry`
    that goes with the other *signal_fields*. Nothing is checked here, as with `Signal` itself.
    """
    sign = -1 if side == "short" else 1
    return Signal(
        position=side,
        take_profit=price * (1 + sign * take_profit_pct / 100),
        stop_loss=price * (1 - sign * stop_loss_pct / 100),
        **signal_fields,
    )

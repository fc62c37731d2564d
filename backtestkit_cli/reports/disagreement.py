"""Whether percentages and money tell of the same run opposite things."""

from backtestkit_cli.reports.tables import Row, Unit, number_text

_SHOWN = 0.005
"""What is less is shown as 0.00."""


def disagreement(total: Row) -> str | None:
    """Return what to say of a `total_row` whose PNL (percent of each trade) is a gain and whose money a loss, or so."""
    total_pnl_pct, net_quote = total["total_pnl_pct"], total["net_quote"]
    if not (isinstance(total_pnl_pct, float) and isinstance(net_quote, float)):
        return None
    if (total_pnl_pct > 0) == (net_quote > 0) or min(abs(total_pnl_pct), abs(net_quote)) < _SHOWN:
        return None
    pnl, net = number_text(total_pnl_pct, Unit.PERCENT), number_text(net_quote, Unit.MONEY)
    return (
        f"total PNL is {pnl}, but net is {net} quote money: in percent each trade counts the same, and more money"
        " was in some than in others"
    )

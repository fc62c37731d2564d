"""What a line of a log is about: the names of the session and the instant that the ambient context holds."""

from collections.abc import Mapping

from backtestkit_cli.api.context import ambient
from backtestkit_cli.domain.interval import to_datetime

LOG_KEYS = ("run_id", "mode", "strategy", "exchange", "frame", "symbol", "when")


def log_context() -> dict[str, str]:
    """Return the value of each of `LOG_KEYS`, empty outside a run; `when` is the virtual time in ISO 8601."""
    inside = ambient.get(None)
    if inside is None:
        return dict.fromkeys(LOG_KEYS, "")
    return {
        "run_id": inside.run_id,
        "mode": inside.mode,
        "strategy": inside.strategy,
        "exchange": inside.exchange,
        "frame": inside.frame,
        "symbol": inside.symbol,
        "when": when_text(inside.when_ms),
    }


def when_text(at_ms: int) -> str:
    """Return *at_ms* as lines of a log write it; 0, before the first tick, is no time."""
    return to_datetime(at_ms).isoformat() if at_ms else ""


def context_text(context: Mapping[str, str]) -> str:
    """Return the names that say something as `symbol=BTCUSDT when=…`."""
    return " ".join(f"{key}={context[key]}" for key in LOG_KEYS if context.get(key))

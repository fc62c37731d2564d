"""The broker of a venue, as a config describes it."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from backtestkit_cli.config.exchanges import CcxtExchange
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.runs.trading.plan import VenueFacts

if TYPE_CHECKING:
    from backtestkit_cli.exchange.broker.broker import CcxtBroker


def venue_facts(exchange: CcxtExchange) -> VenueFacts:
    """Return where orders go that are meant for *exchange*, and how patiently it is asked."""
    patience = exchange.attempts, exchange.first_wait_seconds, exchange.max_wait_seconds, exchange.timeout_seconds
    return VenueFacts(exchange.id, exchange.market, exchange.url, patience)


def broker_at(name: str, venue: VenueFacts, environ: Mapping[str, str], now_ms: Callable[[], int]) -> "CcxtBroker":
    """Return what trades at *venue*, called *name*, with the keys in *environ*; it asks nothing yet.

    Raises:
        ConfigError: the exchange is unknown, or its market cannot be traded.
    """
    from backtestkit_cli.exchange.broker.broker import CcxtBroker
    from backtestkit_cli.exchange.retrying import Retry

    attempts, first_wait_s, max_wait_s, timeout_s = venue.patience
    return CcxtBroker(
        name=name,
        exchange_id=venue.exchange_id,
        market=venue.market,
        url=venue.url,
        retry=Retry(
            attempts=attempts,
            first_wait_seconds=first_wait_s,
            max_wait_seconds=max_wait_s,
            timeout_seconds=timeout_s,
        ),
        environ=environ,
        now_ms=now_ms,
    )


def key_variables(exchange: str) -> tuple[str, str]:
    """Return the names of the variables that hold the key and the secret of *exchange*."""
    prefix = Credentials.of(exchange, {}).prefix
    return f"{prefix}_API_KEY", f"{prefix}_API_SECRET"


def missing_keys(exchange: str, environ: Mapping[str, str]) -> list[str]:
    """Return which of them *environ* does not have, in one line; nothing where it has both."""
    absent = [name for name in key_variables(exchange) if not environ.get(name, "").strip()]
    return [f"the keys of {exchange}: expected {' and '.join(absent)} in the environment, found none"] if absent else []

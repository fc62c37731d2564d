"""What the keys of an account may do, as far as the venue tells."""

from collections.abc import Mapping
from typing import NamedTuple

from backtestkit_cli.exchange.broker.refusals import Failed
from backtestkit_cli.exchange.broker.venue_calls import VenueCalls


class Permissions(NamedTuple):
    """What the keys may do; None where the venue does not tell."""

    can_trade: bool | None = None
    can_withdraw: bool | None = None


async def permissions_of(exchange_id: str, calls: VenueCalls) -> Permissions:
    """Return what the keys may do; a venue that does not tell is asked for the balances, so that they are tried.

    Raises:
        VenueError: the venue refused the keys, or was not reached.
    """
    if exchange_id != "binance":
        await calls.demand(lambda venue: venue.fetch_balance())
        return Permissions()
    account = await calls.demand(lambda venue: venue.private_get_account())
    key = await calls.read(lambda venue: venue.sapi_get_account_apirestrictions())
    may_account = _flag(account, "canTrade")
    if isinstance(key, Failed):
        return Permissions(can_trade=may_account)
    may_key = _flag(key, "enableSpotAndMarginTrading")
    told = [flag for flag in (may_account, may_key) if flag is not None]
    return Permissions(all(told) if told else None, _flag(key, "enableWithdrawals"))


def _flag(told: object, name: str) -> bool | None:
    """Return the yes or no called *name* of an answer that ccxt hands through as it came, texts for booleans too."""
    value = told.get(name) if isinstance(told, Mapping) else None
    return None if value is None else str(value).lower() == "true"

"""The venue: whether it answers, by which clock, to which keys, and whether it has the symbols."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from backtestkit_cli.config.exchanges import CcxtExchange
from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.errors import ConfigError, MissingCandlesError, VenueError
from backtestkit_cli.exchange.credentials import Credentials
from backtestkit_cli.runs.doctor.findings import Finding, doubtful, failed, fine
from backtestkit_cli.runs.sources import DataAccess, now_ms, venue_of

if TYPE_CHECKING:
    from backtestkit_cli.exchange.broker.permissions import Permissions
    from backtestkit_cli.exchange.retrying import Retry
    from backtestkit_cli.exchange.source import CcxtSource
    from backtestkit_cli.exchange.venue_clock import ClockReading

_CONFIG, _VENUE = 2, 5


class KeyHolder(Protocol):
    """What may ask a venue about keys: a broker."""

    async def permissions(self) -> "Permissions":
        """Return what the keys may do.

        Raises:
            VenueError: the venue refused the keys, or was not reached.
        """
        ...

    async def disconnect(self) -> None:
        """Let go of connections."""
        ...


async def reached(
    name: str, exchange: CcxtExchange, access: DataAccess, symbols: Sequence[str], max_skew_seconds: float
) -> list[Finding]:
    """Return whether the venue answers, how far its clock is from ours, and whether it trades *symbols*."""
    source = venue_of(name, exchange, access, retry=_hasty())
    try:
        await source.listings_of(())
        reading = await source.read_clock()
        answers = fine("venue", f"{name}: answers in {reading.round_trip_ms:,} ms")
        return [answers, clock(name, reading, max_skew_seconds), *await _symbols(source, symbols)]
    except VenueError as error:
        return [failed("venue", str(error), "look at the network, and at what the venue says of itself", _VENUE)]
    finally:
        await source.close()


def _hasty() -> "Retry":
    from backtestkit_cli.exchange.retrying import Retry

    return Retry(attempts=2, first_wait_seconds=0.2, max_wait_seconds=2.0, timeout_seconds=10.0)


def clock(name: str, reading: "ClockReading", max_skew_seconds: float) -> Finding:
    """Return whether our clock is right; a difference that the way of the answer may explain is none."""
    skew_seconds = reading.skew_ms / 1000
    doubt_seconds = reading.round_trip_ms / 2000 + (0.5 if reading.is_coarse else 0)
    times = f"it is {_time(reading.venue_ms)} there and {_time(reading.ours_ms)} here (UTC)"
    if abs(skew_seconds) - doubt_seconds <= max_skew_seconds:
        return fine("clock", f"{abs(skew_seconds):,.3f} s from {name}")
    text = f"{abs(skew_seconds):,.3f} s from {name}, at most {max_skew_seconds:g} s are allowed: {times}"
    return failed("clock", text, "set the clock of this machine, best by NTP", _VENUE)


def _time(at_ms: float) -> str:
    return to_datetime(round(at_ms)).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


async def _symbols(source: "CcxtSource", symbols: Sequence[str]) -> list[Finding]:
    found: list[Finding] = []
    for symbol in symbols:
        try:
            listing = (await source.listings_of([symbol]))[symbol]
        except MissingCandlesError as error:
            found.append(failed("symbols", str(error), "mend the symbols of the run", _CONFIG))
            continue
        if not listing.active:
            text = f"{source.name}: {symbol} ({listing.symbol}) is not traded now"
            found.append(failed("symbols", text, "wait until it is, or leave it out", _VENUE))
    if found or not symbols:
        return found
    return [fine("symbols", f"{source.name} trades {', '.join(symbols)}")]


def broker_of(name: str, exchange: CcxtExchange, environ: Mapping[str, str]) -> KeyHolder:
    """Return what asks the venue called *name* about the keys in *environ*.

    Raises:
        ConfigError: nobody trades on its market.
    """
    from backtestkit_cli.exchange.broker.broker import CcxtBroker

    return CcxtBroker(
        name=name,
        exchange_id=exchange.id,
        market=exchange.market,
        url=exchange.url,
        retry=_hasty(),
        environ=environ,
        now_ms=now_ms,
    )


async def keys(name: str, environ: Mapping[str, str], broker: Callable[[], KeyHolder]) -> list[Finding]:
    """Return which variables of the keys of *name* are set, and what the keys may do, which *broker*'s result asks."""
    held = Credentials.of(name, environ)
    parts = {"KEY": held.api_key, "SECRET": held.secret}
    there = [f"{held.prefix}_API_{part}" for part, value in parts.items() if value]
    absent = [f"{held.prefix}_API_{part}" for part, value in parts.items() if not value]
    if not there:
        return [fine("keys", f"{' and '.join(absent)} are not set: only trading with money needs them")]
    if absent:
        return [doubtful("keys", f"{there[0]} is set, {absent[0]} is not", f"set {absent[0]} as well")]
    told = fine("keys", f"{' and '.join(there)} are set")
    try:
        return [told, *await _permitted(name, broker())]
    except ConfigError as error:
        return [told, doubtful("permissions", str(error), "trade elsewhere, or on paper")]


async def _permitted(name: str, broker: KeyHolder) -> list[Finding]:
    check = "permissions"
    try:
        may = await broker.permissions()
    except VenueError as error:
        return [failed(check, str(error), "make new keys, or allow this address to use them", _VENUE)]
    finally:
        await broker.disconnect()
    if may.can_trade is False:
        return [failed(check, f"{name}: the keys may not trade", "allow them to trade, at the venue", _VENUE)]
    trading = "may trade" if may.can_trade else "are accepted (the venue does not tell whether they may trade)"
    if may.can_withdraw:
        advice = "forbid it at the venue: nothing here needs it"
        return [doubtful(check, f"{name}: the keys {trading}, and withdraw", advice)]
    return [fine(check, f"{name}: the keys {trading}")]

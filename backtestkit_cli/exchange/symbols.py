"""The spellings of a symbol: `BTCUSDT`, `BTC/USDT`, `BTC/USDT:USDT`, or what the venue itself writes."""

from collections.abc import Callable, Iterable

from backtestkit_cli.errors import MissingCandlesError, suggestion
from backtestkit_cli.exchange.listings import Listing, Listings

MARKET_KINDS = {
    "spot": ("spot",),
    "margin": ("spot",),
    "swap": ("swap",),
    "future": ("future", "swap"),
}
"""The markets that can be chosen, and which kinds of listing each one trades."""

_SETTLE = "__"  # no venue writes two in a row, so that a name is its own cache name


def resolve(text: str, listings: Listings, market: str, venue: str) -> Listing:
    """Return the listing that *text* means among those of *market*.

    An exact spelling goes before another case, a name before a pair, a perpetual contract before a dated
    one, and what is settled in its quote before what is not. Listings of other markets are meant only if
    *text* names the settlement, or if the venue has no others.

    Raises:
        MissingCandlesError: there is none, or more than one is meant.
    """
    kinds = MARKET_KINDS[market]
    here = [one for one in listings.values() if one.kind in kinds]
    scopes = [here, listings.values()] if ":" in text or not here else [here]
    for scope in scopes:
        for meant in _readings(text):
            found = _preferred([one for one in scope if meant(one)])
            if len(found) == 1:
                return found[0]
            if found:
                names = " or ".join(sorted(repr(one.symbol) for one in found)[:5])
                raise MissingCandlesError(f"{venue}: symbol {text!r} is ambiguous: expected {names}")
    known = {one.pair for one in scopes[-1] if not one.is_dated}
    raise MissingCandlesError(f"{venue}: no symbol {text!r}{suggestion(_compact(text), known)}")


def _readings(text: str) -> Iterable[Callable[[Listing], bool]]:
    folded, compact = text.casefold(), _compact(text)
    settled = ":" in text
    yield lambda one: text == one.symbol if settled else text == one.id
    yield lambda one: not settled and not one.is_dated and text in {one.pair, f"{one.base}/{one.quote}"}
    yield lambda one: folded in {one.symbol.casefold(), one.id.casefold()}
    yield (
        lambda one: (
            compact == _compact(one.id)
            or (compact == _compact(one.symbol if settled else one.pair) and (settled or not one.is_dated))
        )
    )


def _preferred(found: list[Listing]) -> list[Listing]:
    """Return *found* without what a person who said no more would not mean."""
    if len(found) > 1:
        found = [one for one in found if one.kind != "option"] or found
    if len(found) > 1:
        found = [one for one in found if not one.is_dated] or found
    if len(found) > 1:
        found = [one for one in found if one.settle in {"", one.quote}] or found
    return found


def cache_name(text: str, market: str) -> str:
    """Return one name for all spellings of a symbol that can be told without asking: letters, digits and `__`.

    The currency of settlement follows after `__` unless it is what *market* settles in anyway: the quote of
    a contract. So does the date of a contract that has one.
    """
    left, _, right = text.partition(":")
    settle, _, date = map(_compact, right.partition("-"))
    pair, *others = map(_compact, left.split(_SETTLE))
    quote = _compact(left.partition("/")[2])
    is_usual = settle == quote if quote else pair.endswith(settle)
    if market in {"spot", "margin"} or not is_usual:
        others.append(settle)
    return _SETTLE.join(part for part in (pair, *others, date) if part) or "UNNAMED"


def _compact(text: str) -> str:
    """Return the letters and digits of *text* in capitals, those that are not ASCII as their number."""
    kept = (char for char in text.upper() if char.isalnum())
    return "".join(char if char.isascii() else f"U{ord(char):X}" for char in kept)

"""Keys below `store`: what each may be, and what is said of one that there is not."""

from dataclasses import fields
from typing import get_type_hints

from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.stores import StoreConfig, StoreOfMode
from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import suggestion


def place_hint(key: Key) -> object:
    """Return the type of the value at *key*, below `store`; None if that does not say enough."""
    return None if _is_whole(key) else get_type_hints(StoreConfig, include_extras=True).get(str(key[-1]))


def whole_words(key: Key) -> str:
    """Say what is expected at *key*, below `store`, where that is a mapping."""
    match key:
        case (*_, "kinds"):
            return "a mapping from kinds of records to places"
        case ("modes",):
            return "a mapping from modes to stores"
        case _:
            return "a mapping with kind"


def unknown_store_key(key: Key) -> str:
    """Return what is said of *key*, below `store`, which there is none of."""
    name = str(key[-1])
    if name == "strategies":
        return "there is one store for all strategies; `kinds:` keeps kinds of records elsewhere, `modes:` whole modes"
    if name == "modes" and key[0] == "modes":
        return "a store of one mode has no modes of its own"
    owner = PlaceOptions if key[-2:-1] == ("cache",) or key[-3:-2] == ("kinds",) else StoreOfMode
    names = {one.name for one in fields(StoreConfig if len(key) == 1 else owner)}
    return f"unknown key{suggestion(name, names)}"


def deepest_in_store(key: Key) -> int:
    """Return how many parts a key can have, `store` included, that goes on below that as *key*."""
    match key:
        case ("modes", _, *rest):
            return 2 + deepest_in_store(tuple(rest))
        case ("kinds", *_):
            return 4
        case ("cache", *_):
            return 3
        case _:
            return 2


def _is_whole(key: Key) -> bool:
    """Say whether a mapping is at *key*, below `store`."""
    match key:
        case ("modes", _, *rest) if rest:
            return _is_whole(tuple(rest))
        case () | ("cache" | "kinds" | "modes",) | ("kinds" | "modes", _):
            return True
        case _:
            return False

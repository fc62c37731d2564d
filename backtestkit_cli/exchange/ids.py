"""Which exchanges ccxt knows, found without importing it."""

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from backtestkit_cli.errors import UnknownNameError


@lru_cache
def exchange_ids() -> tuple[str, ...]:
    """Return the ids of all exchanges of the installed ccxt, sorted; importing it would cost half a second."""
    spec = find_spec("ccxt")
    roots = (spec.submodule_search_locations or []) if spec else []
    modules = (file for root in roots for file in (Path(root) / "async_support").glob("*.py"))
    return tuple(sorted(file.stem for file in modules if not file.stem.startswith("_")))


def checked_exchange_id(exchange_id: str) -> str:
    """Return *exchange_id* if ccxt knows it.

    Raises:
        UnknownNameError: it does not; the message offers the nearest ids.
    """
    if exchange_id not in exchange_ids():
        raise UnknownNameError("exchange", exchange_id, exchange_ids())
    return exchange_id

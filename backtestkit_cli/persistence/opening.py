"""A store for programs, from a URL, a folder, or what a config says."""

import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from backtestkit_cli.domain.stores import SCHEMES, PlaceOptions, StoreKind, StoreOptions
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.ports import Store

_KINDS = {scheme: kind for kind, schemes in SCHEMES.items() for scheme in schemes}


@asynccontextmanager
async def open_store(where: str | Path | StoreOptions) -> AsyncIterator[Store]:
    """Open the store that is *where*: the URL of a server, a folder, or options; leave it closed.

    Raises:
        ConfigError: it is no URL of a store, or a package is not installed.
        StoreUnavailableError: it was not reached, or cannot be written.
    """
    options = where if isinstance(where, StoreOptions) else StoreOptions(place=place_at(where))
    places = Places(options, os.environ)
    try:
        store = places.cached(_now_ms)
        await store.wait_for_init()
        yield store
    finally:
        await places.close()


def _now_ms() -> int:
    return time.time_ns() // 1_000_000  # noqa: TID251 - a cache is fresh or not by real time


def place_at(where: str | Path) -> PlaceOptions:
    """Return the place that *where* is: the URL of a server, or a folder.

    Raises:
        ConfigError: it is no URL of a store.
    """
    scheme, sign, _ = str(where).partition("://")
    if not sign:
        return PlaceOptions(kind=StoreKind.FILE, folder=str(where))
    if scheme.lower() not in _KINDS:
        raise UnknownNameError("kind of store", scheme, _KINDS)
    return PlaceOptions(kind=_KINDS[scheme.lower()], url=str(where))

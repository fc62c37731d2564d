"""The places of all records of a mode, as options describe them, and the store that they make together."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias, cast

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, StoreOptions
from backtestkit_cli.persistence.building import shelf_of
from backtestkit_cli.persistence.cached_store import CachedStore
from backtestkit_cli.persistence.patient_shelf import PatientShelf
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.routed_store import RoutedStore
from backtestkit_cli.persistence.shelf import LeasingShelf, Shelf
from backtestkit_cli.ports import Key, Store

Front: TypeAlias = Callable[[LeasingShelf, PlaceOptions], Shelf]
"""Returns what stands before the shelf of a server."""

_LOCAL = {StoreKind.FILE, StoreKind.MEMORY}


def patient(shelf: Shelf, place: PlaceOptions) -> PatientShelf:
    """Return *shelf*, the one of *place*, asked again where it was not reached."""
    return PatientShelf(cast("LeasingShelf", shelf), place.patience_seconds)


class Places:
    """The shelves of one mode, each place once; nothing is opened."""

    def __init__(self, options: StoreOptions, environ: Mapping[str, str]) -> None:
        """Make the shelves that *options* describe; URLs may be in *environ*.

        Raises:
            ConfigError: a URL is missing, or a package is not installed.
        """
        self._options = options
        self._shelves = {place: shelf_of(place, environ) for place in (options.place, *options.kinds.values())}
        self._cache = None if options.cache is None else shelf_of(options.cache, environ)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Return the folders of those that are files."""
        return tuple(Path(place.folder) for place in self._shelves if place.kind is StoreKind.FILE)

    @property
    def servers(self) -> tuple[tuple[PlaceOptions, LeasingShelf], ...]:
        """Return those that several machines can share."""
        return tuple(
            (place, cast("LeasingShelf", shelf))
            for place, shelf in self._shelves.items()
            if place.kind not in _LOCAL and hasattr(shelf, "take")
        )

    @property
    def seconds_to_tell(self) -> float:
        """Return for how long who holds a lease must be watched to tell whether he renews it, 0 if a server knows."""
        is_watched = any(place.kind is StoreKind.S3 for place in self._shelves)
        return self._options.lease_seconds if is_watched else 0.0

    @property
    def unleased(self) -> tuple[PlaceOptions, ...]:
        """Return the places that lend no right to write."""
        servers = {place for place, _ in self.servers}
        return tuple(place for place in self._shelves if place not in servers)

    def place_of(self, key: Key) -> PlaceOptions:
        """Return the place of *key*, by the kind of record that it is."""
        kind = key[2] if len(key) > 2 else ""
        return self._options.kinds.get(kind, self._options.place)

    def shelves(self, front: Front = patient) -> dict[PlaceOptions, Shelf]:
        """Return the shelf of each place, with *front* before those of servers."""
        return {**self._shelves, **{place: front(shelf, place) for place, shelf in self.servers}}

    def store(self, front: Front = patient, *, is_onlooker: bool = False) -> Store:
        """Return the store of all of them, with *front* before those of servers; what it reads is the truth."""
        shelves = self.shelves(front).items()
        stores = {place: RecordStore(shelf, is_onlooker=is_onlooker) for place, shelf in shelves}
        rest = stores[self._options.place]
        by_kind = {kind: stores[place] for kind, place in self._options.kinds.items()}
        return RoutedStore(rest, by_kind) if by_kind else rest

    def cached(self, now_ms: Callable[[], int], *, is_onlooker: bool = False) -> Store:
        """Return the store for those who may read what was so a moment ago, from the cache if there is one."""
        back = self.store(is_onlooker=is_onlooker)
        return back if self._cache is None else CachedStore(RecordStore(self._cache), back, now_ms=now_ms)

    async def close(self) -> None:
        """Let go of all connections."""
        for shelf in (*self._shelves.values(), *([] if self._cache is None else [self._cache])):
            await shelf.close()

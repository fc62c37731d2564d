"""Shelves and stores as options describe them; what a kind of store needs is imported once it is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, url_of
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.persistence.shelf import Shelf
from backtestkit_cli.persistence.shelves.files import FileShelf
from backtestkit_cli.persistence.shelves.memory import MemoryShelf


@dataclass(frozen=True, slots=True)
class _Server:
    """Where the shelf of a kind of server is, and which package of another's it needs."""

    shelf: str
    package: str

    def imported(self, kind: str) -> Any:  # noqa: ANN401 - the class of a shelf
        """Return the class of the shelf."""
        try:
            module = import_module(f"backtestkit_cli.persistence.shelves.{kind}")
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != self.package:
                raise
            hint = f"pip install 'backtestkit-cli[{kind}]'"
            raise ConfigError(f"a store of kind {kind} needs {self.package}, found it not installed: {hint}") from error
        return getattr(module, self.shelf)


_SERVERS = {
    StoreKind.REDIS: _Server("RedisShelf", "redis"),
    StoreKind.POSTGRES: _Server("PostgresShelf", "asyncpg"),
    StoreKind.MONGO: _Server("MongoShelf", "pymongo"),
    StoreKind.S3: _Server("S3Shelf", "obstore"),
}

_METHODS = ("place", "open", "get", "put", "delete", "names", "scan", "set_aside", "close")
"""What every shelf can do."""


def shelf_of(place: PlaceOptions, environ: Mapping[str, str]) -> Shelf:
    """Return the shelf that *place* describes, which has not been opened; a URL may be in *environ*.

    Raises:
        ConfigError: there is no URL, it is none of that kind, or a package or what makes the shelf is not there.
    """
    if place.kind is StoreKind.FILE:
        return FileShelf(Path(place.folder))
    if place.kind is StoreKind.MEMORY:
        return MemoryShelf()
    if place.kind is StoreKind.CUSTOM:
        return _made_by(place.factory or "", url_of(place, environ))
    shelf: Shelf = _SERVERS[place.kind].imported(place.kind)(place, url_of(place, environ))
    return shelf


def _made_by(factory: str, url: str) -> Shelf:
    """Return the shelf that *factory*, `module:name`, makes of *url*."""
    module, _, name = factory.partition(":")
    where = "store.factory"
    try:
        maker = getattr(import_module(module), name)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(f"{where}: expected a module that can be imported, found no {error.name}") from error
    except AttributeError as error:
        raise ConfigError(f"{where}: expected {name} in {module}, found nothing of that name") from error
    try:
        shelf: Shelf = maker(url)
    except Exception as error:  # somebody else's code may do anything; what it says may hold a password of the URL
        found = f"found that it raised {type(error).__name__}"
        raise ConfigError(f"{where}: expected a shelf of {factory}, {found}") from error
    wrong = [method for method in _METHODS if not callable(getattr(shelf, method, None))]
    if wrong:
        raise ConfigError(f"{where}: expected a shelf of {factory}, found {type(shelf).__name__} without {wrong[0]}()")
    return shelf

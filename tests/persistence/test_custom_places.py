"""Shelves of somebody else's, named by a config."""

import pytest

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind, StoreOptions
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.persistence.places import Places
from backtestkit_cli.persistence.shelves.memory import MemoryShelf

HERE = __name__


class Named(MemoryShelf):
    """A shelf that knows where it was said to be, and lends leases."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url


class Bare:
    """No shelf."""

    def __init__(self, url: str) -> None:
        self.url = url


def broken(url: str) -> None:
    raise ValueError(f"cannot be read: {url}")


def places(factory: str) -> Places:
    place = PlaceOptions(kind=StoreKind.CUSTOM, factory=factory, url_env="PLACE")
    return Places(StoreOptions(place=place), {"PLACE": "mine://here"})


async def test_what_a_factory_makes_of_the_url_keeps_the_records_under_leases() -> None:
    made = places(f"{HERE}:Named")
    ((_, shelf),) = made.servers
    assert isinstance(shelf, Named)
    assert shelf.url == "mine://here"
    await made.store().write(("live", "a", "note"), {"n": 1})
    assert await made.store().read(("live", "a", "note")) == {"n": 1}


@pytest.mark.parametrize(
    ("factory", "said"),
    [
        (f"{HERE}:Bare", r"expected a shelf of .*:Bare, found Bare without place\(\)"),
        (f"{HERE}:broken", "expected a shelf of .*:broken, found that it raised ValueError"),
        (f"{HERE}:Nobody", "expected Nobody in .*, found nothing of that name"),
        ("no_such_package.stores:Shelf", "expected a module that can be imported, found no no_such_package"),
    ],
)
def test_what_makes_no_shelf_is_one_line(factory: str, said: str) -> None:
    with pytest.raises(ConfigError, match=f"^store.factory: {said}$"):
        places(factory)

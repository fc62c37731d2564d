"""What is in a store: how many records of each kind, how large, and how old."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from backtestkit_cli.domain.stores import StoreKind
from backtestkit_cli.persistence.holdings import Holdings
from backtestkit_cli.ports import Key


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which keys are asked for: those of a mode, an exchange and a kind, each of which may be any."""

    mode: str | None = None
    exchange: str | None = None
    kind: str | None = None

    def __call__(self, key: Key) -> bool:
        """Say whether *key* is."""
        asked = (self.mode, self.exchange, self.kind)
        return all(one is None or key[at : at + 1] == (one,) for at, one in enumerate(asked))

    def is_of(self, mode: str, exchange: str) -> bool:
        """Say whether anything of *mode* and *exchange* is."""
        return self.mode in {None, mode} and self.exchange in {None, exchange}


class Group(NamedTuple):
    """The records of one kind of a bot; `newest_ms` is when one was written last, None where the place does not tell.

    Keys of a user's own data may have fewer parts: what is not there is empty.
    """

    mode: str
    exchange: str
    kind: str
    records: int
    size_bytes: int
    newest_ms: int | None


async def groups_in(holdings: Holdings, keys: Iterable[Key]) -> list[Group]:
    """Return what *keys* of *holdings* are, in their order."""
    found: dict[tuple[str, str, str], Group] = {}
    async for batch in holdings.contents(list(keys)):
        for key, content in batch.items():
            mode, exchange, kind = (*key[:3], "", "")[:3]
            group = found.get((mode, exchange, kind), Group(mode, exchange, kind, 0, 0, None))
            times = [one for one in (group.newest_ms, _written_ms(holdings, key)) if one is not None]
            found[mode, exchange, kind] = group._replace(
                records=group.records + 1,
                size_bytes=group.size_bytes + len(content),
                newest_ms=max(times, default=None),
            )
    return list(found.values())


def _written_ms(holdings: Holdings, key: Key) -> int | None:
    """Return when the record of *key* was written; only files tell."""
    if holdings.places.place_of(key).kind is StoreKind.FILE:
        with suppress(OSError):
            return Path(holdings.place(key)).stat().st_mtime_ns // 1_000_000
    return None

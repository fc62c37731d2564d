"""Whether every record of a store can be read, down to what is in it."""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

from backtestkit_cli.alerts.message import message_from
from backtestkit_cli.alerts.outbox import ALERT
from backtestkit_cli.domain.position import Trade
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import BacktestKitError, CorruptRecordError, ForeignRecordError, StoreError
from backtestkit_cli.execution.record import account_of
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.holders import Holder
from backtestkit_cli.persistence.holdings import Holdings
from backtestkit_cli.persistence.inspection import inspected
from backtestkit_cli.persistence.occupancy import holders_in
from backtestkit_cli.persistence.parts import ShapeError
from backtestkit_cli.persistence.records import ASIDE, Records
from backtestkit_cli.persistence.run_journal import SHARED_KINDS
from backtestkit_cli.persistence.session_journal import SCHEDULE, SIGNAL, TRADE
from backtestkit_cli.ports import Json, Key
from backtestkit_cli.runs.stores.census import Wanted

_OWNER = ("mode", "exchange", "strategy", "symbol")
_KINDS: Mapping[str, tuple[type, int]] = {
    SIGNAL: (SessionMemory, 4),
    SCHEDULE: (SessionMemory, 4),
    TRADE: (Trade, 4),
    **{name: (kind, 2) for kind, name in SHARED_KINDS.items()},
}
"""What records of a kind hold, and how many names their owner has."""


class Wrong(StrEnum):
    """What can be wrong with a record."""

    DAMAGED = "damaged"
    NEWER = "newer or foreign"
    UNCHECKED = "not checked"


class Problem(NamedTuple):
    """A record that cannot be read, or not without more than there is: then it is `UNCHECKED`, which is no fault."""

    key: Key
    wrong: Wrong
    text: str


class Verdict(NamedTuple):
    """What was found of so many `records`; `aside` are those that were damaged before, and `holders` who trades."""

    records: int
    problems: tuple[Problem, ...]
    aside: tuple[str, ...]
    holders: tuple[Holder, ...]

    @property
    def is_sound(self) -> bool:
        """Say whether every record can be read."""
        return all(one.wrong is Wrong.UNCHECKED for one in self.problems)


async def verified(holdings: Holdings, asked: Wanted, tell: Callable[[str, int], None]) -> Verdict:
    """Return what is to say of those records of *holdings* that are *asked* for; nothing is changed.

    Raises:
        StoreError: a place cannot be read at all.
    """
    keys = [key for key in await holdings.keys() if asked(key)]
    checker = _Checker(holdings)
    records, problems = 0, []
    async for batch in holdings.records(keys):
        problems += [found for key, record in batch.items() if (found := checker.problem(key, record))]
        records += len(batch)
        tell("read", records)
    aside = [holdings.place(key) for key in keys if key[2:3] == (ASIDE,)]
    aside += [str(file) for folder in holdings.places.folders for file in inspected(folder).moved_aside]
    holders = [one for one in await holders_in(holdings.places) if asked.is_of(one.mode, one.exchange)]
    return Verdict(records, tuple(problems), tuple(aside), tuple(holders))


class _Checker:
    def __init__(self, holdings: Holdings) -> None:
        self._holdings = holdings
        self._onlooker = holdings.places.store(is_onlooker=True)
        self._codec = Codec()

    def problem(self, key: Key, record: Json | StoreError) -> Problem | None:
        """Return what is wrong with *record*, None if nothing is."""
        place = self._holdings.place(key)
        try:
            if isinstance(record, StoreError):
                raise record
            self._read(key, record)
        except (ShapeError, CorruptRecordError) as error:
            text = str(error)
            return Problem(key, Wrong.DAMAGED, text if text.startswith(place) else f"{place}: cannot be read: {text}")
        except ForeignRecordError as error:
            return Problem(key, Wrong.NEWER, str(error))
        except BacktestKitError as error:
            return Problem(key, Wrong.UNCHECKED, f"{place}: {error}")
        return None

    def _read(self, key: Key, record: Json) -> None:
        """Read *record* as what its key says that it is; of a user's own data nothing is known."""
        kind = key[2] if len(key) > 2 else ""
        if kind in _KINDS:
            holds, names = _KINDS[kind]
            owner = dict(zip(_OWNER[:names], (*key[:2], *key[3:]), strict=False))
            Records(self._onlooker, self._codec, owner).decoded(key, record, holds)
        elif kind == "account":
            account_of(record)
        elif kind == ALERT:
            try:
                message_from(record)
            except StoreError as error:
                raise CorruptRecordError(str(error)) from error

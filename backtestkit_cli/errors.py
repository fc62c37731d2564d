"""Every expected failure, as one tree cut by what the caller does next.

BacktestKitError              1  the run failed
├── ConfigError               2  the user mends a flag, a file or a name
│   └── UnknownNameError      2  ... and this is the nearest name
├── StrategyError             2  the strategy file does not load or registers the wrong thing
├── DataError                 3  candles are missing or bad
│   ├── MissingCandlesError   3  ... not there
│   │   └── ShortHistoryError 3  ... a span begins before them or ends after them
│   ├── BadCandleError        3  ... there, but impossible
│   ├── NotEnoughCandlesError 3  ... fewer closed before now than were asked for
│   ├── StorageError          3  ... fetched, and the cache cannot keep them
│   └── SavedRunError         3  a run folder is half-written, damaged, or of another program
├── StoreError                3  saved state cannot be read or written
│   ├── StoreUnavailableError 3  ... for now: its place is full, may not be written, or is out of order
│   │   └── StoreUnreachableError 3  ... not reached: it is tried again
│   ├── MissingRecordError    3  ... there is no such record
│   ├── CorruptRecordError    3  ... it was damaged, and has been moved aside
│   └── ForeignRecordError    3  ... it is of a newer version, or of another exchange or strategy
├── LockedError               2  another process trades the same account
│   └── LeaseLostError        2  ... since a while, and has taken it from this one
├── VenueError                5  a venue refused, or was not reached within the retries
├── ContextError              1  the author's API was used outside a run
└── OutputError               1  a result could not be written

What is not in this tree is a bug and keeps its traceback.
"""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

_SHOWN = 16


class BacktestKitError(Exception):
    """Base of every expected failure; `exit_code` is what the process ends with."""

    exit_code = 1


class ConfigError(BacktestKitError):
    """A flag, an environment variable or a config file is wrong; `problems` lists every mistake found."""

    exit_code = 2

    def __init__(self, problems: str | Sequence[str]) -> None:
        """Take one problem or all of them, each a whole line that says where it is."""
        self.problems = (problems,) if isinstance(problems, str) else tuple(problems)
        super().__init__("\n".join(self.problems))


class UnknownNameError(ConfigError):
    """A name does not exist; the message offers the nearest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, where: str = "") -> None:
        """Say which *kind* of thing *name* was meant to be, and what is *known*."""
        prefix = f"{where}: " if where else ""
        super().__init__(f"{prefix}unknown {kind} {name!r}{suggestion(name, known)}")

    def __reduce__(self) -> tuple[type[ConfigError], tuple[str]]:
        """Cross to another process as what it says, where nobody asks for the names any more."""
        return ConfigError, (str(self),)


class StrategyError(BacktestKitError):
    """A strategy file does not import, or does not register what was asked for."""

    exit_code = 2


class DataError(BacktestKitError):
    """Candles are missing or bad."""

    exit_code = 3


class MissingCandlesError(DataError):
    """A source has no candles for all or part of a span."""


class ShortHistoryError(MissingCandlesError):
    """A source has candles of a symbol, and the span asked for begins before or ends after them."""


class BadCandleError(DataError):
    """A candle breaks a rule of the door; the message names file and row."""


class NotEnoughCandlesError(DataError):
    """Fewer closed candles exist before now than were asked for."""


class StorageError(DataError):
    """The cache cannot be written: no space is left, or it is somebody else's; what it held is intact."""


class SavedRunError(DataError):
    """The folder of a run cannot be read back; the message names the file."""


class StoreError(BacktestKitError):
    """Saved state cannot be read or written; the message names the place."""

    exit_code = 3


class StoreUnavailableError(StoreError):
    """Records cannot be read or written for now: the place is full, may not be written, or is out of order."""


class StoreUnreachableError(StoreUnavailableError):
    """The place of the records was not reached, or broke off; whether something was written nobody knows."""


class MissingRecordError(StoreError):
    """There is no record of that key."""


class CorruptRecordError(StoreError):
    """A record cannot be read; it has been moved aside, and the message says where to."""


class ForeignRecordError(StoreError):
    """A record is of a newer version, or of another exchange or strategy; it stays where it is."""


class LockedError(BacktestKitError):
    """Another process trades the same account in the same mode."""

    exit_code = 2


class LeaseLostError(LockedError):
    """Another process has taken over what this one traded: nothing of this one is kept any more."""


class VenueError(BacktestKitError):
    """A venue or database refused, or could not be reached beyond the limit of retries."""

    exit_code = 5


class ContextError(BacktestKitError):
    """The author's API was used outside a run, or a command outside its state."""


class OutputError(BacktestKitError):
    """A result could not be written."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``; did you mean 'a'?`` or the list of what exists, ready to append to a message."""
    names = sorted(known)
    cutoff = 0.6 if len(name) > 5 else 0.5  # of `7m` and `5m`, half is equal
    near = get_close_matches(name.lower(), [n.lower() for n in names], n=3, cutoff=cutoff)
    close = [n for n in names if n.lower() in near]
    if close:
        return "; did you mean " + " or ".join(repr(n) for n in close) + "?"
    if not names:
        return "; there are none"
    shown = ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
    return f"; known: {shown}"

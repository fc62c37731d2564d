"""Where a row of a file is, and the one line that says what is wrong with it."""

from pathlib import Path
from typing import NamedTuple

from backtestkit_cli.errors import BadCandleError

_SHOWN = 60


class Rows(NamedTuple):
    """How messages count the rows of *file*: lines of a text from the line of the first candle, rows from 1."""

    file: Path
    word: str = "row"
    first: int = 1

    def mistake(self, row: int, problem: str, count: int = 1) -> BadCandleError:
        """Return the error that says what is wrong with *row* (counted from 0), the first of *count* bad ones."""
        more = f"; {count:,} bad {self.word}s in all" if count > 1 else ""
        return BadCandleError(f"{self.file}: {self.word} {self.first + row}: {problem}{more}")


def shown(value: object) -> str:
    """Return *value* as a message shows it: quoted where it is text, cut where it is long."""
    if value is None:
        return "no value"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

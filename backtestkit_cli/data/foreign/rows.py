"""Where a foreign row is, and the one line that says what is wrong with it."""

from typing import NamedTuple

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.errors import BadCandleError

_SHOWN = 60


class Rows(NamedTuple):
    """How messages count the rows of *where*, such as a file: lines from that of the first candle, or rows from 1."""

    where: str
    word: str = "row"
    first: int = 1

    def mistake(self, row: int, problem: str, count: int = 1, *, at_ms: int | None = None) -> BadCandleError:
        """Return the error that says what is wrong with *row* (counted from 0), the first of *count* bad ones."""
        at = "" if at_ms is None else f" ({utc_text(at_ms)})"
        more = f"; {count:,} bad {self.word}s in all" if count > 1 else ""
        return BadCandleError(f"{self.where}: {self.word} {self.first + row}{at}: {problem}{more}")


def shown(value: object) -> str:
    """Return *value* as a message shows it: quoted where it is text, cut where it is long."""
    if value is None:
        return "no value"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"

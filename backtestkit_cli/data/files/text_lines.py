"""The lines of a text of candles: how the file is written, and what breaks it."""

import csv
import gzip
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TextIO

from backtestkit_cli.data.files.columns import places_of, problem_of
from backtestkit_cli.data.foreign.rows import shown
from backtestkit_cli.data.foreign.times import is_time
from backtestkit_cli.domain.candle import COLUMNS, NUMBERS
from backtestkit_cli.errors import BadCandleError, MissingCandlesError

_GZIP = b"\x1f\x8b"
_SEPARATORS = (",", ";", "\t")
_NUMBER = re.compile(r"[+-]?((\d+\.?\d*|\.\d+)(e[+-]?\d+)?|nan|inf(inity)?)", re.IGNORECASE)
_REMARK = re.compile(r"#|https?://")
_MOST_REMARKS = 20


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text of candles is written.

    `skipped` lines come before the first candle, `fields` is how many a line has, `places` says which
    of them our columns are, and `names` what the file calls those.
    """

    separator: str
    skipped: int
    fields: int
    places: dict[str, int]
    names: dict[str, str]


def layout_of(file: Path) -> Layout:
    """Return how *file* is written, from its first line that is no remark (`#…`, or an address).

    Without a header the fields are timestamp, open, high, low, close, volume and others that are ignored.

    Raises:
        BadCandleError: the line is neither the header nor a candle.
        MissingCandlesError: the file cannot be read, or is empty.
    """
    with text_errors(file), _opened(file) as text:
        start = list(islice(text, _MOST_REMARKS))
        if not start:
            raise MissingCandlesError(f"{file}: expected candles, found an empty file")
        remarks = next((place for place, line in enumerate(start) if not _REMARK.match(line)), 0)
        separator = max(_SEPARATORS, key=start[remarks].count)
        fields = [field.strip() for field in next(csv.reader([start[remarks]], delimiter=separator), [])]
    where = f"{file}: line {remarks + 1}"
    if fields and is_time(fields[0]):
        if len(fields) < len(COLUMNS):
            raise BadCandleError(f"{where}: expected the fields {','.join(COLUMNS)}, found {len(fields)} of them")
        places = {column: place for place, column in enumerate(COLUMNS)}
        return Layout(separator, remarks, len(fields), places, dict(zip(COLUMNS, COLUMNS, strict=True)))
    problem = problem_of(fields)
    if problem:
        found = separator.join(fields)[:100] or "a blank line"
        raise BadCandleError(f"{where}: expected the header {','.join(COLUMNS)}; {problem}, found {found}")
    places = places_of(fields)
    names = {column: fields[place] for column, place in places.items()}
    return Layout(separator, remarks + 1, len(fields), places, names)


def refuse_broken_line(file: Path, layout: Layout, *, sound: int = 0) -> None:
    """Refuse *file* for its first line that has another number of fields or no number in our columns.

    Slow, for the message only; the first *sound* rows are passed over, and times are looked at
    elsewhere. Blank lines at the end are not broken.

    Raises:
        BadCandleError: there is such a line.
    """
    with text_errors(file), _opened(file) as text:
        reader = csv.reader(islice(text, layout.skipped, None), delimiter=layout.separator)
        first_blank = 0
        for fields in islice(reader, sound, None):
            line = layout.skipped + reader.line_num
            if not any(field.strip() for field in fields):
                first_blank = first_blank or line
                continue
            problem = _problem([] if first_blank else fields, layout)
            if problem:
                raise BadCandleError(f"{file}: line {first_blank or line}: {problem}")


def _problem(fields: Sequence[str], layout: Layout) -> str | None:
    if len(fields) != layout.fields:
        return f"expected {layout.fields} fields, found {len(fields) or 'a blank line'}"
    for column in NUMBERS:
        field = fields[layout.places[column]]
        if not _NUMBER.fullmatch(field.strip()):
            return f"column {layout.names[column]}: expected a number, found {shown(field)}"
    if not fields[layout.places["timestamp"]].strip():
        return f"column {layout.names['timestamp']}: expected a time, found ''"
    return None


@contextmanager
def text_errors(file: Path) -> Iterator[None]:
    """Turn what reading *file* as text may raise into our errors, one line each."""
    try:
        yield
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadCandleError(f"{file}: expected a CSV file of candles, found: {error}") from error
    except (EOFError, zlib.error) as error:
        raise BadCandleError(f"{file}: expected a whole gzip file, found: {error}") from error
    except OSError as error:
        if error.errno is None:  # not the system's: the file is there, what is packed in it is damaged
            raise BadCandleError(f"{file}: expected a whole gzip file, found: {error}") from error
        raise MissingCandlesError(f"{file}: cannot be read: {error.strerror or error}") from error


@contextmanager
def _opened(file: Path) -> Iterator[TextIO]:
    with file.open("rb") as raw:
        is_packed = raw.read(2) == _GZIP
    opened = gzip.open if is_packed else open
    with opened(file, "rt", encoding="utf-8-sig", newline="") as text:
        yield text

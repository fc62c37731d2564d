"""Records in a file: JSON, one a line. The first line says what the file is, the last one how many records it holds."""

import gzip
import zlib
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import orjson

from backtestkit_cli.atomic import replacing
from backtestkit_cli.errors import ConfigError, DataError, OutputError
from backtestkit_cli.persistence.holdings import BATCH
from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.ports import Json, Key

VERSION = 1
KEYS = KeyForm("/")
"""How keys are written for people: `live/binance/signal/sma/BTCUSDT`."""

_HEAD, _KEY, _RECORD, _COUNT = "btk_store", "key", "record", "records"


async def write_records(
    batches: AsyncIterator[Mapping[Key, Json]], write: Callable[[bytes], object], store: str, now: str
) -> int:
    """Give all of *batches*, those of *store* as it is *now*, to *write*, line by line; return how many they are."""
    write(_line({_HEAD: VERSION, "from": store, "at": now}))
    count = 0
    async for batch in batches:
        for key, record in batch.items():
            write(_line({_KEY: KEYS.text(key), _RECORD: record}))
        count += len(batch)
    write(_line({_COUNT: count}))
    return count


def _line(said: Mapping[str, object]) -> bytes:
    return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)


@contextmanager
def written(path: Path) -> Iterator[IO[bytes]]:
    """Yield what takes the lines of *path*, which is there in whole once the block succeeds, or as it was before.

    Raises:
        OutputError: it cannot be written.
    """
    try:
        with replacing(path) as draft, _opened(draft, path, "wb") as file:
            yield file
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from error


def records_in(path: Path) -> Iterator[tuple[Key, Json]]:
    """Yield the keys and records in *path*.

    Raises:
        ConfigError: there is no such file.
        DataError: it is no file of records, a damaged one, or of a newer program; the message says in which line.
    """
    try:
        with _opened(path, path, "rb") as file:
            yield from _parsed(path, file)
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: expected a file of btk store export, found none there") from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: cannot be read: {reason}") from error


async def batches_of(path: Path) -> AsyncIterator[Mapping[Key, Json]]:
    """Yield the records in *path*, as `records_in` does, batch by batch."""
    batch: dict[Key, Json] = {}
    for key, record in records_in(path):
        batch[key] = record
        if len(batch) == BATCH:
            yield batch
            batch = {}
    if batch:
        yield batch


def _opened(file: Path, name: Path, how: str) -> IO[Any]:
    return cast("IO[Any]", gzip.open(file, how) if name.suffix == ".gz" else file.open(how))


def _parsed(path: Path, lines: Iterable[bytes]) -> Iterator[tuple[Key, Json]]:
    seen: set[Key] = set()
    count: int | None = None
    number = 0
    for number, line in enumerate(lines, start=1):
        said = _object(path, number, line)
        if number == 1:
            _demand_head(path, said)
        elif count is not None:
            raise DataError(f"{path}:{number}: expected the end, as line {number - 1} says, found another line")
        elif _COUNT in said:
            count = said[_COUNT]
        else:
            key, record = _entry(path, number, said)
            if key in seen:
                raise DataError(f"{path}:{number}: expected each key once, found {said[_KEY]!r} again")
            seen.add(key)
            yield key, record
    if count != len(seen) or not number:
        told = "no such line" if count is None else f"{count} for {len(seen)}"
        raise DataError(f"{path}:{number}: expected the number of records at the end, found {told}: it is cut off")


def _object(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        said = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise DataError(f"{path}:{number}: expected a line of JSON, found something else: {error}") from error
    if not isinstance(said, dict):
        raise DataError(f"{path}:{number}: expected a JSON object, found another value")
    return said


def _demand_head(path: Path, said: Mapping[str, Any]) -> None:
    version = said.get(_HEAD)
    if type(version) is not int:
        raise DataError(f"{path}:1: expected a file of btk store export, found another one")
    if version > VERSION:
        raise DataError(f"{path}:1: a newer btk wrote this file: expected version {VERSION}, found {version}")


def _entry(path: Path, number: int, said: Mapping[str, Any]) -> tuple[Key, Json]:
    text, record = said.get(_KEY), said.get(_RECORD)
    key = KEYS.key(text) if isinstance(text, str) else None
    if key is None or not isinstance(record, dict):
        raise DataError(f"{path}:{number}: expected a key and a record, found something else")
    return key, record

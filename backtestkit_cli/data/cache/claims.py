"""Whose candles a folder of the cache holds: one name must not stand for two markets."""

from collections.abc import Mapping
from pathlib import Path

import orjson

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.errors import ConfigError, DataError, StorageError

_FILE = "exchange.json"


def claim(folder: Path, owner: Mapping[str, str], *, writes: bool) -> None:
    """Make sure that *folder*, that of one exchange, is *owner*'s; one without candles becomes so if *writes*.

    Raises:
        ConfigError: it holds candles of somebody else.
        DataError: it cannot be told whose it is.
        StorageError: the claim cannot be written.
    """
    file = folder / _FILE
    try:
        held = orjson.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        if writes:
            _write(file, owner)
        return
    except (OSError, orjson.JSONDecodeError) as error:
        raise DataError(f"{file}: expected whose candles these are, found: {error}") from error
    if held == dict(owner):
        return
    if any(entry.is_dir() for entry in folder.iterdir()):
        raise ConfigError(
            f"{folder}: holds candles of {_text(held)}, not of {_text(owner)}: expected another name for the exchange,"
            " or another --data folder"
        )
    if writes:
        _write(file, owner)


def _write(file: Path, owner: Mapping[str, str]) -> None:
    try:
        write_bytes(file, orjson.dumps(dict(owner), option=orjson.OPT_SORT_KEYS | orjson.OPT_APPEND_NEWLINE))
    except OSError as error:
        raise StorageError(f"{file}: cannot be written: {error.strerror or error}") from error


def _text(owner: object) -> str:
    return " ".join(str(part) for _, part in sorted(owner.items())) if isinstance(owner, Mapping) else "something else"

"""Keys of records: what they may be, what they begin with, and their natural order."""

import re
from collections.abc import Iterable
from typing import TypeAlias

from backtestkit_cli.domain.wording import shown
from backtestkit_cli.errors import StoreError
from backtestkit_cli.ports import Key

_NUMBER = re.compile(r"([0-9]+)")
_Natural: TypeAlias = tuple[tuple[tuple[str, int, str], ...], str]


def checked(key: Key) -> Key:
    """Return *key*.

    Raises:
        StoreError: it has no parts, or one that is empty or no text.
    """
    if not _is_key(key):
        raise StoreError(f"key of a record: expected one or more texts that are not empty, found {shown(key)}")
    return key


def _is_key(value: object) -> bool:
    return isinstance(value, tuple) and value != () and all(isinstance(part, str) and part for part in value)


def begins_with(key: Key, prefix: Key) -> bool:
    """Say whether the first parts of *key* are those of *prefix*, each as a whole."""
    return key[: len(prefix)] == prefix


def in_natural_order(keys: Iterable[Key]) -> list[Key]:
    """Return *keys* part by part in the order people count in: "2" before "10"."""
    return sorted(keys, key=lambda key: tuple(map(_natural, key)))


def _natural(part: str) -> _Natural:
    """Return what to sort *part* by: texts as such, runs of digits by their worth, whatever their length."""
    pieces = []
    for at, piece in enumerate(_NUMBER.split(part)):
        digits = piece.lstrip("0") if at % 2 else ""
        pieces.append(("", len(digits), digits) if at % 2 else (piece, 0, ""))
    return tuple(pieces), part

"""A record as bytes: JSON in an envelope that says which version of the format it is of."""

import math

import orjson

from backtestkit_cli.domain.wording import shown
from backtestkit_cli.errors import ForeignRecordError, StoreError
from backtestkit_cli.ports import Json

FORMAT = 1
_STRICT = orjson.OPT_PASSTHROUGH_DATACLASS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_APPEND_NEWLINE


class DamagedError(Exception):
    """Bytes are no record; the message says what they are instead."""


def sealed(record: Json, place: str) -> bytes:
    """Return *record* as bytes.

    Raises:
        StoreError: JSON cannot hold it; *place* is where it was to be kept.
    """
    wrong = None if type(record) is dict else f"found {shown(record)}"
    if wrong is None and not _is_finite(record):
        wrong = "found NaN or infinity"
    if wrong is None:
        try:
            return orjson.dumps({"version": FORMAT, "record": record}, option=_STRICT)
        except TypeError as error:
            wrong = str(error)
    raise StoreError(f"{place}: cannot be kept: expected a mapping that JSON can hold, {wrong}")


def opened(content: bytes, place: str) -> Json:
    """Return the record in *content*, which was found at *place*.

    Raises:
        DamagedError: there is none.
        ForeignRecordError: it is of a newer version.
    """
    if not content.strip():
        raise DamagedError("the record is empty")
    try:
        envelope = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise DamagedError(f"the record is no JSON: {error}") from error
    version = envelope.get("version") if isinstance(envelope, dict) else None
    if type(version) is not int or version < 1:
        raise DamagedError("the record has no version")
    if version > FORMAT:
        expected = f"expected version {FORMAT} or older, found {version}"
        raise ForeignRecordError(f"{place}: a newer btk wrote this record: {expected}; it stays where it is")
    record = envelope.get("record")
    if not isinstance(record, dict):
        raise DamagedError("the envelope holds no record")
    return record


def _is_finite(value: object) -> bool:
    """Say whether all numbers in *value* are; orjson would write others as null."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(_is_finite, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_finite, value))
    return True

"""Contents of a shelf as fields of a MongoDB document and back, to the last byte, so that records can be queried."""

from collections.abc import Mapping
from typing import Any, TypeAlias

import orjson
from bson.decimal128 import Decimal128

Fields: TypeAlias = dict[str, Any]

_ENVELOPE = ["version", "record"]
_CONTENT = "content"
_DEEPEST = 90
"""MongoDB takes a hundred levels; some are ours."""
_INT64 = range(-(2**63), 2**63)


class _TooDeepError(ValueError):
    """A record has more levels than a document can have."""


def fields(content: bytes) -> Fields:
    """Return what to keep for *content*: a sealed record as `version` and `record`, all else as bytes.

    A name that MongoDB refuses, or takes for a path or an operator, is written with `%` and two hex digits:
    `fee.maker` as `fee%2Emaker`, `$set` as `%24set`. An int beyond 64 bits with a sign is a decimal.
    """
    try:
        envelope = orjson.loads(content)
        if isinstance(envelope, dict) and list(envelope) == _ENVELOPE:
            found = {name: _kept(value, 0) for name, value in envelope.items()}
            if _text(found) == content:
                return found
    except (orjson.JSONDecodeError, _TooDeepError):
        pass
    return {_CONTENT: content}


def content_of(document: Mapping[str, Any]) -> bytes:
    """Return the content whose fields are in *document*; of one that others wrote, whatever is in their place."""
    content = document.get(_CONTENT)
    return content if isinstance(content, bytes) else _text({name: document.get(name) for name in _ENVELOPE})


def _text(found: Fields) -> bytes:
    restored = {name: _restored(value) for name, value in found.items()}
    return orjson.dumps(restored, default=str, option=orjson.OPT_APPEND_NEWLINE)


def _kept(value: object, depth: int) -> object:
    if depth > _DEEPEST:
        raise _TooDeepError
    if isinstance(value, dict):
        return {_escaped(name): _kept(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_kept(one, depth + 1) for one in value]
    return Decimal128(str(value)) if isinstance(value, int) and value not in _INT64 else value


def _restored(value: object) -> object:
    if isinstance(value, dict):
        return {_unescaped(name): _restored(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_restored(one) for one in value]
    return int(str(value)) if isinstance(value, Decimal128) and str(value).isdecimal() else value


def _escaped(name: str) -> str:
    plain = name.replace("%", "%25").replace(".", "%2E").replace("\0", "%00")
    return f"%24{plain[1:]}" if plain.startswith("$") else plain or "%"


def _unescaped(name: str) -> str:
    if name == "%":
        return ""
    return name.replace("%24", "$").replace("%00", "\0").replace("%2E", ".").replace("%25", "%")

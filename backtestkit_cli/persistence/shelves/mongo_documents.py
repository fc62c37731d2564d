"""What `MongoShelf` sends: documents of records and of posts, which see there, and the queries that find them."""

import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Any, TypeAlias

from bson.regex import Regex

from backtestkit_cli.persistence.key_form import KeyForm
from backtestkit_cli.persistence.shelf import Lease, Tenant
from backtestkit_cli.persistence.shelves.bson_form import fields
from backtestkit_cli.ports import Key

Document: TypeAlias = dict[str, Any]
Pipeline: TypeAlias = list[Document]

_KEYS = KeyForm("/")
_PARTS = ("mode", "exchange", "kind", "strategy", "symbol")
REFUSAL = {"$toInt": {"$concat": ["fence ", {"$toString": {"$ifNull": ["$fence", 0]}}]}}
"""What cannot be worked out, so that the command ends there, with the code that `mongo_errors` knows."""
IS_THERE: Mapping[str, Any] = MappingProxyType({"gone": None})
"""The query for what is no tombstone."""


def id_of(key: Key) -> str:
    """Return the `_id` of the record of *key*."""
    return _KEYS.text(key)


def post_of(subject: Key) -> str:
    """Return the `_id` of the post of *subject*: no key is written so, and it comes before all keys below it."""
    return f"{_KEYS.text(subject)}/"


def aside_id(key: Key, content: bytes) -> str:
    """Return the `_id` of *content* once it has been moved away from *key*."""
    return f"{_KEYS.text(key)}#{sha256(content).hexdigest()[:16]}"


def record_of(key: Key, content: bytes) -> Document:
    """Return the document of *content*: the parts of *key* are fields of their own, those after the fifth `rest`."""
    texts = [part.encode("utf-8", "replace").decode() for part in key]
    rest = texts[len(_PARTS) :]
    parts = dict(zip(_PARTS, texts, strict=False)) | ({"rest": rest} if rest else {})
    return {"_id": id_of(key), **parts, **fields(content)}


def putting(record: Document, fence: int, number: int) -> Pipeline:
    """Return the update that puts *record* under *fence*, unless it is late by its *number*."""
    return _unless_late(fence, number, {"$literal": {**record, "fence": fence, "write": number}})


def removing(name: str, fence: int, number: int) -> Pipeline:
    """Return the update that puts a tombstone in the place of what is at *name*, unless it is late by its *number*."""
    told = {"$literal": {"_id": name, "fence": fence, "write": number}}
    return _unless_late(fence, number, {"$mergeObjects": [told, {"gone": "$$NOW"}]})


def _unless_late(fence: int, number: int, document: Document) -> Pipeline:
    """Return the update that puts *document*, fails over a higher *fence*, and passes over what is as new or newer."""
    is_newer = {"$and": [{"$eq": ["$fence", fence]}, {"$gte": ["$write", number]}]}
    return [
        {"$replaceWith": {"$cond": [{"$gt": ["$fence", fence]}, REFUSAL, {"$cond": [is_newer, "$$ROOT", document]}]}}
    ]


def demanding(fence: int) -> Pipeline:
    """Return the update of a post that changes nothing, and fails where it is not of *fence*."""
    return [{"$set": {"fence": {"$cond": [{"$eq": [{"$ifNull": ["$fence", 0]}, fence]}, "$fence", REFUSAL]}}}]


def taking(tenant: Tenant, seconds: float, ousted: int | None) -> Pipeline:
    """Return the update of a post that gives the lease to *tenant* if it is to be had, by the server's clock."""
    me = {"$literal": tenant._asdict()}
    ended = {"$or": [{"$lte": ["$ends", "$$NOW"]}, {"$eq": ["$fence", ousted]}]}
    is_had = {"$or": ["$ended", {"$eq": ["$tenant", me]}]}
    return [
        {"$set": {"ended": ended}},
        {
            "$set": {
                "fence": {"$add": [{"$ifNull": ["$fence", 0]}, {"$cond": ["$ended", 1, 0]}]},
                "settled": {"$ifNull": ["$settled", 0]},
                "tenant": {"$cond": [is_had, me, "$tenant"]},
                "ends": {"$cond": [is_had, seconds_from_now(seconds), "$ends"]},
            }
        },
        {"$unset": "ended"},
    ]


def seconds_from_now(seconds: float) -> Document:
    """Return the expression for the time *seconds* from now, by the server's clock."""
    return {"$add": ["$$NOW", round(seconds * 1000)]}


def lease_of(post: Mapping[str, Any]) -> Lease:
    """Return the lease that *post* tells of."""
    subject = _KEYS.key(post["_id"].removesuffix("/"))
    return Lease(subject or (), int(post["fence"]), Tenant(**post["tenant"]))


def with_posts(keys: Iterable[Key]) -> Document:
    """Return the query for the records of *keys* and the posts above them."""
    return {"_id": {"$in": sorted({name for key in keys for name in (id_of(key), *_posts_above(key))})}}


def below_with_posts(prefix: Key) -> Document:
    """Return the query for the records whose keys begin with *prefix*, the posts above them and those among them.

    One scan of one index in its order, which brings a post before what is below it.
    """
    if not prefix:
        return {}
    return {"_id": {"$in": [id_of(prefix), *_posts_above(prefix), Regex(f"^{re.escape(post_of(prefix))}")]}}


def records_below(subject: Key) -> Document:
    """Return the query for the records below *subject*."""
    text = id_of(subject)
    return {"$or": [{"_id": text}, {"_id": {"$gt": f"{text}/", "$lt": f"{text}0"}}], "settled": None}


def state(found: Iterable[Document]) -> Iterator[tuple[Key, Document]]:
    """Yield the records among *found*, which come by `_id`, with their keys, but not those that were written late."""
    settled: dict[str, int] = {}
    for document in found:
        name = document["_id"]
        if "settled" in document:
            settled[name] = document["settled"]
        elif "gone" not in document and isinstance(name, str) and (key := _KEYS.key(name)) is not None:
            fence = document.get("fence")
            if fence is None or all(fence >= settled.get(post, 0) for post in _posts_above(key)):
                yield key, document


def _posts_above(key: Key) -> list[str]:
    return [post_of(key[:count]) for count in range(1, len(key) + 1)]

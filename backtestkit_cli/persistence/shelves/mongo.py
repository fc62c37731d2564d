"""Records as documents of MongoDB, and leases whose fence every record below them carries.

A document is changed in one step, but no two together, and a command that was sent can arrive late. So beside the
records of each subject stands its *post*, `live/binance/`: the lease on it, and `settled`, the fence up to which its
records have been gone through. Whoever takes a lease

1. puts a higher fence on the post: what comes later under an older one is refused, as every write asks the post first;
2. removes records with a fence below the `settled` he found, and puts his fence on all others;
3. sets `settled` to his fence.

A write that had asked the post before 1 and goes on after 2 meets either a record with the higher fence, and fails,
or none, and makes one with a fence below `settled`. Nobody who reads the post first takes such a record for state, and
every reader does: the name of a post comes before the names of what is below it, and readers go by name. A write asks
the post once more at its end, so that one that was acknowledged came before 1, and is state.

A command can also arrive when its sender has long given it up, and sent newer ones under the same lease. So each record
carries, beside its fence, the number of the change that made it, and an older change passes it over: nobody is there
any more who would hear of it. For the same reason a record that is removed under a lease becomes a tombstone without
contents, which bears the number. The server removes tombstones after an hour: no connection holds a command longer.
All that costs no command: each change is one, also to remove, and a record has two numbers more.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

from pymongo import AsyncMongoClient, DeleteMany, IndexModel, ReplaceOne, ReturnDocument, UpdateMany, UpdateOne
from pymongo.errors import PyMongoError
from pymongo.read_concern import ReadConcern
from pymongo.results import BulkWriteResult

from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import ConfigError, LeaseLostError
from backtestkit_cli.persistence.shelf import Lease, Tenant, lost
from backtestkit_cli.persistence.shelves import mongo_documents as documents
from backtestkit_cli.persistence.shelves.bson_form import content_of
from backtestkit_cli.persistence.shelves.mongo_errors import is_refusal, translated
from backtestkit_cli.persistence.shelves.write_numbers import next_write
from backtestkit_cli.ports import Key

_Document: TypeAlias = dict[str, Any]
_Write: TypeAlias = UpdateOne | UpdateMany | ReplaceOne[_Document] | DeleteMany

_DATABASE = "btk"
_INDEXES = [
    IndexModel([(part, 1) for part in ("kind", "strategy", "symbol")], name="by_kind"),
    IndexModel([("ends", 1)], name="by_end", sparse=True),
    IndexModel([("gone", 1)], name="until_forgotten", sparse=True, expireAfterSeconds=3600),
]
"""Beside that of `_id`, which is unique and finds prefixes."""
_ONE_BATCH = 1_000_000
_DEMANDS = 2
"""How many documents `_change` finds beside those that are to be changed."""


class MongoShelf:
    """Bytes as documents of `<prefix>.records`; those set aside go to `<prefix>.aside`."""

    def __init__(self, place: PlaceOptions, url: str) -> None:
        """Keep records in the database that *url* names, `btk` if none; connections are made when they are needed.

        Raises:
            ConfigError: *url* is none of MongoDB.
        """
        self._client = _client(place, url)
        database = self._client.get_default_database(_DATABASE)
        self._name = f"mongodb://{urlsplit(url).netloc.rpartition('@')[2]}/{database.name}/{place.prefix}"
        majority = ReadConcern("majority")
        self._records = database.get_collection(f"{place.prefix}.records", read_concern=majority)
        self._aside = database.get_collection(f"{place.prefix}.aside", read_concern=majority)

    @property
    def name(self) -> str:
        """Return the server, the database and the prefix."""
        return self._name

    @property
    def is_atomic(self) -> bool:
        """Say yes, of each record."""
        return True

    def place(self, key: Key) -> str:
        """Return the place and the `_id` there."""
        return f"{self._name}/{documents.id_of(key)}"

    async def open(self) -> None:
        """Make collection and indexes where they are missing; whoever may not write is found out."""
        with self._troubles():
            await self._records.create_indexes(_INDEXES)

    async def get(self, keys: Sequence[Key]) -> Sequence[bytes | None]:
        """Return the contents of *keys*, by one command."""
        found = {key: content_of(document) for key, document in await self._find(documents.with_posts(keys))}
        return [found.get(key) for key in keys]

    async def put(self, contents: Mapping[Key, bytes], lease: Lease | None = None) -> None:
        """Put *contents* in the place of what was there, in their order, by one command; a crash may cut it short."""
        records = [documents.record_of(key, content) for key, content in contents.items()]
        if lease is None:
            await self._write([ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in records])
        else:
            number = next_write()
            changes = [documents.putting(one, lease.fence, number) for one in records]
            names = [{"_id": one["_id"]} for one in records]
            writes = [UpdateOne(name, change, upsert=True) for name, change in zip(names, changes, strict=True)]
            await self._change(lease, writes)

    async def delete(self, keys: Sequence[Key], lease: Lease | None = None) -> int:
        """Remove the contents of *keys*, by one command; under a lease also what still is on its way to them."""
        names = sorted({documents.id_of(key) for key in keys})
        if lease is None:
            return (await self._write([DeleteMany({"_id": {"$in": names}, **documents.IS_THERE})])).deleted_count
        number = next_write()
        changes = {name: documents.removing(name, lease.fence, number) for name in names}
        found = [UpdateOne({"_id": name, **documents.IS_THERE}, change) for name, change in changes.items()]
        every = [UpdateOne({"_id": name}, change, upsert=True) for name, change in changes.items()]
        result = await self._change(lease, [*found, *every])
        return result.matched_count - _DEMANDS - (len(every) - result.upserted_count)

    async def names(self, prefix: Key) -> Iterable[Key]:
        """Return the keys that begin with *prefix*."""
        fields = {"fence": True, "settled": True, "gone": True}
        return [key for key, _ in await self._find(documents.below_with_posts(prefix), fields)]

    async def scan(self, prefix: Key) -> Iterable[tuple[Key, bytes]]:
        """Return the keys that begin with *prefix* and their contents, by one command for each 16 MB."""
        found = await self._find(documents.below_with_posts(prefix))
        return [(key, content_of(document)) for key, document in found]

    async def set_aside(self, key: Key, content: bytes, lease: Lease | None = None) -> str:
        """Move *content* to a document named by its hash, so that moving it twice is moving it once."""
        name, number = documents.aside_id(key, content), next_write()
        if lease is not None:
            await self._write([demand(lease)], lease)
        with self._troubles():
            found = await self._records.find_one({"_id": documents.id_of(key), **documents.IS_THERE})
            if found is not None and content_of(found) == content:
                await self._aside.replace_one({"_id": name}, {"record": found}, upsert=True)
                as_found = {"_id": found["_id"], "$expr": {"$eq": ["$$ROOT", {"$literal": found}]}}
                if lease is None:
                    await self._write([DeleteMany(as_found)])
                else:
                    gone = documents.removing(found["_id"], lease.fence, number)
                    await self._change(lease, [UpdateOne(as_found, gone)])
        return f"{self._name}.aside/{name}"

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def take(self, subject: Key, tenant: Tenant, seconds: float, *, ousted: int | None = None) -> Lease:
        """Return the lease on *subject*; a new one once all records below it are gone through."""
        while True:
            with self._troubles():
                post: _Document = await self._records.find_one_and_update(  # type: ignore[assignment]
                    {"_id": documents.post_of(subject)},
                    documents.taking(tenant, seconds, ousted),
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
            lease = documents.lease_of(post)
            if lease.tenant != tenant or post["settled"] == lease.fence or await self._settle(lease, post["settled"]):
                return lease

    async def renew(self, lease: Lease, seconds: float) -> None:
        """Let *lease* end *seconds* from now, by the server's clock."""
        if not await self._set_on_post(lease, {"ends": documents.seconds_from_now(seconds)}):
            raise await self._lost(lease)

    async def give_back(self, lease: Lease) -> None:
        """Let *lease* end now."""
        await self._set_on_post(lease, {"ends": "$$NOW"})

    async def leases(self) -> Sequence[Lease]:
        """Return the leases in force by the server's clock."""
        with self._troubles():
            in_force = {"ends": {"$type": "date"}, "$expr": {"$gt": ["$ends", "$$NOW"]}}
            return [documents.lease_of(post) async for post in self._records.find(in_force)]

    async def _find(self, query: _Document, fields: _Document | None = None) -> list[tuple[Key, _Document]]:
        """Return the records, with their keys, that *query* finds together with the posts above them."""
        with self._troubles():
            cursor = self._records.find(query, fields, sort=[("_id", 1)], batch_size=_ONE_BATCH)
            return list(documents.state(await cursor.to_list()))

    async def _change(self, lease: Lease, writes: Sequence[_Write]) -> BulkWriteResult:
        """Send *writes* between two demands for *lease*."""
        return await self._write([demand(lease), *writes, demand(lease)], lease)

    async def _write(self, writes: Sequence[_Write], lease: Lease | None = None) -> BulkWriteResult:
        """Send *writes*, in order and neighbours of a kind in one command."""
        try:
            return await self._records.bulk_write(writes)
        except PyMongoError as error:
            if lease is not None and is_refusal(error):
                raise await self._lost(lease) from error
            raise translated(error, self._name) from error

    async def _settle(self, lease: Lease, settled: int) -> bool:
        """Put the fence of *lease* on all records below; say whether nobody else has taken it meanwhile."""
        below = documents.records_below(lease.subject)
        earlier = {**below, "fence": {"$not": {"$gte": lease.fence}}}
        late = {**below, "fence": {"$lt": settled}}
        stamp = {"$set": {"fence": lease.fence}, "$unset": {"write": ""}}
        await self._write([DeleteMany(late), UpdateMany(earlier, stamp)])
        return await self._set_on_post(lease, {"settled": lease.fence})

    async def _set_on_post(self, lease: Lease, values: _Document) -> bool:
        """Set *values* on the post of *lease* if that is in force; say so."""
        with self._troubles():
            post = {"_id": documents.post_of(lease.subject), "fence": lease.fence}
            return bool((await self._records.update_one(post, [{"$set": values}])).matched_count)

    async def _lost(self, lease: Lease) -> LeaseLostError:
        with self._troubles():
            post = await self._records.find_one({"_id": documents.post_of(lease.subject)})
        return lost(self._name, lease, None if post is None else documents.lease_of(post).tenant)

    @contextmanager
    def _troubles(self) -> Iterator[None]:
        try:
            yield
        except PyMongoError as error:
            raise translated(error, self._name) from error


def demand(lease: Lease) -> UpdateOne:
    """Return the write that fails where *lease* is not in force, and with it those that were to follow."""
    return UpdateOne({"_id": documents.post_of(lease.subject)}, documents.demanding(lease.fence), upsert=True)


def _client(place: PlaceOptions, url: str) -> AsyncMongoClient[_Document]:
    """Return a client of *url*, whose own options come first."""
    options: dict[str, Any] = {
        "w": "majority",
        "journal": True,
        "maxPoolSize": place.pool_size,
        "timeoutMS": round(place.timeout_seconds * 1000),
        "retryWrites": False,  # a single server that was started again refuses it; whoever is patient asks again anyway
        "serverMonitoringMode": "poll",  # one more connection for each server, not two that wait all the time
        "appname": "btk",
    }
    told = {name.lower() for name, _ in parse_qsl(urlsplit(url).query)}
    ours = {name: value for name, value in options.items() if name.lower() not in told}
    try:
        with warnings.catch_warnings(action="error"):  # an option that it does not know
            if "." not in urlsplit(url).path:  # what is behind the dot would be taken for a collection
                return AsyncMongoClient(url, **ours)
    except (PyMongoError, ValueError, UserWarning):
        pass  # what the library says may quote a password
    form = "mongodb://[user:password@]host[:port]/[database] and options that its client knows"
    raise ConfigError(f"store: url: expected {form}, with %XX for odd characters in it, found another form")

"""Where trading keeps what it must not forget: what the section `store` of a config says."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

from annotated_types import Ge, Gt, Le, MinLen


class StoreKind(StrEnum):
    """What can keep records."""

    FILE = "file"
    MEMORY = "memory"
    REDIS = "redis"
    POSTGRES = "postgres"
    MONGO = "mongo"
    S3 = "s3"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """One place of records. Which fields mean something depends on `kind`.

    `folder` is that of files. A server is at `url`, or at what the environment variable `url_env` holds; a URL may
    hold a password, so it is in no `repr`, and must not be in a manifest. Everything there is below `prefix`: the
    beginning of all keys of Redis and S3, the schema of PostgreSQL, the collections of MongoDB.

    `schedule_ttl_seconds` lets Redis forget signals that wait so long after they were saved last, None for never.
    `pool_size` is how many connections there are at most. An answer may take `timeout_seconds`; what failed for want
    of a connection is tried again for `patience_seconds`.
    """

    kind: StoreKind = StoreKind.FILE
    folder: Annotated[str, MinLen(1)] = ".btk/state"
    url: Annotated[str, MinLen(1)] | None = field(default=None, repr=False)
    url_env: Annotated[str, MinLen(1)] | None = None
    prefix: Annotated[str, MinLen(1)] = "btk"
    schedule_ttl_seconds: Annotated[float, Gt(0)] | None = None
    pool_size: Annotated[int, Ge(1), Le(100)] = 4
    timeout_seconds: Annotated[float, Gt(0), Le(300)] = 5.0
    patience_seconds: Annotated[float, Ge(0), Le(3600)] = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """The places of all records of a mode: those of the kinds of record in `kinds`, and `place` for all others.

    `cache` stands in front of `place` for those who only look. Whoever trades holds a lease that ends
    `lease_seconds` after he renewed it last.
    """

    place: PlaceOptions = PlaceOptions()
    kinds: Mapping[str, PlaceOptions] = field(default_factory=dict)
    cache: PlaceOptions | None = None
    lease_seconds: Annotated[float, Ge(1), Le(3600)] = 30.0

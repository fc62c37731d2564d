"""Where trading keeps what it must not forget: what the section `store` of a config says."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le, MinLen

from backtestkit_cli.errors import ConfigError

LeaseSeconds: TypeAlias = Annotated[float, Ge(1), Le(3600)]


class StoreKind(StrEnum):
    """What can keep records."""

    FILE = "file"
    MEMORY = "memory"
    REDIS = "redis"
    POSTGRES = "postgres"
    MONGO = "mongo"
    S3 = "s3"
    CUSTOM = "custom"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceOptions:
    """One place of records. Which fields mean something depends on `kind`.

    `folder` is that of files. A server is at `url`, or at what the environment variable `url_env` holds; a URL may
    hold a password, so it is in no `repr`, and must not be in a manifest. Everything there is below `prefix`: the
    beginning of all keys of Redis and S3, the schema of PostgreSQL, the collections of MongoDB.

    `factory` is `module:name` of what makes a shelf of somebody else's of what the URL says.
    `schedule_ttl_seconds` lets Redis forget signals that wait so long after they were saved last, None for never.
    `pool_size` is how many connections there are at most. An answer may take `timeout_seconds`; what failed for want
    of a connection is tried again for `patience_seconds`.
    """

    kind: StoreKind = StoreKind.FILE
    folder: Annotated[str, MinLen(1)] = ".btk/state"
    url: Annotated[str, MinLen(1)] | None = field(default=None, repr=False)
    url_env: Annotated[str, MinLen(1)] | None = None
    factory: Annotated[str, MinLen(1)] | None = None
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
    lease_seconds: LeaseSeconds = 30.0

    @property
    def places(self) -> tuple[PlaceOptions, ...]:
        """Return all places that are named."""
        return (self.place, *self.kinds.values(), *([] if self.cache is None else [self.cache]))


SCHEMES: Mapping[StoreKind, tuple[str, ...]] = {
    StoreKind.REDIS: ("redis", "rediss", "unix"),
    StoreKind.POSTGRES: ("postgresql", "postgres"),
    StoreKind.MONGO: ("mongodb", "mongodb+srv"),
    StoreKind.S3: ("s3",),
}
"""How URLs of the kinds that are servers begin."""

_SECRET = re.compile(r"([?&][^=&]*(?:pass|pwd|secret|token|key|credential|properties)[^=&]*=)[^&]*", re.IGNORECASE)
_S3_SECRET = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 - the name of a variable
_VARIABLE = re.compile(r"\$\{\w+\}")
_ACCESS = re.compile(r"[?&][^=&]*(?:pass|secret|token|access_?key|credential)", re.IGNORECASE)
_UNFIT = re.compile(r"[\x00-\x20\x7f]")


def shown_url(url: str) -> str:
    """Return *url* without its secrets, `postgresql://user:***@host/db`, also where it is no good one."""
    scheme, sign, rest = url.partition("://")
    if not sign:
        return "***"
    credentials, at, place = rest.rpartition("@")
    user, colon, password = credentials.partition(":")
    hidden = password if _VARIABLE.fullmatch(password) else "***"
    shown = f"{user}{colon}{hidden}{at}{place}" if at and colon else rest
    return f"{scheme}://" + _SECRET.sub(r"\1***", shown)


def url_of(place: PlaceOptions, environ: Mapping[str, str]) -> str:
    """Return where the server of *place* is, by its URL or by that of a variable of *environ*.

    Raises:
        ConfigError: there is no URL, or none of a server of that kind; no secret is repeated.
    """
    where = f"a store of kind {place.kind}"
    if (place.url is None) == (place.url_env is None):
        which = "neither" if place.url is None else "both"
        raise ConfigError(f"{where}: expected either url or url_env, found {which}")
    url = place.url
    if place.url_env is not None:
        where = f"{where}: environment {place.url_env}"
        url = environ.get(place.url_env, "").strip()
    if not url:
        raise ConfigError(f"{where}: expected a URL, found nothing in it")
    if place.kind in SCHEMES and (problem := url_problem(place.kind, url)):
        raise ConfigError(f"{where}: {problem}")
    return url


def secrets_of(options: StoreOptions, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return what must not be shown of where *options* keep records: passwords of URLs, and the key of S3.

    Raises:
        ConfigError: as `url_of`.
    """
    found = [environ[_S3_SECRET]] if environ.get(_S3_SECRET) else []
    for place in options.places:
        if place.url or place.url_env:
            url = url_of(place, environ)
            found += [url.partition("://")[2].rpartition("@")[0].partition(":")[2]]
            found += [match[0].removeprefix(match[1]) for match in _SECRET.finditer(url)]
    return tuple(filter(None, found))


def url_problem(kind: StoreKind, url: str) -> str:
    """Return what is wrong with *url* as that of a store of *kind*, nothing if it may be one; no secret is repeated."""
    scheme, sign, rest = url.partition("://")
    schemes = [f"{one}://" for one in SCHEMES[kind]]
    if not sign or scheme.lower() not in SCHEMES[kind]:
        *others, last = schemes
        begin = f"{', '.join(others)} or {last}" if others else last
        return f"expected a URL that begins with {begin}, found {f'{scheme}://' if sign else 'no ://'} for kind {kind}"
    if _UNFIT.search(url):
        return "expected a URL without blanks and control characters, found one of them"
    if not rest.strip("/"):
        return f"expected {'a bucket' if kind is StoreKind.S3 else 'a host'} after {scheme}://, found nothing"
    if kind is StoreKind.S3 and ("@" in rest or _ACCESS.search(rest)):
        names = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return f"expected no keys in the URL, found some: they belong into the environment, as {names}, or to a role"
    if kind is StoreKind.REDIS and not _has_port(url):
        return "expected host:port, found no port: write a / or : of a password as %2F or %3A"
    return ""


def _has_port(url: str) -> bool:
    """Say whether the port that *url* names, if it names one, is one."""
    try:
        urlsplit(url).port  # noqa: B018 - it is read when it is asked for
    except ValueError:
        return False
    return True

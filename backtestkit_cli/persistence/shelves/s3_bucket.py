"""The requests that a shelf sends to S3, one each, never repeated here; what may go wrong is told in our words."""

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import S3Store

from backtestkit_cli.errors import ConfigError, StoreError, StoreUnavailableError, StoreUnreachableError
from backtestkit_cli.persistence.shelves.s3_address import Address

_CODE = re.compile(r"<Code>(\w+)</Code>")
_STATUS = re.compile(r"status code: (\d{3})")
_ROLE = re.compile(r"/latest/(api/token|meta-data/)")
"""Where a machine of Amazon's is asked for its role."""
_PASSING = {408, 429, 500, 502, 503, 504}
_OTHER_REGION = "the bucket is in another region: expected that one as region=… in the URL, or in AWS_REGION"
_REFUSALS = {
    "NoSuchBucket": "no such bucket: expected one that has been made before",
    "AccessDenied": "access denied: expected credentials that may list, read, write and delete there",
    "SignatureDoesNotMatch": "wrong secret: expected that of the access key in AWS_SECRET_ACCESS_KEY",
    "InvalidAccessKeyId": "unknown access key: expected one of this server in AWS_ACCESS_KEY_ID",
    "ExpiredToken": "the credentials have expired: expected fresh ones",
    "RequestTimeTooSkewed": "the clock of this machine is wrong: expected that of the server, give or take 15 minutes",
    "KeyTooLongError": "the key is too long for this server",
    "PermanentRedirect": _OTHER_REGION,
    "AuthorizationHeaderMalformed": _OTHER_REGION,
    "InvalidObjectState": "the object was archived: expected a class of storage that is read at once",
    "InvalidBucketName": "no such bucket: expected a name of 3 to 63 lower-case letters, digits, dots and hyphens",
}


class StaleError(Exception):
    """What was to be replaced is not there any more, or something is where nothing was."""


class Stored(NamedTuple):
    """What an object holds, and the ETag that is changed with it."""

    content: bytes
    etag: str


class Listed(NamedTuple):
    """An object as listings have it."""

    path: str
    etag: str
    size: int


class Turns:
    """The turns of the tasks of this process that write one object: together, all but one would only be refused."""

    def __init__(self) -> None:
        """Let nobody wait."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def of(self, path: str) -> asyncio.Lock:
        """Return what whoever writes *path* holds meanwhile."""
        return self._locks.setdefault(path, asyncio.Lock())


class Bucket:
    """A bucket at *address*. Not more than *pool_size* requests are under way at once."""

    def __init__(self, address: Address, timeout_seconds: float, pool_size: int) -> None:
        """Ask nobody yet."""
        self.address = address
        self._seconds = timeout_seconds
        self._slots = asyncio.Semaphore(pool_size)
        limit = timedelta(seconds=timeout_seconds)
        config: Any = {"conditional_put": "etag", "disable_bulk_delete": True, **address.options}
        try:
            self._store = S3Store(
                address.bucket,
                config=config,
                client_options={"allow_http": address.is_plain, "timeout": limit, "connect_timeout": limit},
                retry_config={"max_retries": 0, "retry_timeout": limit},
            )
        except (BaseError, ValueError) as error:
            what = _first_line(error)
            if "No CA certificates" in str(error):
                what = "expected certificates of authorities on this machine (the package ca-certificates), found none"
            raise ConfigError(f"store: {address.name}: {what}") from error

    def place(self, path: str) -> str:
        """Return what messages call the object *path*."""
        return f"s3://{self.address.bucket}/{path}"

    async def get(self, path: str) -> Stored | None:
        """Return the object at *path*, None if there is none."""
        async with self._slots:
            with self._troubles(path):
                try:
                    found = await obstore.get_async(self._store, path)
                    return Stored(bytes(await found.bytes_async()), found.meta["e_tag"] or "")
                except FileNotFoundError as error:
                    if _code(error) == "NoSuchBucket":
                        raise
                    return None

    async def put(self, path: str, content: bytes, over: str | None) -> str:
        """Put *content* in the place of the object whose ETag is *over*, or where there is none; return the new ETag.

        Raises:
            StaleError: another ETag is there by now, or none.
        """
        async with self._slots:
            with self._troubles(path):
                try:
                    put = await obstore.put_async(
                        self._store,
                        path,
                        content,
                        attributes={"Content-Type": "application/json"},
                        mode="create" if over is None else {"e_tag": over},
                        use_multipart=False,
                    )
                except (AlreadyExistsError, PreconditionError) as error:
                    raise StaleError from error
                except FileNotFoundError as error:  # some servers say so of what was to be replaced
                    if over is None or _code(error) == "NoSuchBucket":
                        raise
                    raise StaleError from error
                return put["e_tag"] or ""

    async def delete(self, path: str) -> None:
        """Delete what is at *path*, whatever it is."""
        async with self._slots:
            with self._troubles(path):
                await obstore.delete_async(self._store, path)

    async def listed(self, folder: str) -> Sequence[Listed]:
        """Return what is in *folder* and in those below."""
        async with self._slots:
            with self._troubles(folder):
                found = await obstore.list(self._store, folder or None).collect_async()
                return [Listed(one["path"], one["e_tag"] or "", one["size"]) for one in found]

    @contextmanager
    def _troubles(self, path: str) -> Iterator[None]:
        """Turn what obstore says of *path* into one line."""
        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            raise self._told(self.place(path), error) from error

    def _told(self, place: str, error: Exception) -> StoreError:
        text = str(error)
        code = "PermanentRedirect" if "BareRedirect" in text else _code(error)
        status = _STATUS.search(text)
        kind: type[StoreError] = StoreUnreachableError
        if _ROLE.search(text):
            kind = StoreUnavailableError
            wanted = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environment, or a role of the machine"
            what = f"no credentials: expected {wanted}, found neither"
        elif code in _REFUSALS:
            kind, what = StoreUnavailableError, f"{_REFUSALS[code]} ({code})"
        elif status is not None:
            kind = StoreUnreachableError if int(status[1]) in _PASSING else StoreUnavailableError
            what = f"the server answered {status[1]}{f' ({code})' if code else ''}"
        elif "kind: Timeout" in text:
            what = f"no answer within {self._seconds:g} s"
        elif "kind: Connect" in text:
            what = f"{self.address.server} was not reached"
        elif "HttpError" in text:
            what = f"the connection to {self.address.server} broke off"
        else:
            kind, what = StoreError, _first_line(error)
        return kind(f"{place}: {what}")


def _code(error: Exception) -> str:
    found = _CODE.search(str(error))
    return found[1] if found else ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]

"""The connection to Redis: what a URL says, commands and scripts, and what a failure means."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cache
from hashlib import sha1
from typing import Any
from urllib.parse import urlsplit

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.connection import parse_url

from backtestkit_cli.errors import ConfigError, StoreError, StoreUnavailableError, StoreUnreachableError

_URL = "expected a URL such as redis://host:6379/0, rediss://… or unix:///socket?db=0"
_DATABASE = re.compile(r"/?[0-9]*")
_UNAVAILABLE, _UNREACHABLE = StoreUnavailableError, StoreUnreachableError
_RIGHTS = "the right to read and write below the prefix and to run scripts"
_MEANINGS: tuple[tuple[str, type[StoreError], str], ...] = (
    (r"OutOfMemory|\bOOM\b", _UNAVAILABLE, "is full: expected memory for more, found all of maxmemory in use"),
    (r"ReadOnly|READONLY", _UNAVAILABLE, "cannot be written: expected a primary, found a replica"),
    (r"MISCONF", _UNAVAILABLE, "cannot be written: expected a server that can save to its disk, found one that cannot"),
    (r"NOREPLICAS", _UNAVAILABLE, "cannot be written: expected more replicas in touch with the server, found too few"),
    (r"^Auth|NOAUTH|WRONGPASS", _UNAVAILABLE, "lets nobody in: expected the right user and password, found others"),
    (r"NoPermission|NOPERM|no permission|user executing", _UNAVAILABLE, f"refuses: expected {_RIGHTS}, found others"),
    (r"DB index|Invalid Database", _UNAVAILABLE, "cannot be used: expected a database it has, found one beyond them"),
    (r"^(Moved|Ask|ClusterCrossSlot)Error|CROSSSLOT", StoreError, "expected one server, found a node of a cluster"),
    (r"WRONGTYPE", StoreError, "cannot be used: expected leases of its own, found something of another program there"),
    (r"^(BusyLoading|MasterDown|ClusterDown|TryAgain)|\bBUSY\b|max number of clients", _UNREACHABLE, "is not ready"),
)
"""What the class of an error and its text say, the first that fits; errors within a script have only a text."""


def trouble(name: str, error: Exception) -> StoreError:
    """Return what *error* of the client means at the place *name*, on one line."""
    said = f"{type(error).__name__} {error}"
    for pattern, kind, meaning in _MEANINGS:
        if re.search(pattern, said):
            return kind(f"{name}: {meaning}")
    text = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, redis_errors.ConnectionError | redis_errors.TimeoutError | OSError):
        return StoreUnreachableError(f"{name}: cannot be reached: {text}")
    return StoreError(f"{name}: {text}")


class RedisServer:
    """One server, or what fails over behind one address; a connection that broke is made anew by the next command.

    Nothing is tried twice here: whether something was done before an answer was lost the caller must find out.
    """

    def __init__(self, url: str, *, pool_size: int, timeout_seconds: float) -> None:
        """Connect to *url* when first asked, with at most *pool_size* connections.

        Raises:
            ConfigError: *url* is none of Redis.
        """
        options = _options(url)
        where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
        self.name = f"{urlsplit(url).scheme}://{where}/{options.get('db', 0)}"
        ours: dict[str, Any] = {
            "max_connections": pool_size,
            "timeout": timeout_seconds,
            "socket_timeout": timeout_seconds,
            "socket_connect_timeout": timeout_seconds,
            "decode_responses": False,
            "protocol": 2,  # its greeting is understood by every server, and allowed to every user
            "driver_info": None,
        }
        self._pool = BlockingConnectionPool(**{**options, **ours})
        try:
            self._pool.connection_class(**self._pool.connection_kwargs)  # it connects to nothing yet
        except TypeError:  # it names an option, which may be a part of the password
            raise ConfigError(f"store: {_URL}, found an option behind ? that its client does not know") from None
        self._execute: Callable[..., Awaitable[Any]] = Redis.from_pool(self._pool).execute_command

    async def ask(self, *words: str | bytes | int) -> Any:  # noqa: ANN401 - whatever the command answers
        """Return the answer to one command."""
        async with self._troubles():
            return await self._execute(*words)

    async def run(self, script: str, keys: Sequence[str], values: Sequence[str | bytes | int] = ()) -> Any:  # noqa: ANN401 - as above
        """Return what *script* answers; it is sent in whole only where the server does not know it yet."""
        words = (len(keys), *keys, *values)
        async with self._troubles():
            try:
                return await self._execute("EVALSHA", _digest(script), *words)
            except redis_errors.NoScriptError:
                return await self._execute("EVAL", script, *words)

    async def cautions(self) -> Sequence[str]:
        """Return what about the server could lose what it has answered for, one line each."""
        try:
            facts = await self.ask("INFO")
        except StoreUnreachableError:
            raise
        except StoreUnavailableError:
            return [f"{self.name}: this user may not ask with INFO whether what is kept outlives the server"]
        found = []
        if not facts.get("aof_enabled", 1):
            risk = "appendonly is off: if the server dies, all since its last snapshot is lost"
            found.append(f"{self.name}: {risk}; set appendonly yes, and appendfsync always to lose nothing")
        policy = facts.get("maxmemory_policy", "")
        if facts.get("maxmemory") and policy.startswith("allkeys"):
            found.append(f"{self.name}: maxmemory-policy {policy} removes records when memory is short; set noeviction")
        return found

    async def close(self) -> None:
        """Let go of connections; the next command makes new ones."""
        await self._pool.disconnect()

    @asynccontextmanager
    async def _troubles(self) -> AsyncIterator[None]:
        """Turn what the client raises into one line; where one connection broke those that are idle are broken too."""
        try:
            yield
        except (redis_errors.RedisError, OSError) as error:
            if isinstance(error, redis_errors.ConnectionError):
                with suppress(redis_errors.RedisError, OSError):
                    await self._pool.disconnect(inuse_connections=False)
            raise trouble(self.name, error) from error


@cache
def _digest(script: str) -> str:
    return sha1(script.encode(), usedforsecurity=False).hexdigest()


def _options(url: str) -> dict[str, Any]:
    """Return what the client is to know of *url*, which may hold a password and is in no message."""
    try:
        parts = urlsplit(url)
        options = dict(parse_url(url))
    except ValueError:  # what it says may be a part of the password
        raise ConfigError(f"store: {_URL}, found something else") from None
    if parts.fragment:
        raise ConfigError("store: expected each # of a URL to be written %23, found a #")
    is_right = bool(parts.path) if parts.scheme == "unix" else parts.hostname and _DATABASE.fullmatch(parts.path)
    if not is_right:
        raise ConfigError(f"store: {_URL}, found something else")
    return options

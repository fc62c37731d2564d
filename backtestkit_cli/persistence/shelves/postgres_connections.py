"""Connections to PostgreSQL: where they lead, how long an answer may take, and what their errors mean."""

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

import asyncpg

from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import ConfigError, StoreError, StoreUnavailableError, StoreUnreachableError

_HOST = re.compile(r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:]*)(?::([0-9]+))?")
_PORTS = range(65536)
_BROKEN_OFF = "08"
_CACHE = "statement_cache_size"
_UNREACHABLE = re.compile(r"08|57P0[1235]|57014|40001|40P01|53300|25P0[34]|55P03")
"""What passes: broken off, starting up or shutting down, too many clients or too slow, lost to another transaction."""
_UNAVAILABLE = re.compile(r"53|57P04|58|25006|28|3D|3F|42501|42P01|XX00[12]")
"""What somebody has to mend: full, read-only, not allowed in, no such database, tables that were dropped, damage."""
_END_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid::text = ANY($1) AND pid <> pg_backend_pid()
AND usename = current_user AND application_name = current_setting('application_name')"""


class Connections:
    """Up to `place.pool_size` connections to the database at a URL, made when they are needed and kept.

    The URL says all that libpq's would, such as `sslmode=verify-full` for TLS, or several hosts of which one is the
    primary (`target_session_attrs=read-write`). PgBouncer must be 1.21 or newer where it pools transactions, or the
    URL says `statement_cache_size=0`, which costs each statement a round trip more.

    A connection that broke off, or whose answer took too long, may have left a statement at the server or on the way
    to it. The next one ends its session there first: otherwise what is sent then could be undone by what comes late.
    """

    def __init__(self, place: PlaceOptions, url: str) -> None:
        """Take where to connect to; nothing is sent yet.

        Raises:
            ConfigError: *url* is no URL of PostgreSQL.
        """
        parts = _checked(url)
        options = dict(parse_qsl(parts.query))
        self._cache_size = int(options.pop(_CACHE, "100"))
        self._url = parts._replace(query=urlencode({"application_name": "btk", **options})).geturl()
        self.name = f"postgresql://{parts.netloc.rpartition('@')[2]}{parts.path}/{place.prefix}"
        self._size = place.pool_size
        self._timeout_seconds = place.timeout_seconds
        self._pool: Any = None
        self._broken: set[int] = set()

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Any]:
        """Lend a connection, for no longer than an answer may take; what goes wrong with it is raised as ours."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                if self._pool is None:  # nobody else gets here meanwhile: without connections there is no waiting
                    self._pool = await self._new_pool()
                connection = await self._pool.acquire()
                pid = connection.get_server_pid()  # which a connection that broke does not tell any more
                try:
                    await self._end_broken(connection)
                    yield connection
                except BaseException as error:
                    if _breaks(error):
                        self._broken.add(pid)
                        with suppress(asyncpg.InterfaceError):  # it is closed already
                            connection.terminate()
                    raise
                finally:
                    await self._pool.release(connection)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise self._translated(error) from error

    async def close(self) -> None:
        """Close all connections, at once if the server does not answer."""
        pool, self._pool = self._pool, None
        if pool is not None:
            try:
                async with asyncio.timeout(self._timeout_seconds):
                    await pool.close()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                pool.terminate()

    async def _new_pool(self) -> Any:  # noqa: ANN401 - asyncpg has no types
        return await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._size,
            reset=_as_it_is,
            timeout=self._timeout_seconds,
            statement_cache_size=self._cache_size,
        )

    async def _end_broken(self, connection: Any) -> None:  # noqa: ANN401
        if self._broken:
            pids = set(self._broken)
            await connection.fetch(_END_OTHERS, [str(pid) for pid in pids])
            self._broken.difference_update(pids)

    def _translated(self, error: Exception) -> StoreError:
        if isinstance(error, TimeoutError):
            return StoreUnreachableError(f"{self.name}: no answer within {self._timeout_seconds:g} s")
        said = " ".join(str(getattr(error, "strerror", None) or error).split()) or type(error).__name__
        if isinstance(error, asyncpg.PostgresError):
            state = error.sqlstate or ""
            if isinstance(error, asyncpg.ReadOnlySQLTransactionError):  # of a standby, or of a user
                said = f"may only be read: {said}"
            if _UNREACHABLE.match(state):
                return StoreUnreachableError(f"{self.name}: {said}")
            return (StoreUnavailableError if _UNAVAILABLE.match(state) else StoreError)(f"{self.name}: {said}")
        if isinstance(error, asyncpg.exceptions.ClientConfigurationError | ssl.CertificateError | ssl.SSLError):
            return StoreUnavailableError(f"{self.name}: cannot be connected to: {said}")
        if isinstance(error, ValueError):
            return StoreError(f"{self.name}: {said}")
        return StoreUnreachableError(f"{self.name}: not reached: {said}")


def _breaks(error: BaseException) -> bool:
    """Say whether what was sent may still be under way after *error*."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "").startswith(_BROKEN_OFF)
    return not isinstance(error, StoreError)


async def _as_it_is(_: object) -> None:
    """Leave a connection as it comes back: no statement changes its session, and resetting it is a round trip."""


def _checked(url: str) -> SplitResult:
    """Return the parts of *url*.

    Raises:
        ConfigError: it is none of PostgreSQL; what it is instead is not told, for it may hold a password.
    """
    parts = _parts(url)
    if parts is None:
        form = "postgresql://user:password@host:5432/database"
        raise ConfigError(f"store: url: expected {form}, with %XX for odd characters in it, found another form")
    return parts


def _parts(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        return None
    is_right = (
        parts.scheme in {"postgresql", "postgres"}
        and (parts.netloc != "" or "host" in options)
        and all(_is_host(host) for host in parts.netloc.rpartition("@")[2].split(","))
        and url.count("@") == parts.netloc.count("@") <= 1
        and not parts.fragment
        and options.get(_CACHE, "0").isdecimal()
    )
    return parts if is_right else None


def _is_host(text: str) -> bool:
    found = _HOST.fullmatch(text)
    return found is not None and int(found[2] or 0) in _PORTS

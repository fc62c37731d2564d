"""The places that are told of what happens in a run: whether they are complete, and whether they can be reached."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple
from urllib.parse import urlsplit

from backtestkit_cli.runs.doctor.findings import Finding, failed, fine

_CHECK = "alerts"
_CONFIG = 2
_PORTS = {"http": 80, "https": 443}


class AlertPlace(NamedTuple):
    """A place that takes messages, the variables it needs, and its URL, of which only the host is ever shown."""

    name: str
    variables: tuple[str, ...]
    url: str


async def alerts(places: Sequence[AlertPlace], environ: Mapping[str, str], *, reaches: bool) -> list[Finding]:
    """Return what is to say of *places*; *reaches* opens a connection to each, and sends no message."""
    if not places:
        return [fine(_CHECK, "nobody is told of what happens")]
    return list(await asyncio.gather(*(_place(place, environ, reaches=reaches) for place in places)))


async def _place(place: AlertPlace, environ: Mapping[str, str], *, reaches: bool) -> Finding:
    absent = [name for name in place.variables if not environ.get(name, "").strip()]
    if absent:
        text = f"{place.name}: expected {' and '.join(absent)} in the environment, found none"
        return failed(_CHECK, text, "set what is missing", _CONFIG)
    url = urlsplit(place.url)
    if url.scheme not in _PORTS or not url.hostname:
        return failed(_CHECK, f"{place.name}: expected a URL of http or https", "mend the URL", _CONFIG)
    if not reaches:
        return fine(_CHECK, f"{place.name}: complete; --alerts tries whether it can be reached")
    started = time.perf_counter()
    try:
        port = url.port or _PORTS[url.scheme]
        _, writer = await asyncio.open_connection(url.hostname, port, ssl=True if url.scheme == "https" else None)
    except OSError as error:
        text = f"{place.name}: {url.hostname} cannot be reached: {error.strerror or type(error).__name__}"
        return failed(_CHECK, text, "look at the network, and at the URL")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return fine(_CHECK, f"{place.name}: {url.hostname} answers in {(time.perf_counter() - started) * 1000:,.0f} ms")

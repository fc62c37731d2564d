"""The places that are told of what happens in a run: whether they are complete, and whether they can be reached."""

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from backtestkit_cli.alerts.building import sinks_of
from backtestkit_cli.domain.alerts import AlertsOptions
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.runs.doctor.findings import Finding, failed, failures, fine
from backtestkit_cli.runs.sources import now_ms

_CHECK = "alerts"
_PORTS = {"http": 80, "https": 443, "redis": 6379, "rediss": 6379}
_SAFE = {"https", "rediss"}


async def alerts(options: AlertsOptions, environ: Mapping[str, str], *, reaches: bool) -> list[Finding]:
    """Return what is to say of the places in *options*; *reaches* opens a connection to each, and sends no message."""
    if not options.is_on:
        return [fine(_CHECK, "nobody is told of what happens")]
    try:
        sinks_of(options, environ, now_ms)
    except ConfigError as error:
        return failures(_CHECK, error, "mend the section alerts, or set what is missing")
    urls = _urls(options, environ)
    if not reaches:
        return [fine(_CHECK, f"{' and '.join(urls)}: complete; --alerts tries whether they can be reached")]
    return list(await asyncio.gather(*(_reached(name, url) for name, url in urls.items())))


def _urls(options: AlertsOptions, environ: Mapping[str, str]) -> dict[str, str]:
    """Return where each place is; the paths of these URLs are secrets."""
    named = {"webhook": options.webhook, "redis": options.redis}
    urls = {name: place.url or environ.get(place.url_env or "", "").strip() for name, place in named.items() if place}
    return urls if options.telegram is None else {**urls, "telegram": options.telegram.url}


async def _reached(name: str, text: str) -> Finding:
    url = urlsplit(text)
    where = url.hostname or url.path
    started = time.perf_counter()
    try:
        if url.scheme == "unix":
            _, writer = await asyncio.open_unix_connection(unquote(url.path))
        else:
            port = url.port or _PORTS[url.scheme]
            _, writer = await asyncio.open_connection(url.hostname, port, ssl=url.scheme in _SAFE or None)
    except OSError as error:
        why = error.strerror or type(error).__name__
        return failed(_CHECK, f"{name}: {where} cannot be reached: {why}", "look at the network, and at the URL")
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return fine(_CHECK, f"{name}: {where} answers in {(time.perf_counter() - started) * 1000:,.0f} ms")

"""A server on the loopback interface that takes messages, and answers as a script says."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, NamedTuple

from aiohttp import web
from aiohttp.test_utils import TestServer


class Answer(NamedTuple):
    status: int = 200
    body: Mapping[str, Any] = MappingProxyType({"ok": True})
    headers: Mapping[str, str] = MappingProxyType({})
    delay_seconds: float = 0.0


FINE = Answer()


class Receiver:
    """Answers by *script* as long as it lasts, then always with `then`; keeps what arrived and was answered well."""

    def __init__(self, *script: Answer, then: Answer = FINE) -> None:
        self.script = [*script]
        self.then = then
        self.tried: list[dict[str, Any]] = []
        self.taken: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        answer = self.script.pop(0) if self.script else self.then
        sent = await request.json()
        self.bodies.append(await request.read())
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        self.tried.append(sent)
        await asyncio.sleep(answer.delay_seconds)
        if answer.status == 200:
            self.taken.append(sent)
        return web.json_response(dict(answer.body), status=answer.status, headers=answer.headers)

    @property
    def texts(self) -> list[str]:
        return [one["text"] for one in self.taken]

    @property
    def symbols(self) -> list[str]:
        return [one["symbol"] for one in self.taken]


@asynccontextmanager
async def listening(*receivers: Receiver) -> AsyncIterator[None]:
    """Let *receivers* be reached at their `url`."""
    servers = []
    for receiver in receivers:
        app = web.Application()
        app.router.add_post("/{path:.*}", receiver.answer)
        server = TestServer(app)
        await server.start_server()
        receiver.url = str(server.make_url("/")).rstrip("/")
        servers.append(server)
    try:
        yield
    finally:
        for server in servers:
            await server.close()


async def until(is_so: Callable[[], bool], seconds: float = 3.0) -> None:
    """Return once *is_so*; fail after *seconds*."""
    async with asyncio.timeout(seconds):
        while not is_so():  # noqa: ASYNC110 - what is waited for knows nothing of tests
            await asyncio.sleep(0.001)

"""How an answer leaves the venue, and how it gets lost."""

import asyncio
import socket
import struct
from contextlib import suppress
from typing import NamedTuple

from aiohttp import web

from tests.venue.faults import Breakage, BrokenWire, TakenLate

_STALL_S = 30.0


class Answer(NamedTuple):
    """What is to be sent."""

    status: int
    body: bytes
    headers: dict[str, str]


async def send(
    request: web.Request, answer: Answer, broken: BrokenWire | TakenLate | None, stopping: asyncio.Event
) -> web.StreamResponse:
    """Answer *request*, or let the answer get lost; a stall ends when the venue is *stopping*."""
    if broken is None:
        return _whole(answer)
    match broken.breakage:
        case Breakage.STALL:
            await _stall(request, getattr(broken, "seconds", _STALL_S), stopping)
        case Breakage.RESET:
            _reset(request)
        case Breakage.CUT_BODY:
            return await _cut(request, answer)
        case Breakage.CUT_JSON:
            answer = answer._replace(body=_half(answer.body))
    return _whole(answer)


def _whole(answer: Answer) -> web.Response:
    return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


async def _stall(request: web.Request, seconds: float, stopping: asyncio.Event) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()
        _reset(request)


def _reset(request: web.Request) -> None:
    if request.transport is not None:
        no_farewell = struct.pack("ii", 1, 0)
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_farewell)
        request.transport.abort()


async def _cut(request: web.Request, answer: Answer) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(_half(answer.body))
    if request.transport is not None:
        request.transport.close()
    return response


def _half(body: bytes) -> bytes:
    return body[: len(body) // 2]

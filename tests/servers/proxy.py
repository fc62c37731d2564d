"""A TCP proxy between a client and a server, which passes bytes as they are and has the faults that a test sets."""

import asyncio
import random
import socket
import struct
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Literal

HOST = "127.0.0.1"
CHUNK_BYTES = 65_536
SHOWN_BYTES = 400
SECONDS = 5.0

Direction = Literal["request", "answer"]


@dataclass(frozen=True, slots=True)
class Faults:
    """What befalls each chunk of bytes, in either direction; probabilities are 0 to 1.

    A chunk that meets a reset is lost: a request that the server never saw, or an answer to what it did.
    """

    reset_probability: float = 0.0
    stall_probability: float = 0.0
    stall_seconds: float = 0.0
    delay_seconds: float = 0.0


class Proxy:
    """One proxy in a thread of its own, for clients of any loop; every method may be called from any thread."""

    def __init__(self, target_port: int, seed: int = 0) -> None:
        self.faults = Faults()
        self.connections = 0
        self.requests: list[bytes] = []
        self.port = 0
        self._target_port = target_port
        self._random = random.Random(seed)
        self._stalled_until = 0.0
        self._losing: Direction | None = None
        self._links: set[_Link] = set()
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def round_trips(self) -> int:
        """How often a client began to speak after the server had: `requests` has the beginning of each."""
        return len(self.requests)

    def stall(self, seconds: float) -> None:
        """Hold back all bytes for a while; connections stay open."""
        self._stalled_until = time.monotonic() + seconds

    def lose_next(self, direction: Direction) -> None:
        """Reset the connection of the next request, or of the next answer, instead of passing it."""
        self._losing = direction

    def reset(self) -> None:
        """Reset every connection; new ones are taken."""
        self._run(self._reset)

    def cut(self) -> None:
        """Reset every connection and refuse new ones until `mend`."""
        self._run(self._cut)

    def mend(self) -> None:
        """Take connections, and have no faults."""
        self.faults, self._stalled_until, self._losing = Faults(), 0.0, None
        self._run(self._listen)

    def start(self) -> None:
        self._thread.start()
        self._run(self._listen)

    def close(self) -> None:
        self._run(self._finish)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(SECONDS)
        self._loop.close()

    def _run(self, job: Callable[[], Awaitable[None]]) -> None:
        async def done() -> None:
            await job()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(SECONDS)

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._serve, HOST, self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _reset(self) -> None:
        for link in self._links:
            link.reset()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._reset()

    async def _finish(self) -> None:
        await self._cut()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with suppress(asyncio.CancelledError):  # by `close`; left to asyncio, Python 3.11 logs an error
            await self._pass(reader, writer)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            answers, requests = await asyncio.open_connection(HOST, self._target_port)
        except OSError:
            _Link((writer,)).reset()
            return
        link = _Link((writer, requests))
        self._links.add(link)
        try:
            await asyncio.gather(
                self._pass_on(link, reader, requests, "request"), self._pass_on(link, answers, writer, "answer")
            )
        except OSError:
            link.reset()
        finally:
            self._links.discard(link)
            link.close()

    async def _pass_on(
        self, link: "_Link", source: asyncio.StreamReader, sink: asyncio.StreamWriter, direction: Direction
    ) -> None:
        while chunk := await source.read(CHUNK_BYTES):
            if direction == "request" and link.spoke != direction:
                self.requests.append(chunk[:SHOWN_BYTES])
            link.spoke = direction
            await self._wait()
            if self._loses(direction):
                link.reset()
                return
            sink.write(chunk)
            await sink.drain()
        with suppress(OSError):
            sink.write_eof()

    async def _wait(self) -> None:
        """Wait for as long as a chunk does: all of them while the proxy stalls, and each by its own faults."""
        await asyncio.sleep(max(0.0, self._stalled_until - time.monotonic()))
        if self._befalls(self.faults.stall_probability):
            await asyncio.sleep(self.faults.stall_seconds)
        if self.faults.delay_seconds:
            await asyncio.sleep(self.faults.delay_seconds)

    def _loses(self, direction: Direction) -> bool:
        if self._losing == direction:
            self._losing = None
            return True
        return self._befalls(self.faults.reset_probability)

    def _befalls(self, probability: float) -> bool:
        """Draw, where there is something to draw: how many chunks a quiet time had changes nothing of the next."""
        return probability > 0 and self._random.random() < probability


class _Link:
    """The two sides of one connection, and which spoke last."""

    def __init__(self, writers: tuple[asyncio.StreamWriter, ...]) -> None:
        self._writers = writers
        self.spoke: Direction | None = None

    def reset(self) -> None:
        """Close both sides so that their peers see a reset, not an end."""
        for writer in self._writers:
            with suppress(OSError):
                peer: socket.socket = writer.get_extra_info("socket")
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    def close(self) -> None:
        for writer in self._writers:
            writer.close()


@contextmanager
def proxied(port: int, *, seed: int = 0) -> Iterator[Proxy]:
    """Begin a proxy to the server on *port* of loopback, and end it afterwards."""
    proxy = Proxy(port, seed)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.close()

"""A loopback venue that also pushes candles over websockets as Binance does, and fails when it is told to."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
from aiohttp import WSMsgType, web

from backtestkit_cli.domain.candle import Candle
from backtestkit_cli.domain.interval import MINUTE_MS
from tests.venue.klines import number
from tests.venue.server import Venue


async def looked_for(is_so: Callable[[], bool]) -> None:
    """Return once *is_so*."""
    while not is_so():  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0.002)


class StreamingVenue(Venue):
    """Pushes what a test lets it push, to all that subscribed; answers nobody while it `refuses` connections."""

    refuses = False
    hangs = False

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self.sockets: dict[web.WebSocketResponse, set[str]] = {}
        self.connections = 0
        self.handshakes: list[dict[str, str]] = []
        self.peers: set[object] = set()

    async def stop(self) -> None:
        for socket in list(self.sockets):
            await socket.close()
        await super().stop()

    async def subscribed(self, *streams: str) -> None:
        """Wait until somebody is subscribed to *streams*."""
        await looked_for(lambda: any(set(streams) <= wanted for wanted in self.sockets.values()))

    async def push(self, symbol: str, candle: Candle, *, is_closed: bool | None = False) -> None:
        """Push a kline; one that is neither closed nor not is that of a venue which does not say it."""
        kline = {
            "t": candle.timestamp,
            "T": candle.timestamp + MINUTE_MS - 1,
            "s": symbol,
            "i": "1m",
            **{name: number(getattr(candle, word)) for name, word in zip("ohlcv", _WORDS, strict=True)},
            **({} if is_closed is None else {"x": is_closed}),
        }
        await self.send({"e": "kline", "E": candle.timestamp, "s": symbol, "k": kline}, f"{symbol.lower()}@kline_1m")

    async def send(self, message: object, stream: str | None = None) -> None:
        """Send *message* to who is subscribed to *stream*, or to all."""
        for socket, wanted in list(self.sockets.items()):
            if stream is None or stream in wanted:
                await socket.send_str(orjson.dumps(message).decode() if not isinstance(message, str) else message)

    async def drop(self) -> None:
        """Break every connection off, without a word."""
        for socket in list(self.sockets):
            transport = socket._req.transport if socket._req else None
            if transport is not None:
                transport.abort()
        await looked_for(lambda: not self.sockets)

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        if request.transport is not None:
            self.peers.add(request.transport.get_extra_info("peername"))
        if not request.path.startswith("/ws/"):
            return await super()._receive(request)
        self.handshakes.append({**request.headers, "path": request.path_qs})
        if self.hangs:
            await self._stopping.wait()
        if self.refuses or self.hangs:
            return web.Response(status=503)
        return await self._stream(request)

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.connections += 1
        self.sockets[socket] = set()
        try:
            async for message in socket:
                if message.type is WSMsgType.TEXT:
                    asked = orjson.loads(message.data)
                    self.sockets[socket].update(asked["params"])
                    await socket.send_json({"result": None, "id": asked["id"]})
        finally:
            del self.sockets[socket]
        return socket


_WORDS = ("open", "high", "low", "close", "volume")

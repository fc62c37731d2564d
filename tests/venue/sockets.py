"""The websockets of the venue: klines by subscription, and what happens to the account for who signs for it."""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias
from urllib.parse import quote

import orjson
from aiohttp import WSMsgType, web

from backtestkit_cli.domain.interval import interval_ms
from tests.venue.calls import Refusal
from tests.venue.exchange import Exchange
from tests.venue.keys import Keys
from tests.venue.klines import rows_of
from tests.venue.matching.orders import Report
from tests.venue.reports import execution_report, position_report

_STREAM = re.compile(r"(\w+)@kline_(\w+)")
_MOST_AT_ONCE = 1_000
_USER_STREAM = "userDataStream.subscribe.signature"


Message: TypeAlias = dict[str, object]


class Socket:
    """One connection: what it subscribed to, and the messages on their way to it, which may be made when sent."""

    def __init__(self, request: web.Request, answers: web.WebSocketResponse) -> None:
        self.next_ms: dict[str, int] = {}
        """By stream, the opening of the first candle that was not yet pushed as closed."""
        self.wants_account = False
        self.leaving: asyncio.Queue[Message | Callable[[], Message]] = asyncio.Queue()
        self._request = request
        self._answers = answers

    async def write(self) -> None:
        """Send what comes into the queue, until the connection ends."""
        with suppress(ConnectionError):
            while not self._answers.closed:
                message = await self.leaving.get()
                await self._answers.send_str(orjson.dumps(message() if callable(message) else message).decode())

    async def close(self) -> None:
        await self._answers.close()

    def abort(self) -> None:
        """End the connection without a word."""
        if self._request.transport is not None:
            self._request.transport.abort()


class Sockets:
    """All connections. A test may `drop` them, make them `silent`, `refuse` new ones, and `skip` closed candles."""

    def __init__(self, exchange: Exchange, keys: Keys) -> None:
        self.silent = False
        """While it lasts connections stay open and no data comes; what there was is not sent afterwards."""
        self.refuse = False
        self.skip = 0
        """How many of the next closed candles are left out, of all connections together."""
        self.opened = 0
        self.sockets: set[Socket] = set()
        self._exchange = exchange
        self._market = exchange.market
        self._keys = keys
        self._pushing = asyncio.Lock()
        exchange.matcher.book.listeners.append(self._report)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection as long as it lasts."""
        if self.refuse:
            return web.Response(status=503)
        answers = web.WebSocketResponse()
        await answers.prepare(request)
        socket = Socket(request, answers)
        self.sockets.add(socket)
        self.opened += 1
        writing = asyncio.create_task(socket.write())
        try:
            async for message in answers:
                if message.type is WSMsgType.TEXT:
                    socket.leaving.put_nowait(await self._answer(socket, orjson.loads(message.data)))
        finally:
            self.sockets.discard(socket)
            writing.cancel()
        return answers

    def drop(self) -> int:
        """End every connection without a word; return how many there were."""
        dropped = list(self.sockets)
        for socket in dropped:
            socket.abort()
        return len(dropped)

    async def close(self) -> None:
        for socket in list(self.sockets):
            await socket.close()

    async def push(self) -> None:
        """Send every subscriber the candles that ended since the last time, and the one that forms."""
        async with self._pushing:
            for socket in list(self.sockets):
                for stream in list(socket.next_ms):
                    await self._push(socket, stream)

    async def _push(self, socket: Socket, stream: str) -> None:
        symbol, interval = _parts(stream)
        length_ms, known_ms = interval_ms(interval), self._market.now_ms() - self._market.lag_ms
        candles = await self._market.candles(symbol, length_ms, socket.next_ms[stream], None, _MOST_AT_ONCE)
        for row in rows_of(candles, length_ms):
            start_ms = int(row[0])
            is_closed = start_ms + length_ms <= known_ms
            if is_closed:
                socket.next_ms[stream] = start_ms + length_ms
                if self.skip:
                    self.skip -= 1
                    continue
            if not self.silent:
                socket.leaving.put_nowait(self._kline(symbol, interval, row, is_closed=is_closed))

    def _kline(self, symbol: str, interval: str, row: list[int | str], *, is_closed: bool) -> Message:
        names = ("t", "o", "h", "l", "c", "v", "T", "q", "n", "V", "Q", "B")
        kline = {**dict(zip(names, row, strict=True)), "s": symbol, "i": interval, "x": is_closed, "f": -1, "L": -1}
        return {"e": "kline", "E": self._market.server_ms, "s": symbol, "k": kline}

    def _report(self, report: Report) -> None:
        """Tell who wants to know; balances are told as they are when the message leaves, after all of the change."""

        def position() -> Message:
            return {"subscriptionId": 0, "event": position_report(self._exchange.matcher.holdings, report.at_ms)}

        for socket in self.sockets:
            if socket.wants_account and not self.silent:
                socket.leaving.put_nowait({"subscriptionId": 0, "event": execution_report(report)})
                socket.leaving.put_nowait(position)

    async def _answer(self, socket: Socket, asked: Mapping[str, Any]) -> Message:
        """Return the answer to one request, Binance's two kinds of socket alike."""
        try:
            match asked.get("method"):
                case "SUBSCRIBE":
                    for stream in asked["params"]:
                        await self._subscribe(socket, stream)
                    return {"result": None, "id": asked["id"]}
                case "UNSUBSCRIBE":
                    for stream in asked["params"]:
                        socket.next_ms.pop(stream, None)
                    return {"result": None, "id": asked["id"]}
                case method if method == _USER_STREAM:
                    self._sign_on(socket, asked["params"])
                    return {"id": asked["id"], "status": 200, "result": {"subscriptionId": 0}}
                case method:
                    raise Refusal(-1000, f"This venue has no {method}.")
        except Refusal as refusal:
            return {"id": asked["id"], "status": refusal.status, "error": refusal.body}

    async def _subscribe(self, socket: Socket, stream: str) -> None:
        symbol, interval = _parts(stream)
        if symbol not in self._market.symbols:
            raise Refusal(-1121, "Invalid symbol.")
        newest = await self._market.candles(symbol, interval_ms(interval), None, None, 1)
        socket.next_ms[stream] = newest[-1].timestamp if len(newest) else 0

    def _sign_on(self, socket: Socket, params: Mapping[str, Any]) -> None:
        sent = {name: str(value) for name, value in params.items()}
        payload = "&".join(f"{name}={quote(sent[name], safe='')}" for name in sorted(sent.keys() - {"signature"}))
        self._keys.check_signed(sent.get("apiKey", ""), sent, payload)
        socket.wants_account = True


def _parts(stream: str) -> tuple[str, str]:
    found = _STREAM.fullmatch(stream)
    if found is None:
        raise Refusal(2, "Invalid request: invalid stream")
    return found[1].upper(), found[2]

"""A venue on a loopback port that speaks Binance's spot REST API."""

import asyncio
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import formatdate
from types import TracebackType
from typing import Self

import orjson
from aiohttp import web

from tests.venue.calls import KLINES, Call, Endpoints, Refusal
from tests.venue.faults import BrokenWire, ErrorAnswer, Fault, Faults, Meddling, OddRows, StaleAnswer, TakenLate
from tests.venue.market import VenueMarket
from tests.venue.market_data import MarketData
from tests.venue.weights import Weights
from tests.venue.wire import Answer, send

_PATIENCE_S = 10.0


@dataclass(slots=True)
class Received:
    """One request and what became of it; `status` is None until it is answered, and where the answer got lost."""

    method: str
    path: str
    params: Mapping[str, str]
    at_s: float  # monotonic
    status: int | None = None
    fault: str | None = None


class Venue:
    """Serves a market while its context lasts: `async with Venue(market) as venue: venue.url`."""

    def __init__(
        self,
        market: VenueMarket,
        *,
        faults: Faults | None = None,
        weights: Weights | None = None,
        endpoints: Endpoints | None = None,
        port: int = 0,
        latency_s: float = 0.0,
        keep_requests: int | None = None,
    ) -> None:
        """Serve *market* and further *endpoints*; port 0 is any free one.

        Only the newest *keep_requests* are kept for who wants to look at them, None for all.
        """
        self.market = market
        self.faults = faults or Faults.none()
        self.weights = weights or Weights()
        self.requests: list[Received] = []
        self.answered = 0
        self.most_at_once = 0
        self.url = ""
        self._endpoints = {**MarketData(market, self.weights).endpoints, **(endpoints or {})}
        self._port = port
        self._latency_s = latency_s
        self._keep_requests = keep_requests
        self._at_once = 0
        self._failures: list[Exception] = []

    @property
    def candle_requests(self) -> list[Received]:
        return self.requests_of(KLINES)

    def requests_of(self, path: str) -> list[Received]:
        return [received for received in self.requests if received.path == path]

    async def start(self) -> None:
        """Listen; `url` tells where."""
        self._stopping = asyncio.Event()
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._receive)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port).start()
        _, port = self._runner.addresses[0]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        """Free the port, whoever still waits for an answer; an error of the venue itself comes up here."""
        self._stopping.set()
        await self._runner.cleanup()
        if self._failures:
            raise RuntimeError("the venue itself failed") from self._failures[0]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def _receive(self, request: web.Request) -> web.StreamResponse:
        body = {name: str(value) for name, value in (await request.post()).items()}
        payload = request.raw_path.partition("?")[2] + await request.text()
        call = Call(request.method, request.path, {**request.query, **body}, dict(request.headers), payload)
        received = Received(call.method, call.path, call.params, time.monotonic())
        self.requests.append(received)
        if self._keep_requests is not None:
            del self.requests[: -self._keep_requests]
        self.answered += 1
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            return await self._serve(request, call, received)
        except Exception as error:
            if not isinstance(error, ConnectionError):
                self._failures.append(error)
            raise
        finally:
            self._at_once -= 1

    async def _serve(self, request: web.Request, call: Call, received: Received) -> web.StreamResponse:
        fault = self.faults.of(self.answered, call.method, call.path)
        refusal = self.weights.spend(call.path, self.market.now_ms())
        if self._latency_s:
            await asyncio.sleep(self._latency_s)
        answer, happened = await self._answer(call, refusal or fault)
        if happened is not None:
            received.fault = happened.name
            self.faults.happened[happened.name] += 1
        broken = happened if isinstance(happened, BrokenWire | TakenLate) else None
        response = await send(request, answer, broken, self._stopping)
        received.status = None if request.transport is None or request.transport.is_closing() else answer.status
        return response

    async def _answer(self, call: Call, fault: Fault | None) -> tuple[Answer, Fault | None]:
        """Return the answer, and the fault that happened to it."""
        headers = {
            "Content-Type": "application/json;charset=UTF-8",
            "Date": formatdate(self.market.server_ms / 1000, usegmt=True),
            "X-MBX-USED-WEIGHT-1M": str(self.weights.used),
        }
        if isinstance(fault, ErrorAnswer):
            headers["Content-Type"] = fault.content_type
            if fault.retry_after_s is not None:
                headers["Retry-After"] = str(fault.retry_after_s)
            return Answer(fault.status, fault.body.encode(), headers), fault
        if isinstance(fault, BrokenWire) and not fault.reaches:
            return Answer(503, b"", headers), fault
        status, payload, fault = await self._served(call, fault)
        return Answer(status, orjson.dumps(payload), headers), fault

    async def _served(self, call: Call, fault: Fault | None) -> tuple[int, object, Fault | None]:
        """Let *call* have its effect; return the answer, and the fault unless it changed nothing."""
        status, payload = await self._payload(call)
        if isinstance(fault, OddRows):
            changed = fault.change(payload) if isinstance(payload, list) else payload
            return status, changed, None if changed == payload else fault
        return status, payload, None if isinstance(fault, StaleAnswer | TakenLate | Meddling) else fault

    async def _payload(self, call: Call) -> tuple[int, object]:
        endpoint = self._endpoints.get((call.method, call.path))
        if endpoint is None:
            return 404, {"code": -1, "msg": f"This venue has no {call.method} {call.path}."}
        try:
            return 200, await endpoint(call)
        except Refusal as refusal:
            return refusal.status, refusal.body


@contextmanager
def running(venue: Venue) -> Iterator[Venue]:
    """Run *venue* in a thread of its own, for tests that start btk as a program."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="venue", daemon=True)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(venue.start(), loop).result(_PATIENCE_S)
        try:
            yield venue
        finally:
            asyncio.run_coroutine_threadsafe(venue.stop(), loop).result(_PATIENCE_S)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(_PATIENCE_S)
        loop.close()

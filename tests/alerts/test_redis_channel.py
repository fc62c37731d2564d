"""A channel of Redis with a real server and somebody who listens."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub

from backtestkit_cli.alerts.building import sinks_of
from backtestkit_cli.alerts.message import body_of
from backtestkit_cli.alerts.outbox import Outbox
from backtestkit_cli.alerts.sinks import Delivered, Unreached
from backtestkit_cli.domain.alerts import AlertsOptions, RedisOptions
from backtestkit_cli.events.facts import Event
from backtestkit_cli.persistence.memory_store import MemoryStore
from tests.alerts.happenings import NOW_MS, closed, failed, opened, told
from tests.servers.process import new_name
from tests.servers.proxy import proxied
from tests.servers.redis import PASSWORD, RedisServer

EVENTS: list[Event] = [opened(), failed(), closed()]


@asynccontextmanager
async def listening(server: RedisServer, channel: str) -> AsyncIterator[PubSub]:
    async with Redis.from_url(server.url, protocol=2) as client, client.pubsub() as listener:
        await listener.subscribe(channel)
        await listener.get_message(timeout=5)
        yield listener


async def heard(listener: PubSub, count: int) -> list[bytes]:
    found: list[bytes] = []
    while len(found) < count:
        message = await listener.get_message(ignore_subscribe_messages=True, timeout=5)
        assert message is not None
        found.append(message["data"])
    return found


def an_outbox(url: str, channel: str) -> Outbox:
    options = AlertsOptions(redis=RedisOptions(url=url, channel=channel))
    sinks = sinks_of(options, {}, lambda: NOW_MS)
    return Outbox(
        MemoryStore(),
        "live",
        "binance",
        sinks,
        now_ms=lambda: NOW_MS,
        sleep=lambda _: asyncio.sleep(0.01),
        rng=random.Random(1),
    )


async def test_a204_who_listens_hears_what_happens_as_json_in_order(redis_server: RedisServer) -> None:
    channel = new_name()
    outbox = an_outbox(redis_server.url, channel)
    async with listening(redis_server, channel) as listener:
        await outbox.start()
        for event in EVENTS:
            await outbox.post(event)
        bodies = await heard(listener, len(EVENTS))
        assert bodies == [body_of(told(event)) for event in EVENTS]
        assert orjson.loads(bodies[0])["event"] == "position_opened"
        await outbox.close(1)
    assert outbox.waiting == {"redis": 0}


async def test_what_could_not_be_published_waits_and_is_published_later(redis_server: RedisServer) -> None:
    channel = new_name()
    with proxied(redis_server.port) as proxy:
        outbox = an_outbox(redis_server.url.replace(str(redis_server.port), str(proxy.port)), channel)
        async with listening(redis_server, channel) as listener:
            await outbox.start()
            proxy.cut()
            await outbox.post(opened())
            await asyncio.sleep(0.03)
            assert outbox.waiting == {"redis": 1}
            proxy.mend()
            assert await heard(listener, 1) == [body_of(told(opened()))]
            await outbox.close(1)


async def test_a_channel_that_nobody_listens_to_is_no_trouble_and_a_server_that_refuses_is(
    redis_server: RedisServer,
) -> None:
    for url, verdict in (
        (redis_server.url, Delivered()),
        (redis_server.url.replace(PASSWORD, "wr0ng-pass"), Unreached("not reached, AuthenticationError")),
        ("redis://:hush-hush@127.0.0.1:1/0", Unreached("not reached, ConnectionError")),
    ):
        (sink,) = sinks_of(AlertsOptions(redis=RedisOptions(url=url, channel=new_name())), {}, lambda: NOW_MS)
        assert await sink.send(told(opened())) == verdict
        await sink.close()

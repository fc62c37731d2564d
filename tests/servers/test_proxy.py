"""The proxy that stands between a client and a server: what a client sees of its faults, and what it counts."""

import time

import obstore
import psycopg
import pytest
import redis
from pymongo import MongoClient
from pymongo.errors import AutoReconnect
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
from tests.servers.process import new_name
from tests.servers.proxy import Faults, proxied
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


def test_redis_does_not_see_a_lost_request_and_has_done_what_a_lost_answer_says(redis_server: RedisServer) -> None:
    key = new_name()
    with proxied(redis_server.port) as proxy, client_of(redis_server.through(proxy.port)) as client:
        client.ping()
        proxy.lose_next("request")
        with pytest.raises(redis.ConnectionError, match="reset"):
            client.incr(key)
        assert client.get(key) is None
        proxy.lose_next("answer")
        with pytest.raises(redis.ConnectionError, match="reset"):
            client.incr(key)
        assert client.get(key) == b"1"
        assert proxy.connections == 3


def test_a_reset_postgres_connection_raises_and_the_next_one_works(postgres_server: PostgresServer) -> None:
    with proxied(postgres_server.port) as proxy:
        url = postgres_server.through(proxy.port).url
        with psycopg.connect(url) as connection:
            proxy.lose_next("request")
            with pytest.raises(psycopg.OperationalError):
                connection.execute("SELECT 1")
        with psycopg.connect(url) as connection:
            assert connection.execute("SELECT 1").fetchall() == [(1,)]


def test_a_reset_mongo_connection_raises_and_the_next_one_works(mongo_server: MongoServer) -> None:
    with proxied(mongo_server.port) as proxy:
        url = mongo_server.through(proxy.port).url
        with MongoClient[dict[str, object]](url, retryWrites=False) as client:
            things = client[new_name()]["things"]
            things.insert_one({"_id": 1})
            proxy.faults = Faults(reset_probability=1.0)
            with pytest.raises(AutoReconnect):
                things.insert_one({"_id": 2})
            proxy.mend()
            things.insert_one({"_id": 3})


def test_s3_takes_signed_requests_through_the_proxy_and_its_client_asks_again(
    s3_server: S3Server,
) -> None:
    key = f"{new_name()}/key"
    with proxied(s3_server.port) as proxy:
        store = s3_server.through(proxy.port).opened(s3_server.bucket)
        obstore.put(store, key, b"value")
        proxy.lose_next("answer")
        assert bytes(obstore.get(store, key).bytes()) == b"value"
        path = f"/{s3_server.bucket}/{key}".encode()
        assert [request.split()[:2] for request in proxy.requests] == [[b"PUT", path], [b"GET", path], [b"GET", path]]


def test_round_trips_are_counted(redis_server: RedisServer) -> None:
    with proxied(redis_server.port) as proxy, client_of(redis_server.through(proxy.port)) as client:
        client.ping()
        before = proxy.round_trips
        client.set(new_name(), "x" * 300_000)
        with client.pipeline() as pipeline:
            pipeline.ping().ping().execute()
        assert proxy.round_trips == before + 2


def test_resets_come_as_often_as_they_are_asked_for_and_at_the_same_chunks(redis_server: RedisServer) -> None:
    assert pings_lost(redis_server, seed=1) == pings_lost(redis_server, seed=1)
    assert 0 < len(pings_lost(redis_server, seed=2)) < 20


def pings_lost(server: RedisServer, seed: int) -> list[int]:
    """Return which of twenty pings failed where one chunk in five is lost; a ping is two of them."""
    lost = []
    with proxied(server.port, seed=seed) as proxy:
        for number in range(20):
            with client_of(server.through(proxy.port)) as client:
                client.ping()
                proxy.faults = Faults(reset_probability=0.2)
                try:
                    client.ping()
                except redis.ConnectionError:
                    lost.append(number)
                proxy.faults = Faults()
    return lost


def test_a_stall_and_a_delay_hold_answers_back(redis_server: RedisServer) -> None:
    with proxied(redis_server.port) as proxy, client_of(redis_server.through(proxy.port)) as client:
        client.ping()
        proxy.stall(0.2)
        assert 0.15 < seconds_of_a_ping(client) < 5
        proxy.faults = Faults(delay_seconds=0.05)
        assert 0.1 <= seconds_of_a_ping(client) < 5
        proxy.faults = Faults(stall_probability=1.0, stall_seconds=0.05)
        assert 0.1 <= seconds_of_a_ping(client) < 5
        proxy.stall(30)
        proxy.mend()
        assert seconds_of_a_ping(client) < 5


def test_a_cut_line_refuses_until_it_is_mended(redis_server: RedisServer) -> None:
    with proxied(redis_server.port) as proxy, client_of(redis_server.through(proxy.port)) as client:
        client.ping()
        proxy.cut()
        with pytest.raises(redis.ConnectionError, match="refused"):
            client.ping()
        proxy.mend()
        assert client.ping()


def test_a_client_of_a_dead_server_is_reset(own_redis: RedisServer) -> None:
    with proxied(own_redis.port) as proxy, client_of(own_redis.through(proxy.port)) as client:
        own_redis.kill()
        with pytest.raises(redis.ConnectionError):
            client.ping()
        own_redis.restart()
        assert client.ping()


def client_of(server: RedisServer) -> "redis.Redis":
    """Return a client that asks once, so that a test sees each fault."""
    return redis.Redis.from_url(server.url, retry=Retry(NoBackoff(), 0))


def seconds_of_a_ping(client: "redis.Redis") -> float:
    began = time.monotonic()
    client.ping()
    return time.monotonic() - began

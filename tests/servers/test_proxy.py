"""The proxy that stands between a client and a server."""

import pytest
import redis

from tests.servers.proxy import proxied
from tests.servers.redis import RedisServer


def test_a_reset_is_seen_by_the_client_and_a_new_connection_works(redis_server: RedisServer) -> None:
    with proxied(redis_server.port) as proxy, redis.Redis.from_url(redis_server.through(proxy.port).url) as client:
        assert client.ping()
        proxy.reset()
        proxy.lose_next("request")
        with pytest.raises(redis.ConnectionError):
            client.execute_command("PING")
        assert client.ping()

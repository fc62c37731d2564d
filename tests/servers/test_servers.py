"""The servers that the tests start."""

import obstore
import psycopg
import pytest
import redis
from obstore.exceptions import PermissionDeniedError
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from tests.servers.mongo import MongoServer
from tests.servers.postgres import READER, PostgresServer
from tests.servers.process import new_name
from tests.servers.redis import RedisServer
from tests.servers.s3 import S3Server


def test_redis_keeps_what_it_has_answered_through_a_kill(own_redis: RedisServer) -> None:
    own_redis.ask("SET", "key", "kept")
    own_redis.kill()
    own_redis.restart()
    assert own_redis.ask("STRLEN", "key") == ":4"


def test_redis_tells_the_commands_that_name_a_key(redis_server: RedisServer) -> None:
    with redis_server.monitor() as seen:
        redis_server.ask("SET", "mine", "1")
        redis_server.ask("SET", "other", "1")
        assert seen.commands("mine") == ['"SET" "mine" "1"']


def test_postgres_keeps_what_was_committed_through_a_kill(own_postgres: PostgresServer) -> None:
    schema = own_postgres.new_schema()
    own_postgres.execute("CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (7)", schema=schema)
    own_postgres.kill()
    own_postgres.restart()
    with psycopg.connect(own_postgres.url_of(schema)) as connection:
        assert connection.execute("SELECT n FROM kept").fetchall() == [(7,)]


def test_postgres_tells_the_statements_of_a_schema(postgres_server: PostgresServer) -> None:
    mine, other = postgres_server.new_schema(), postgres_server.new_schema()
    mark = postgres_server.log_mark()
    postgres_server.execute("SELECT 1\n+ 1", schema=mine)
    postgres_server.execute("SELECT 2", schema=other)
    assert postgres_server.statements_since(mark, mine) == ["BEGIN", "SELECT 1\n\t+ 1", "COMMIT"]


def test_mongo_keeps_what_was_written_through_a_kill(own_mongo: MongoServer) -> None:
    with MongoClient[dict[str, object]](own_mongo.url, journal=True) as client:
        client["kept"]["things"].insert_one({"_id": 7})
        own_mongo.kill()
        own_mongo.restart()
        assert client["kept"]["things"].find_one() == {"_id": 7}


def test_mongo_tells_the_operations_on_a_database(mongo_server: MongoServer) -> None:
    mine, other = new_name(), new_name()
    with MongoClient[dict[str, object]](mongo_server.url) as client, mongo_server.recorded(mine) as seen:
        client[mine]["things"].insert_one({"_id": 7})
        client[other]["things"].insert_one({"_id": 7})
        assert [(each["op"], each["ns"]) for each in seen.operations()] == [("insert", f"{mine}.things")]


def test_a_reader_of_redis_may_not_write(redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.reader_url) as client:
        assert client.get(new_name()) is None
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.set(new_name(), "1")


def test_a_reader_of_postgres_may_not_write(postgres_server: PostgresServer) -> None:
    schema = postgres_server.new_schema()
    postgres_server.execute("CREATE TABLE things (n int)", schema=schema)
    with psycopg.connect(postgres_server.url_of(schema, user=READER)) as connection:
        assert connection.execute("SELECT n FROM things").fetchall() == []
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("INSERT INTO things VALUES (1)")


def test_a_reader_of_mongo_may_not_write(mongo_server: MongoServer) -> None:
    with MongoClient[dict[str, object]](mongo_server.reader_url) as client:
        assert client["db"]["things"].find_one() is None
        with pytest.raises(OperationFailure):
            client["db"]["things"].insert_one({"_id": 7})


def test_a_reader_of_s3_may_not_write(s3_server: S3Server) -> None:
    key = f"{new_name()}/key"
    obstore.put(s3_server.opened(s3_server.bucket), key, b"value")
    store = s3_server.opened(s3_server.bucket, s3_server.reader_access_key)
    assert bytes(obstore.get(store, key).bytes()) == b"value"
    with pytest.raises(PermissionDeniedError):
        obstore.put(store, key, b"other")

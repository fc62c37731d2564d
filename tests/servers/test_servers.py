"""The servers that the tests start."""

import obstore
import psycopg
from obstore.store import S3Store
from pymongo import MongoClient

from tests.servers.mongo import MongoServer
from tests.servers.postgres import PostgresServer
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


def test_s3_keeps_what_was_put_through_a_kill(own_s3: S3Server) -> None:
    store = S3Store(
        own_s3.new_bucket(),
        endpoint=own_s3.endpoint,
        access_key_id=own_s3.access_key,
        secret_access_key=own_s3.secret_key,
        region="us-east-1",
        client_options={"allow_http": True},
    )
    obstore.put(store, "folder/kept", b"seven")
    own_s3.kill()
    own_s3.restart()
    assert bytes(obstore.get(store, "folder/kept").bytes()) == b"seven"

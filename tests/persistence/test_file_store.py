"""What files add to the contract of stores: names, what the system refuses, and what is kept aside."""

import asyncio
import os
import re
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.errors import CorruptRecordError, MissingRecordError, StoreError
from backtestkit_cli.persistence.file_names import decoded, encoded
from backtestkit_cli.persistence.file_store import FileStore
from backtestkit_cli.ports import Json

texts = st.text(st.characters(), min_size=1, max_size=400)  # with surrogates
keys = st.lists(texts, min_size=1, max_size=3).map(tuple)
Names = tuple[str, ...]


def names_of(key: Names) -> Names:
    return tuple(name for part in key for name in encoded(part))


@given(keys)
def test_a_key_is_read_off_the_names_that_stand_for_it(key: Names) -> None:
    names = names_of(key)
    assert decoded(names) == key
    assert all(re.fullmatch(r"[a-z0-9_+%-]{1,160}=?", name) for name in names)


@given(keys, keys)
def test_different_keys_have_different_names_even_where_case_does_not_count(one: Names, other: Names) -> None:
    assert (names_of(one) == names_of(other)) == (one == other)
    assert [name.casefold() for name in names_of(one)] == list(names_of(one))


@given(st.lists(st.text("ab+%=2f.C", min_size=1), min_size=1).map(tuple))
def test_names_that_we_would_not_give_stand_for_nothing(names: Names) -> None:
    key = decoded(names)
    assert key is None or names_of(key) == names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("BTCUSDT", ("+btcusdt",)),
        ("BTC/USDT", ("+btc%2fusdt",)),
        ("my_Strategy-2", ("my_+s+trategy-2",)),
        ("..", ("%2e%2e",)),
        ("con", ("%63on",)),
        ("é", ("%c3%a9",)),
        ("a" * 200, ("a" * 160 + "=", "a" * 40)),
    ],
)
def test_ordinary_names_stay_readable(text: str, names: Names) -> None:
    assert encoded(text) == names


async def test_a101_the_parts_of_a_key_are_folders_and_the_last_is_a_file(tmp_path: Path) -> None:
    await FileStore(tmp_path).write(("live", "demo", "signal", "sma", "BTCUSDT"), {"n": 1})
    file = tmp_path / "live/demo/signal/sma/+btcusdt.json"
    assert file.read_text() == '{"version":1,"record":{"n":1}}\n'


async def test_a121_damaged_files_are_kept_beside_one_after_the_other_and_the_message_names_both_places(
    tmp_path: Path,
) -> None:
    store, file = FileStore(tmp_path), tmp_path / "a.json"
    for number in (1, 2, 3):
        aside = tmp_path / f"a.json.corrupt-{number}"
        file.write_text(f"half {number}")
        with pytest.raises(CorruptRecordError) as refused:
            await store.read(("a",))
        assert str(refused.value).startswith(f"{file}: the record is no JSON: ")
        assert str(refused.value).endswith(f"; it was moved to {aside}")
        assert aside.read_text() == f"half {number}"
    assert await store.keys(()) == []


async def test_files_that_are_no_records_are_left_alone(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.write(("a", "b"), {})
    strange = ["README.md", "Upper.json", "a.b.json", ".json", "%2.json", "a/=.json", "x=/.hidden", "lock"]
    for name in strange:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert await store.keys(()) == [("a", "b")]
    assert await store.remove_all(()) == 1
    assert all((tmp_path / name).exists() for name in strange)


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """Let no file grow beyond *size* bytes, as where a disk is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_is_one_line_and_the_old_record_is_intact(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    await store.write(("a",), {"old": True})
    with files_of_at_most(100), pytest.raises(StoreError) as refused:
        await store.write(("a",), {"new": "x" * 1000})
    assert str(refused.value) == f"{tmp_path / 'a.json'}: cannot be written: File too large"
    assert await store.read(("a",)) == {"old": True}
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]


async def test_a_place_that_cannot_be_a_folder_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    store = FileStore(tmp_path / "taken" / "state")
    for call in (store.wait_for_init(), store.write(("a",), {}), store.read(("a",)), store.keys(())):
        with pytest.raises(StoreError, match=r"taken.*: cannot be (written|read): (Not a directory|File exists)$"):
            await call


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_read_only_folder_is_one_line_and_the_old_record_can_be_read(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "state")
    await store.write(("a",), {"old": True})
    (tmp_path / "state").chmod(0o555)
    try:
        for call in (store.wait_for_init(), store.write(("a",), {}), store.remove(("a",))):
            with pytest.raises(StoreError, match=r"Permission denied$"):
                await call
        assert await store.read(("a",)) == {"old": True}
    finally:
        (tmp_path / "state").chmod(0o755)


async def test_a_key_longer_than_a_path_may_be_is_one_line(tmp_path: Path) -> None:
    key = ("long" * 2000,)
    for call in (FileStore(tmp_path).write(key, {}), FileStore(tmp_path).has(key)):
        with pytest.raises(StoreError, match=r"File name too long$"):
            await call


async def test_a121_a_store_that_was_never_written_is_empty(tmp_path: Path) -> None:
    store = FileStore(tmp_path / "none")
    assert await store.keys(()) == []
    assert await store.values(()) == []
    assert await store.remove_all(()) == 0
    with pytest.raises(MissingRecordError, match="there is no such record"):
        await store.read(("a",))
    await store.wait_for_init()
    assert list((tmp_path / "none").iterdir()) == []


WRITER = """
import asyncio, pathlib, sys
from backtestkit_cli.persistence.file_store import FileStore
async def write():
    for _ in range(20):
        await FileStore(pathlib.Path(sys.argv[1])).write(("a",), {"writer": 1, "same": [1] * 2000})
asyncio.run(write())
"""


def test_processes_that_write_one_record_never_mix_their_writes(tmp_path: Path) -> None:
    async def write_and_read() -> Json:
        await FileStore(tmp_path).write(("a",), {"writer": 0, "same": [0] * 2000})
        return await FileStore(tmp_path).read(("a",))

    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)]) as other:
        records = []
        while other.poll() is None:
            records.append(asyncio.run(write_and_read()))
    assert other.returncode == 0
    assert [record for record in records if record["same"] != [record["writer"]] * 2000] == []
    assert records
    assert [file.name for file in tmp_path.iterdir()] == ["a.json"]

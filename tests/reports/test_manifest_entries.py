"""A damaged manifest is told by the entry that is not as a run writes it."""

import re
from pathlib import Path
from typing import Any

import orjson
import pytest

from backtestkit_cli.errors import SavedRunError
from backtestkit_cli.reports.saved.manifest_entries import odd_entry
from backtestkit_cli.reports.saved.run_folder import write_run
from backtestkit_cli.reports.saved.run_reading import read_manifest
from tests.builders import a_record
from tests.coordinated_run import coordinated_record

ENTRIES = (
    *("mode", "exchange", "source", "is_synthetic", "versions", "frame", "symbols", "strategies", "settings"),
    *("candles", "sessions", "files_sha256"),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(a_record(), tmp_path_factory.mktemp("whole"))


def test_every_entry_of_a_whole_manifest_is_as_expected(run: Path, tmp_path: Path) -> None:
    for folder in (run, write_run(coordinated_record(), tmp_path)):
        assert odd_entry(orjson.loads((folder / "manifest.json").read_bytes())) is None


@pytest.mark.parametrize("harm", [None, 7, [7], {"x": 7}], ids=repr)
@pytest.mark.parametrize("name", ENTRIES)
def test_an_entry_that_is_damaged_is_named_without_words_of_python(
    run: Path, tmp_path: Path, name: str, harm: Any
) -> None:
    whole = orjson.loads((run / "manifest.json").read_bytes())
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(whole | {name: harm}))
    if (name, harm) in [("source", {"x": 7}), ("files_sha256", {"x": 7})]:
        assert read_manifest(tmp_path)[name] == harm
        return
    with pytest.raises(SavedRunError, match=f"expected `{name}` ") as caught:
        read_manifest(tmp_path)
    assert not re.search("NoneType|object is|subscript|attribute|dict", str(caught.value).partition("json: ")[2])


def test_a_value_that_no_run_writes_is_a_plain_sentence(run: Path, tmp_path: Path) -> None:
    whole = orjson.loads((run / "manifest.json").read_bytes())
    whole["settings"]["sma_cross"]["fill_model"] = "wavp"
    (tmp_path / "manifest.json").write_bytes(orjson.dumps(whole))
    with pytest.raises(SavedRunError, match="expected what a run of btk wrote, found a damaged or edited entry"):
        read_manifest(tmp_path)

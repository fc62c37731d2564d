"""The page on stores, and the servers to try them with: what is written there holds."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from backtestkit_cli.domain.stores import StoreKind
from tests.config.sources import load
from tests.servers.listening import URLS

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "stores"
PAGE = (FOLDER / "README.md").read_text(encoding="utf-8")
STACK: dict[str, Any] = yaml.safe_load((FOLDER / "compose.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("section", re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL))
def test_a119_each_config_on_the_page_is_one(section: str) -> None:
    load(section)


def test_a119_a203_the_page_compares_all_stores_and_has_the_five_remarks_on_s3() -> None:
    (header,) = re.findall(r"^\| \| file \|.*$", PAGE, re.MULTILINE)
    assert header == "| | file | Redis | PostgreSQL | MongoDB | S3 |"
    remarks = re.findall(r"^\d\. \*(.+?)\.\*", PAGE, re.MULTILINE)
    assert remarks == [
        "Infrequent access",
        "Archiving by life cycle",
        "Transfer acceleration",
        "A stronger store for what is critical",
        "Batching",
    ]


def test_a201_each_kind_of_server_is_in_the_stack_keeps_its_data_and_is_reached_from_this_machine_alone() -> None:
    kinds = set(URLS)
    assert {StoreKind(name) for name in STACK["services"] if name in set(kinds)} == kinds
    for kind, url in URLS.items():
        service = STACK["services"][kind]
        address = urlsplit(url.partition("endpoint=")[2] or url)
        (port,) = service["ports"]
        assert port == f"127.0.0.1:{address.port}:{address.port}"
        (volume,) = service["volumes"]
        assert volume.partition(":")[0] in STACK["volumes"]
    for service in STACK["services"].values():
        assert service["healthcheck"]["test"]
        assert not service["image"].endswith(":latest")

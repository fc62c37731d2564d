"""Tests of runs begin in an empty folder, and leave nothing registered behind."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from backtestkit_cli.api.registry import Registry, registry


@pytest.fixture(autouse=True)
def nothing_registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    empty = Registry()
    for field in fields(Registry):
        setattr(registry(), field.name, getattr(empty, field.name))

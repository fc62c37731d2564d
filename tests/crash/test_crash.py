"""Bots are killed in the midst of their orders and started again: nothing is lost, nothing is done twice."""

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crash.child import EVENTS, STATE
from tests.crash.differences import differences
from tests.crash.lives import Nursery, nursery
from tests.crash.secrets_left import secrets_left
from tests.crash.trial import killed, kills_of_orders, uninterrupted
from tests.laws import ALL_LAWS

ROUNDS = 2


@pytest.fixture(scope="module")
def there() -> Iterator[Nursery]:
    with nursery() as one:
        yield one


@pytest.mark.parametrize("mode", ["paper", "live"] if ALL_LAWS else ["live"])
def test_a_bot_killed_amid_its_orders_ends_as_one_that_was_not(there: Nursery, tmp_path: Path, mode: str) -> None:
    whole = uninterrupted(there, tmp_path / "whole", mode, ROUNDS)
    kills = kills_of_orders(whole, random.Random(7))
    ending = killed(there, tmp_path / "killed", mode, ROUNDS, kills)
    assert ending.kills >= 8
    assert differences(ending, whole) == []
    trades = list((ending.folder / STATE / mode / "binance" / "trade").rglob("*.json"))
    assert len(trades) == 2 * ROUNDS
    assert _restored(ending.folder)
    assert secrets_left(tmp_path) == []


def _restored(folder: Path) -> list[str]:
    rows = [json.loads(line) for line in (folder / EVENTS).read_text().splitlines()]
    return [row["signal_id"] for row in rows if row["event"] == "position_restored"]


def test_a_key_is_found_in_whatever_writing(tmp_path: Path) -> None:
    for name, text in {"plain": "x=loopback-KEY", "hex": b"loopback-key".hex(), "base64": "bG9vcGJhY2sta2V5"}.items():
        (tmp_path / name).write_text(text)
    assert len({line.split(":")[0] for line in secrets_left(tmp_path)}) == 3

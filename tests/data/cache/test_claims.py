"""One name in the cache stands for one market."""

from pathlib import Path

import pytest

from backtestkit_cli.data.cache.claims import claim
from backtestkit_cli.errors import ConfigError, DataError, StorageError

SPOT = {"id": "binance", "market": "spot"}
SWAP = {"id": "binance", "market": "swap"}


def test_a_folder_belongs_to_whom_came_first(tmp_path: Path) -> None:
    claim(tmp_path / "binance", SPOT, writes=True)
    claim(tmp_path / "binance", SPOT, writes=True)
    claim(tmp_path / "binance", SPOT, writes=False)
    (tmp_path / "binance" / "BTCUSDT").mkdir()
    for writes in (True, False):
        with pytest.raises(
            ConfigError, match="holds candles of binance spot, not of binance swap: expected another name"
        ):
            claim(tmp_path / "binance", SWAP, writes=writes)
    claim(tmp_path / "binance-swap", SWAP, writes=True)


def test_a_claim_without_a_candle_is_none(tmp_path: Path) -> None:
    claim(tmp_path / "binance", SWAP, writes=True)
    claim(tmp_path / "binance", SPOT, writes=True)
    (tmp_path / "binance" / "BTCUSDT").mkdir()
    with pytest.raises(ConfigError, match="holds candles of binance spot"):
        claim(tmp_path / "binance", SWAP, writes=True)


def test_who_writes_nothing_claims_nothing(tmp_path: Path) -> None:
    claim(tmp_path / "binance", SPOT, writes=False)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_that_cannot_be_read_or_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "exchange.json").write_text("{")
    with pytest.raises(DataError, match=r"exchange\.json: expected whose candles these are"):
        claim(tmp_path / "a", SPOT, writes=True)
    (tmp_path / "b").write_text("a file in the way")
    with pytest.raises((DataError, StorageError), match=r"exchange\.json"):
        claim(tmp_path / "b", SPOT, writes=True)

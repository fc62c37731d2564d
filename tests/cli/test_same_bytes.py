"""A run repeated, in another order, in waves or over processes, writes the same bytes."""

import json
from pathlib import Path

import pytest

from tests.cli.program import a_strategy, called

STRATEGY = """
import random
from datetime import datetime
from backtestkit_cli import Signal, add_strategy, average_buy, get_candles, partial_close

def get_signal(symbol: str, when: datetime, price: float) -> Signal | None:
    last = get_candles(symbol, "15m", 3).close
    if last[2] < last[1]:
        return None
    dice = random.Random(f"{symbol} {when}")
    price_open = price * dice.choice((0.998, 1.001)) if dice.random() < 0.5 else None
    levels = {"take_profit": price * 1.012, "stop_loss": price * 0.985}
    return Signal(position="long", price_open=price_open, minutes=300, **levels)

def on_active(ping):
    dice = random.Random(f"{ping.symbol} {ping.at_ms}")
    if dice.random() < 0.01:
        average_buy()
    if dice.random() < 0.005:
        partial_close(30)

add_strategy("busy", interval="5m", get_signal=get_signal, on_active=on_active, warm_up={"15m": 3})
"""
BASE = ("backtest", "-e", "busy.py", "--from", "2025-05-04", "--to", "2025-05-07", "-q")
SYMBOLS = "AAA,BBB,CCC,DDD"
ASKED = ("started_at", "finished_at", "command", "config", "config_given")


def written(folder: Path) -> dict[str, bytes]:
    """Return every file below *folder* by its path, the manifest without what says how and when it was made.

    How long everything took is measured anew in each run.
    """
    found = (path for path in folder.rglob("*") if path.is_file() and "performance" not in str(path))
    files = {str(path.relative_to(folder)): path.read_bytes() for path in found}
    for name in list(files):
        if name.endswith("manifest.json"):
            manifest = json.loads(files[name])
            files[name] = json.dumps({k: v for k, v in manifest.items() if k not in ASKED}).encode()
    return files


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Return what one plain run writes."""
    home = tmp_path_factory.mktemp("expected")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        a_strategy(home, STRATEGY, "busy.py")
        assert called(*BASE, "-s", SYMBOLS).code == 0
    files = written(home / "dump")
    assert sum(path.endswith((".parquet", ".jsonl", ".json", ".md", ".html")) for path in files) == len(files) == 10
    return files


@pytest.mark.parametrize(
    "arguments",
    [
        ("-s", SYMBOLS),
        ("-s", "DDD,BBB,AAA,CCC"),
        ("-s", SYMBOLS, "--max-concurrent", "1"),
        ("-s", "CCC,AAA,DDD,BBB", "--max-concurrent", "3"),
        ("-s", "BBB,AAA,DDD,CCC", "--workers", "2", "--max-concurrent", "1"),
    ],
    ids=" ".join,
)
def test_a_run_writes_the_same_bytes(folder: Path, expected: dict[str, bytes], arguments: tuple[str, ...]) -> None:
    a_strategy(folder, STRATEGY, "busy.py")
    assert called(*BASE, *arguments).code == 0
    found = written(folder / "dump")
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


def test_another_input_is_another_run(folder: Path, expected: dict[str, bytes]) -> None:
    a_strategy(folder, STRATEGY, "busy.py")
    assert called(*BASE, "-s", SYMBOLS, "--set", "fee_pct=0.2").code == 0
    assert not set(written(folder / "dump")) & {name for name in expected if name.startswith("runs/")}

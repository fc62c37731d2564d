"""What is traded in the kill test: a market of rounds that are all alike, and a strategy that does everything once."""

import csv
from pathlib import Path

import numpy as np

from backtestkit_cli.domain.interval import MINUTE_MS

START_MS = 1_735_689_600_000
ROUND_MINUTES = 15
ROUND_MS = ROUND_MINUTES * MINUTE_MS
SYMBOLS = ("BTCUSDT", "ETHUSDT")
PAST_MINUTES = 120

CLOSES = (
    (100, 99.81, 99.4, 98.9, 98.9, 99.6, 100.4, 101.1, 101.3, 101.2, 101.6, 102.1, 102, 101, 100),  # managed by price
    (100, 99.91, 99.5, 99.2, 99.4, 99.8, 100.2, 100.9, 101.5, 101.6, 101, 100.6, 100.3, 100.1, 100),  # a limit
    (100, 100.51, 101.2, 102, 102.8, 103, 102.9, 102.1, 101.5, 101, 100.6, 100.4, 100.2, 100.1, 100),  # a trail
    (100, 99.71, 99.5, 99.6, 99.8, 100.2, 100.5, 100.8, 101, 101.1, 101, 100.9, 100.7, 100.3, 100),  # by the minute
)
"""What the minutes of each kind of round close at."""

STRATEGY = """
from backtestkit_cli import (
    Signal, add_strategy, average_buy, close_position, move_stop, move_take_profit, partial_close
)

KINDS = 4

def kind_of(symbol, at_ms):
    return (at_ms // 900_000 + (symbol == "ETHUSDT")) % KINDS

def get_signal(symbol, when, price):
    kind = kind_of(symbol, round(when.timestamp() * 1000))
    if kind == 1:
        return Signal(position="long", price_open=99.3, take_profit=101.3, stop_loss=96.0, minutes=13)
    if kind == 2:
        return Signal(position="long", take_profit=110.0, stop_loss=97.0, minutes=13, trailing_stop_pct=0.8)
    return Signal(position="long", take_profit=105.0, stop_loss=96.0, minutes=13)

def on_active(active):
    kind, minute = kind_of(active.symbol, active.position.opened_at_ms), active.at_ms // 60_000 % 15
    if kind == 0:
        by_price(active.position, active.price)
    elif kind == 3:
        by_the_minute(minute)

def by_price(position, price):
    if price <= 99 and len(position.entries) == 1:
        average_buy()
    elif price >= 101 and not position.partials:
        partial_close(40)
    elif price >= 101 and position.stop_loss < 99:
        move_stop(99.5)
        move_take_profit(106.0)
    elif price >= 102:
        close_position("enough")

def by_the_minute(minute):
    if minute == 3:
        average_buy()
    elif minute == 6:
        partial_close(30)
    elif minute == 9:
        move_stop(98.0)
    elif minute == 12:
        close_position("time")

add_strategy("rounds", interval="15m", get_signal=get_signal, on_active=on_active)
"""


def write_market(folder: Path, rounds: int) -> Path:
    """Write the candles of so many *rounds*, and of the time before them; return their folder."""
    for shift, symbol in enumerate(SYMBOLS):
        file = folder / symbol / "1m.csv"
        file.parent.mkdir(parents=True)
        first = START_MS // ROUND_MS
        closes = [100.0] * PAST_MINUTES
        for number in range(first, first + rounds + 1):
            closes += CLOSES[(number + shift) % len(CLOSES)]
        _write(file, np.array(closes, float))
    return folder


def _write(file: Path, closes: np.ndarray) -> None:
    opened = np.concatenate(([closes[0]], closes[:-1]))
    begin_ms = START_MS - PAST_MINUTES * MINUTE_MS
    with file.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(("timestamp", "open", "high", "low", "close", "volume"))
        for row, (first, last) in enumerate(zip(opened.tolist(), closes.tolist(), strict=True)):
            rows.writerow((begin_ms + row * MINUTE_MS, first, max(first, last), min(first, last), last, 100.12345))

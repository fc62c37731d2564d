"""Wrong use of the author's API does not type-check: mypy, as strict as the project, on small strategy files."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Of each line that ends in `# error: <text>` mypy must say just that, and of the others nothing.
SNIPPETS = {
    "events": """
from backtestkit_cli import PositionActive, PositionClosed, PositionOpened, SessionIdle, SignalScheduled, TickPassed


def on_idle(event: SessionIdle) -> object:
    return event.pnl_pct  # error: "SessionIdle" has no attribute "pnl_pct"


def position_of(event: SessionIdle) -> object:
    return event.position  # error: "SessionIdle" has no attribute "position"


def on_open(event: PositionOpened) -> object:
    return event.trade  # error: "PositionOpened" has no attribute "trade"


def on_schedule(event: SignalScheduled) -> object:
    return event.position  # error: "SignalScheduled" has no attribute "position"


def on_tick(event: TickPassed) -> float:
    return event.position.price_effective  # error: "None" of "Position | None" has no attribute "price_effective"


def on_active(event: PositionActive) -> float:
    return event.position.price_effective


def on_close(event: PositionClosed) -> float:
    event.trade.pnl_pct = 0.0  # error: "pnl_pct"
    return event.trade.pnl_pct
""",
    "listening": """
from backtestkit_cli import Event, PositionClosed, PositionOpened, SessionIdle, listen


def idle(event: SessionIdle) -> None: ...


def opened(event: PositionOpened) -> None: ...


async def anything(event: Event) -> None: ...


listen(PositionOpened, idle)  # error: type "Callable[[SessionIdle], None]"; expected "Callable[[PositionOpened], Any]"
listen(Event, opened)  # error: "Callable[[PositionOpened], None]"; expected "Callable[[Event], Any]"
listen(PositionOpened, opened)
listen(PositionOpened, anything)
listen(PositionClosed, print, where=lambda event: event.trade.pnl_pct > 0, once=True)
listen(PositionOpened, print, where=lambda event: bool(event.trade))  # error: no attribute "trade"
stop = listen(SessionIdle, idle)
stop(1)  # error: Too many arguments
""",
    "callbacks": """
from backtestkit_cli import PositionOpened, SessionIdle, Signal, add_strategy


def idle(event: SessionIdle) -> None: ...


def opened(event: PositionOpened) -> None: ...


def veto(signal: Signal, price: float) -> str | None:
    return None if signal.take_profit > price else "too low"


def wrong(signal: str) -> str | None: ...


add_strategy("one", get_signal=print, on_open=opened, on_idle=idle, validate=veto)
add_strategy("two", get_signal=print, on_open=idle)  # error: expected "Callable[[PositionOpened], Any] | None"
add_strategy("three", get_signal=print, on_opne=opened)  # error: Unexpected keyword argument "on_opne"
add_strategy("four", get_signal=print, validate=wrong)  # error: Argument "validate" to "add_strategy"
add_strategy("five", get_signal=print, on_close=lambda event: print(event.trade.pnl_pct))
add_strategy("six", get_signal=print, on_open=lambda event: print(event.trade))  # error: no attribute "trade"
""",
    "context": """
from typing import assert_type

from backtestkit_cli import Candles, context, get_candles, get_indicator

assert_type(context().symbol, str)
assert_type(context().when_ms, int)
assert_type(get_candles("BTCUSDT", "1h", 3), Candles)
assert_type(get_indicator("sma"), float)
context().symbols  # error: "Context" has no attribute "symbols"
""",
    "services": """
from typing import assert_type

from backtestkit_cli import provide, service


class Prices:
    def ask(self, symbol: str) -> float:
        return float(len(symbol))


class Cached(Prices): ...


class News: ...


@provide
def news() -> News:
    return News()


provide(Prices, Cached)
provide(Prices, lambda: Cached())
provide(Prices, News)  # error: provide
assert_type(service(Prices), Prices)
assert_type(service(Prices).ask("BTCUSDT"), float)
assert_type(news(), News)
service(Prices).asked("BTCUSDT")  # error: "Prices" has no attribute "asked"
""",
    "right": """
from datetime import datetime

from backtestkit_cli import (
    PositionActive,
    PositionClosed,
    Signal,
    add_strategy,
    close_position,
    context,
    get_candles,
    listen,
    provide,
    service,
)


@provide
class Highs:
    def of(self, symbol: str) -> float:
        return float(get_candles(symbol, "1h", 24).high.max())


class Journal:
    def __init__(self) -> None:
        self.lines: list[str] = []

    async def dispose(self) -> None:
        print(*self.lines)

    def on_close(self, event: PositionClosed) -> None:
        self.lines.append(f"{event.symbol} {event.trade.pnl_pct:.2f}")


async def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
    if price <= service(Highs).of(context().symbol):
        return None
    return Signal(position="long", take_profit=price * 1.03, stop_loss=price * 0.98, minutes=720)


def on_active(event: PositionActive) -> None:
    if event.price > event.position.price_effective * 1.01:
        result = close_position("enough")
        print(result.problem)


add_strategy("right", get_signal=get_signal, warm_up={"1h": 24}, on_active=on_active, plugins=[Journal])
listen(PositionClosed, lambda event: print(event.trade.reason), symbol="BTCUSDT", once=True)
""",
}


@pytest.mark.timeout(300)  # where mypy has no cache yet it reads all that the package imports
def test_wrong_use_is_an_error_where_it_stands_and_right_use_is_none(tmp_path: Path) -> None:
    for name, code in SNIPPETS.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml")]
    shown = ["--no-error-summary", "--hide-error-context", "--no-pretty", "--show-absolute-path"]
    ended = subprocess.run(
        [*command, *shown, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=280
    )
    assert ended.stderr == ""
    found = re.findall(r"^.*?([a-z]+)\.py:(\d+): error: (.*)$", ended.stdout, re.MULTILINE)
    said = {(name, int(line)): text for name, line, text in found}
    expected = {
        (name, number): line.partition("# error: ")[2]
        for name, code in SNIPPETS.items()
        for number, line in enumerate(code.splitlines(), start=1)
        if "# error: " in line
    }
    assert said.keys() == expected.keys(), ended.stdout
    assert {place: text for place, text in expected.items() if text not in said[place]} == {}, ended.stdout
    assert not [place for place in said if place[0] == "right"]

"""Where the candles of a trading run come from, minute by minute, and what happens when they do not."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.events.facts import ErrorOccurred
from backtestkit_cli.events.venue_facts import ConnectionLost, ConnectionRestored, EntriesBlocked
from tests.builders import START_MS
from tests.runs.trading.worlds import EAGER, Present, World, a_world
from tests.warp import WarpTime, warped

READS_ETH = """
from backtestkit_cli import add_strategy, get_candles

read = []


def get_signal(symbol, when, price):
    candles = get_candles("ETHUSDT", "1m", 1)
    print("read", int(when.timestamp()), int(candles.timestamp[-1]) // 1000 + 60)


add_strategy("reader", interval="1m", get_signal=get_signal)
"""


def lived(
    folder: Path, *symbols: str, minutes: float = 10.2, set_up: Callable[[World], Any] | None = None, **more: Any
) -> World:
    """Return the world of a run that began half a minute before the first tick."""

    async def main() -> World:
        world = await a_world(folder, *symbols, begins_s=30, **more)
        if set_up is not None:
            set_up(world)
        return await world.live(minutes)

    return warped(main())


def seconds_of(world: World, symbol: str) -> list[int]:
    return [second for _, second in world.ticks[symbol]]


def test_each_minute_is_decided_once_it_has_settled_and_no_tick_drifts(tmp_path: Path) -> None:
    world = lived(tmp_path, minutes=30)
    assert world.ticks["BTCUSDT"] == [(minute, minute * 60 + 1) for minute in range(1, 31)]
    assert {one.sessions[0].connection for one in world.statuses} == {"ok"}
    assert 1_000 <= max(one.sessions[0].lateness_ms for one in world.statuses) < 1_200
    assert world.source.is_closed


def test_a_candle_that_is_late_is_asked_for_again_and_nobody_else_waits_for_it(tmp_path: Path) -> None:
    def late(world: World) -> None:
        world.source.frozen_at = lambda second, symbol: int((second - 9) // 60) if symbol == "BTCUSDT" else None

    world = lived(tmp_path, "BTCUSDT", "ETHUSDT", set_up=late)
    assert all(9 <= second % 60 <= 10 for second in seconds_of(world, "BTCUSDT"))
    assert all(second % 60 == 1 for second in seconds_of(world, "ETHUSDT"))
    assert world.minutes_of("BTCUSDT") == world.minutes_of("ETHUSDT") == list(range(1, 11))


@pytest.mark.parametrize("gaps", ["fill", "skip"])
def test_a_minute_without_trades_counts_as_one_once_patience_is_over(tmp_path: Path, gaps: str) -> None:
    def hole(world: World) -> None:
        world.source.holes = {"BTCUSDT": {4, 5}}

    world = lived(tmp_path, set_up=hole, sets=[f"gaps={gaps}"])
    assert not world.told(ConnectionLost, ErrorOccurred)
    seconds = dict(world.ticks["BTCUSDT"])
    if gaps == "fill":
        assert list(seconds) == list(range(1, 11))
        assert seconds[5] == 5 * 60 + 16
        market = world.trading.floor.book.growing()["BTCUSDT"].known_candles.between(at(3), at(6))
        assert market.close.tolist() == [market.close[0]] * 3
        assert market.volume.tolist()[1:] == [0.0, 0.0]
    else:
        assert list(seconds) == [1, 2, 3, 4, 7, 8, 9, 10], "a minute that was left out has no tick"
    assert seconds[7] == 7 * 60 + 1


def at(minute: int) -> int:
    return START_MS + minute * MINUTE_MS


def test_gaps_error_pauses_the_symbol_says_so_once_and_lets_the_others_go_on(tmp_path: Path) -> None:
    def hole(world: World) -> None:
        world.source.holes = {"BTCUSDT": {4}}

    world = lived(tmp_path, "BTCUSDT", "ETHUSDT", set_up=hole, sets=["gaps=error"])
    assert world.minutes_of("BTCUSDT") == [1, 2, 3, 4]
    assert world.minutes_of("ETHUSDT") == list(range(1, 11))
    (told,) = world.told(ErrorOccurred)
    assert (told.symbol, getattr(told, "source", "")) == ("BTCUSDT", "candles")
    assert "1 1m candle missing" in str(told)
    assert world.statuses[-1].sessions[0].connection == "stale"


def test_while_the_venue_is_not_reached_nothing_is_made_up_and_all_is_caught_up_afterwards(tmp_path: Path) -> None:
    def outage(world: World) -> None:
        world.source.is_down = lambda second, _: 200 <= second < 200 + 20 * 60

    world = lived(tmp_path, "BTCUSDT", "ETHUSDT", minutes=40, set_up=outage)
    for symbol in ("BTCUSDT", "ETHUSDT"):
        assert world.minutes_of(symbol) == list(range(1, 41)), "no tick is left out"
        late = [second for minute, second in world.ticks[symbol] if 4 <= minute <= 23]
        assert min(late) >= 1_400
        assert max(late) <= 1_400 + 32, "it goes on by itself, half a minute after the venue at most"
    lost, back = world.told(ConnectionLost, ConnectionRestored)
    assert isinstance(lost, ConnectionLost)
    assert "no answer" in lost.reason
    assert isinstance(back, ConnectionRestored)
    assert 1_155 < back.seconds < 1_235
    assert "lost" in {one.sessions[0].connection for one in world.statuses}
    assert world.statuses[-1].sessions[0].connection == "ok"
    history = world.source._demo
    candles = world.trading.floor.book.growing()["BTCUSDT"].known_candles.between(at(0), at(40))
    expected = asyncio.run(history.fetch("BTCUSDT", "1m", at(0), at(40)))
    assert candles.close.tolist() == expected.close.tolist()


def test_an_outage_of_one_symbol_is_its_own(tmp_path: Path) -> None:
    def outage(world: World) -> None:
        world.source.is_down = lambda second, symbol: symbol == "BTCUSDT" and 200 <= second < 500

    world = lived(tmp_path, "BTCUSDT", "ETHUSDT", set_up=outage)
    assert world.minutes_of("BTCUSDT") == list(range(1, 11))
    assert all(second % 60 == 1 for second in seconds_of(world, "ETHUSDT"))
    assert len(world.told(ConnectionLost)) == len(world.told(ConnectionRestored)) == 1


def test_a_venue_that_answers_old_candles_is_noticed_and_nothing_is_made_of_them(tmp_path: Path) -> None:
    def frozen(world: World) -> None:
        world.source.frozen_at = lambda second, _: 5 if 300 <= second < 1_500 else None

    world = lived(tmp_path, minutes=30, set_up=frozen)
    (lost,) = world.told(ConnectionLost)
    assert "stale data" in str(lost)
    assert len(world.told(ConnectionRestored)) == 1
    seconds = dict(world.ticks["BTCUSDT"])
    assert [minute for minute, second in seconds.items() if 600 < second < 1_500] == [], "sessions wait"
    assert world.minutes_of("BTCUSDT") == list(range(1, 31))
    assert "stale" in {one.sessions[0].connection for one in world.statuses}


def test_what_is_caught_up_with_opens_nothing_and_that_is_said_once(tmp_path: Path) -> None:
    def outage(world: World) -> None:
        world.source.is_down = lambda second, _: 200 <= second < 500

    world = lived(tmp_path, minutes=20, set_up=outage, strategy=EAGER)
    (blocked,) = world.told(EntriesBlocked)
    assert (blocked.strategy, blocked.symbol) == ("eager", "BTCUSDT")
    assert "max_lateness_seconds: 45" in str(blocked)
    opened = [(e.at_ms - START_MS) // MINUTE_MS for e in world.events if type(e).__name__ == "PositionOpened"]
    assert opened[0] == 1
    assert not set(opened) & {4, 5, 6, 7}
    assert max(opened) > 8


def test_a_symbol_outside_the_list_goes_on_growing_and_is_waited_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def late(world: World) -> None:
        world.source.frozen_at = lambda second, symbol: int((second - 4) // 60) if symbol == "ETHUSDT" else None

    world = lived(tmp_path, set_up=late, strategy=READS_ETH)
    read = [line.split()[1:] for line in capsys.readouterr().out.splitlines() if line.startswith("read")]
    assert len(read) >= 9
    assert all(when == known for when, known in read[1:]), "what is read is closed at the tick, and the newest there is"
    assert world.minutes_of("BTCUSDT") == list(range(1, 11))


class Streaming(Present):
    """A venue that also pushes candles, a moment after they close, unless it is told not to."""

    def __init__(self, time: WarpTime) -> None:
        super().__init__(time)
        self.pushes: Callable[[int], bool] = lambda _minute: True
        self.is_streaming = False

    def stream(self, _rng: object) -> "Streaming":
        return self

    def start(self, symbols: list[str], on_candle: Callable[..., None]) -> None:
        self.is_streaming = True
        self._task = asyncio.create_task(self._push(symbols, on_candle))

    async def _push(self, symbols: list[str], on_candle: Callable[..., None]) -> None:
        while True:
            minute = (self._time.now_ms() - START_MS) // MINUTE_MS + 1
            await asyncio.sleep((at(minute) + 200 - self._time.now_ms()) / 1000)
            for symbol in symbols if self.pushes(minute) else ():
                (candle,) = (await self._demo.fetch(symbol, "1m", at(minute - 1), at(minute))).rows()
                on_candle(symbol, *candle)

    async def close(self) -> None:
        if self.is_streaming:
            self.is_streaming = False
            self._task.cancel()
        await super().close()


def test_a_candle_that_is_pushed_is_decided_at_once_without_a_request(tmp_path: Path) -> None:
    world = lived(tmp_path, source=Streaming)
    assert world.minutes_of("BTCUSDT") == list(range(1, 11))
    assert max(one.sessions[0].lateness_ms for one in world.statuses if one.sessions[0].tick_ms >= at(2)) < 1_200
    late = [one.sessions[0].lateness_ms for one in world.statuses if one.sessions[0].tick_ms == at(9)]
    assert late[-1] <= 250
    assert len([second for _, second in world.source.asked if second > 62]) == 0


def test_holes_of_a_stream_are_filled_by_requests_before_the_next_decision(tmp_path: Path) -> None:
    def hole(world: World) -> None:
        world.source.pushes = lambda minute: minute not in {4, 5}

    world = lived(tmp_path, source=Streaming, set_up=hole)
    assert world.ticks["BTCUSDT"][2:7] == [(3, 180), (4, 241), (5, 301), (6, 360), (7, 420)]


def test_a_venue_whose_requests_fail_is_traded_on_by_its_stream(tmp_path: Path) -> None:
    def outage(world: World) -> None:
        world.source.is_down = lambda second, _: second > 100

    world = lived(tmp_path, source=Streaming, set_up=outage)
    assert world.minutes_of("BTCUSDT") == list(range(1, 11))
    assert not world.told(ConnectionLost)

"""The demo market: the same whatever is asked, and near enough to a real one."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.data.demo import END_MS, FIRST_MS, DemoMarket
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.door import check
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.errors import MissingCandlesError
from tests.data.candle_files import START, bytes_of
from tests.laws import tried

ROOT = Path(__file__).resolve().parents[2]
SYMBOLS = ("BTCUSDT", "ETH/USDT", "PEPEUSDT", "Ünïcode-7")
# 90 days end on a day that is not a multiple of the days made at once.
SPAN = (START - 3 * DAY_MS, START + 87 * DAY_MS)


async def fetch(symbol: str = "BTCUSDT", span: tuple[int, int] = SPAN, *, seed: int = 7) -> Candles:
    return await DemoMarket(seed).fetch(symbol, "1m", *span)


def log_returns(closes: "np.ndarray[tuple[int], np.dtype[np.float64]]", minutes: int) -> list[float]:
    return list(np.diff(np.log(closes[::minutes])).tolist())


def correlation(left: list[float], right: list[float]) -> float:
    return float(np.corrcoef(left, right)[0, 1])


async def test_the_same_question_has_the_same_answer() -> None:
    assert bytes_of(await fetch()) == bytes_of(await fetch())


def test_another_process_makes_the_same_market() -> None:
    code = (
        "import asyncio; from backtestkit_cli.data.demo import DemoMarket;"
        f"candles = asyncio.run(DemoMarket().fetch('BTCUSDT', '1m', {START}, {START + DAY_MS}));"
        "print(candles.close.tolist())"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == str(asyncio.run(fetch(span=(START, START + DAY_MS))).close.tolist())


minutes = st.integers(0, 40 * 1440)


@tried(12, 40)
@given(cuts=st.lists(minutes, min_size=3, max_size=3, unique=True).map(sorted), symbol=st.sampled_from(SYMBOLS))
async def test_a_span_in_two_parts_is_the_same_span_byte_for_byte(cuts: list[int], symbol: str) -> None:
    first, middle, last = (START + cut * MINUTE_MS for cut in cuts)
    whole = await fetch(symbol, (first, last))
    until = (middle - first) // MINUTE_MS
    assert bytes_of(await fetch(symbol, (first, middle))) == bytes_of(whole.slice(0, until))
    assert bytes_of(await fetch(symbol, (middle, last))) == bytes_of(whole.slice(until, len(whole)))


@pytest.mark.parametrize("symbol", SYMBOLS)
async def test_no_minute_is_missing_and_all_pass_the_door(symbol: str) -> None:
    candles = await fetch(symbol)
    check(candles, MINUTE_MS, symbol)
    assert candles.timestamp.tolist() == list(range(*SPAN, MINUTE_MS))


async def test_symbols_and_seeds_are_markets_of_their_own() -> None:
    bitcoin = (await fetch()).close.tolist()
    for other in (await fetch("ETHUSDT"), await fetch(seed=8)):
        assert abs(correlation(log_returns(np.array(bitcoin), 1), log_returns(other.close, 1))) < 0.05


async def test_symbols_move_together_over_weeks_to_a_degree() -> None:
    years = (FIRST_MS, FIRST_MS + 800 * DAY_MS)
    moves = [log_returns((await fetch(symbol, years)).close, 7 * 1440) for symbol in ("BTCUSDT", "ETHUSDT")]
    assert 0.1 < correlation(*moves) < 0.9


@pytest.mark.parametrize(("symbol", "base"), [("BTCUSDT", 60_000), ("ETH/USDT", 3_000)])
async def test_known_symbols_stay_within_a_factor_of_eight_of_a_sane_price(symbol: str, base: float) -> None:
    for year in range(12):
        begin = FIRST_MS + 365 * year * DAY_MS
        candles = await fetch(symbol, (begin, begin + 20 * DAY_MS))
        assert base / 8 < candles.low.min() < candles.high.max() < base * 8


async def test_unknown_symbols_are_spread_over_many_prices() -> None:
    span = (START, START + MINUTE_MS)
    closes = [(await fetch(f"COIN{number}", span)).close[0] for number in range(30)]
    assert 0.001 < min(closes) < 0.1
    assert 10 < max(closes) < 3_000


async def test_the_volatility_is_that_of_a_coin_and_comes_in_clusters() -> None:
    candles = await fetch()
    minute = log_returns(candles.close, 1)
    days = np.sqrt(np.square(minute[: 89 * 1440]).reshape(89, 1440).sum(axis=1))
    assert 0.03 < np.median(days) < 0.05
    assert 0.02 < np.std(log_returns(candles.close, 1440)) < 0.06
    size = np.abs(minute).tolist()
    assert correlation(size[:-1], size[1:]) > 0.2
    assert correlation(size[:-60], size[60:]) > 0.1
    kurtosis = np.mean(np.power(minute, 4)) / np.mean(np.square(minute)) ** 2
    assert 6 < kurtosis < 60


async def test_a_few_candles_a_day_open_away_from_the_close_before() -> None:
    candles = await fetch()
    assert 2 < np.count_nonzero(candles.open[1:] != candles.close[:-1]) / 90 < 6


async def test_the_afternoon_is_busier_than_the_night() -> None:
    candles = await fetch()
    size = np.abs(np.log(candles.close / candles.open)).reshape(90, 24, 60).mean(axis=(0, 2))
    assert size[13:17].mean() > 1.3 * size[1:5].mean()


async def test_volume_rises_with_the_size_of_the_move() -> None:
    candles = await fetch("SOLUSDT")
    assert (candles.volume > 0).mean() > 0.99
    size = np.log(candles.high / candles.low).tolist()
    assert correlation(size, np.log(candles.volume + 1).tolist()) > 0.3


async def test_prices_are_on_a_grid_that_suits_them() -> None:
    bitcoin = await fetch()
    assert all(round(price, 1) == price for price in bitcoin.high.tolist())
    doge = await fetch("DOGEUSDT")
    assert all(round(price, 6) == price for price in doge.low.tolist())
    assert len(set(doge.close[:1440].tolist())) > 500


async def test_higher_intervals_are_left_to_the_engine() -> None:
    with pytest.raises(MissingCandlesError, match="no 5m candles of BTCUSDT; there: 1m, the engine aggregates"):
        await DemoMarket().fetch("BTCUSDT", "5m", *SPAN)


async def test_there_is_nothing_before_2017() -> None:
    assert len(await fetch(span=(0, FIRST_MS))) == 0
    assert (await fetch(span=(END_MS - MINUTE_MS, 10**15))).timestamp.tolist() == [END_MS - MINUTE_MS]
    assert (await fetch(span=(0, FIRST_MS + 2 * MINUTE_MS))).timestamp.tolist() == [FIRST_MS, FIRST_MS + MINUTE_MS]

"""A made-up market that is always there: any symbol, any time from 2017 to 2034, no file, no network.

How a day comes to be: the log price at each midnight is a sum of waves with random nodes 1 to 256 days
apart, in part shared by all symbols, so that prices trend for days and stay around their base for years.
Between two midnights runs a Brownian bridge whose volatility moves over weeks, clusters within hours and
follows the time of day. Each day has random numbers of its own, so that a minute is the same whatever
span was asked for.
"""

import math
from hashlib import blake2b

import numpy as np

from backtestkit_cli.data.local import LocalSource
from backtestkit_cli.domain.candle import Candles, Floats, Times
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS, interval_ms
from backtestkit_cli.errors import MissingCandlesError

FIRST_MS = 1_483_228_800_000  # 2017-01-01
END_MS = 2_051_222_400_000  # 2035-01-01: a mistyped year must not fill the memory

_MINUTES = DAY_MS // MINUTE_MS
_DAYS_AT_ONCE = 16  # more would push the working arrays out of the cache, fewer cost calls

# What a person expects; the bases of other symbols are spread between 0.01 and 300.
_KNOWN_BASES = {
    "BTC": 60_000,
    "XBT": 60_000,
    "ETH": 3_000,
    "BNB": 600,
    "SOL": 150,
    "XRP": 0.6,
    "ADA": 0.5,
    "DOGE": 0.15,
}

# The waves. Amplitudes grow with the root of the period as in a random walk, but end at 256 days.
_PERIODS = np.array([[1], [2], [4], [8], [16], [32], [64], [128], [256]])
_DAILY_MOVE = 0.0326  # times the waves makes 3.8 % from one midnight to the next, one standard deviation
_SHARED, _OWN = 0.6, 0.8  # the squares add up to one

# Within a day: the nodes of slow and quick clusters of volatility and of the drift.
_SLOW, _QUICK, _DRIFT = 12, 96, 8
_SLOW_SIZE, _QUICK_SIZE, _REGIME_SIZE = 0.4, 0.5, 0.08
_DRIFT_SIZE = 0.06
_JUMPS, _JUMP_SIZE = 4, 5.0  # a day; in minutes' worth of volatility
_MINUTE_MOVE = 0.038 / math.sqrt(_MINUTES)
# Of a log-normal volatility the mean square is above one by this (in logs, the nodes a third less than normal).
_EXCESS = (_SLOW_SIZE**2 + _QUICK_SIZE**2) * 2 / 3
# Busiest around 15:00 UTC, quietest around 03:00.
_DAILY_CYCLE = 0.3 * np.cos((np.arange(_MINUTES) / 60 - 15) * (2 * math.pi / 24)) - _EXCESS

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_DAY_STEP = 0x9E3779B97F4A7C15F39CC0605CEDC835  # numbers of one generator between two days: far beyond what a day uses


class DemoMarket(LocalSource):
    """Candles that are a function of seed, symbol and minute, and of nothing else; 1m only.

    Prices stay within about a factor of 8 of the symbol's base. Now and then a candle opens away
    from the close before it; no minute is missing.
    """

    name = "demo"
    is_synthetic = True

    def __init__(self, seed: int = 7) -> None:
        """Make the market of *seed*; each is another world."""
        self._seed = seed

    async def fetch(self, symbol: str, interval: str, start_ms: int, end_ms: int) -> Candles:
        """Return the candles that open in `[start_ms, end_ms)`; see `CandleSource.fetch`.

        There are none before 2017 and none from 2035 on.
        """
        if interval_ms(interval) != MINUTE_MS:
            raise MissingCandlesError(
                f"demo: no {interval} candles of {symbol}; there: 1m, the engine aggregates the others from it"
            )
        first = -(-max(start_ms, FIRST_MS) // MINUTE_MS)
        last = -(-min(end_ms, END_MS) // MINUTE_MS)
        if first >= last:
            return Candles.empty()
        first_day, last_day = first // _MINUTES, -(-last // _MINUTES)
        columns = np.empty((5, last_day - first_day, _MINUTES))
        series = _Series(self._seed, symbol)
        for day in range(first_day, last_day, _DAYS_AT_ONCE):
            until = min(day + _DAYS_AT_ONCE, last_day)
            series.write(day, until, columns[:, day - first_day : until - first_day])
        skipped = first - first_day * _MINUTES
        wanted = columns.reshape(5, -1)[:, skipped : skipped + last - first]
        return Candles.frozen(np.arange(first, last, dtype=np.int64) * MINUTE_MS, *wanted)


class _Series:
    """The prices of one symbol in the world of one seed."""

    def __init__(self, seed: int, symbol: str) -> None:
        self._world_key, _, _ = _digest(f"{seed}")
        self._key, fraction, number = _digest(f"{seed} {symbol}")
        known = (base for start, base in _KNOWN_BASES.items() if symbol.upper().startswith(start))
        base = next(known, 10 ** (4.5 * fraction - 2))
        magnitude = math.floor(math.log10(base))
        self._base_log = math.log(base)
        self._per_tick = 10.0 ** max(5 - magnitude, 0)
        self._per_lot = 10.0 ** max(magnitude - 1, 0)
        self._turnover = (3_000_000 if base >= 1_000 else 20_000 * 20**fraction) / base  # base units a minute
        self._bits = np.random.PCG64(number)
        self._origin = self._bits.state

    def write(self, first_day: int, last_day: int, out: Floats) -> None:
        """Fill *out* (column, day, minute) with the days `[first_day, last_day)`, counted from 1970."""
        days = np.arange(first_day, last_day + 1)
        nodes, shocks, extremes, jumps = self._draw(days)
        slow, quick, drift = (_between(part) for part in np.split(nodes, [_SLOW, _SLOW + _QUICK], axis=1))
        log_swing = _SLOW_SIZE * slow + _QUICK_SIZE * quick + _between(self._regime(days)) + _DAILY_CYCLE
        swing = _MINUTE_MOVE * np.exp(log_swing)
        moves = swing * (shocks[0] + _DRIFT_SIZE * drift)
        at = (np.arange(len(moves))[:, None], (jumps[0] * _MINUTES).astype(np.intp))
        gaps = _JUMP_SIZE * swing[at] * (2 * jumps[1] - 1)
        moves[at] += gaps

        opens, highs, lows, closes, volumes = out
        _bridge(moves, swing, self._midnights(days), opens, closes)
        opens[at] *= 1 + gaps
        _spread(out, swing, extremes)
        np.exp(0.8 * log_swing + 0.6 * shocks[1], out=volumes)
        volumes *= self._turnover
        for column in (opens, highs, lows, closes):
            _round(column, self._per_tick)
        _round(volumes, self._per_lot)

    def _draw(self, days: Times) -> tuple[Floats, Floats, Floats, Floats]:
        """Return the random numbers of *days*: nodes of all, and of all but the last what makes the minutes."""
        count = len(days) - 1
        nodes = np.empty((count + 1, _SLOW + _QUICK + _DRIFT))
        shocks, extremes = np.empty((2, count, _MINUTES)), np.empty((2, count, _MINUTES))
        jumps = np.empty((2, count, _JUMPS))
        generator = np.random.Generator(self._bits)
        for row, day in enumerate(days.tolist()):
            self._bits.state = self._origin
            self._bits.advance(day * _DAY_STEP % 2**128)
            generator.standard_normal(out=nodes[row])
            if row < count:
                for layer in range(2):
                    generator.standard_normal(out=shocks[layer, row])
                    generator.standard_exponential(out=extremes[layer, row])
                    generator.random(out=jumps[layer, row])
        return nodes, shocks, extremes, jumps

    def _midnights(self, days: Times) -> Floats:
        """Return the log price at the start of each day."""
        shared, own = _waves(self._world_key, _PERIODS, days), _waves(self._key, _PERIODS, days)
        return self._base_log + _DAILY_MOVE * (_SHARED * shared + _OWN * own)

    def _regime(self, days: Times) -> Floats:
        """Return how much wilder than usual the whole market is at the start of each day, as one node a day."""
        weekend = ((days + 3) % 7 >= 5).astype(np.float64)
        waves = _waves(self._world_key ^ 1, _PERIODS[1:6], days)
        return (_REGIME_SIZE * waves - 0.25 * weekend)[:, None]


def _digest(text: str) -> tuple[int, float, int]:
    """Return a 64-bit key, a number in [0, 1) and a 128-bit number, all of *text* alone."""
    raw = blake2b(text.encode(), digest_size=32).digest()
    key, fraction = int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little")
    return key, (fraction >> 11) * 2.0**-53, int.from_bytes(raw[16:], "little")


def _waves(key: int, periods: Times, days: Times) -> Floats:
    """Return for each day the sum of one wave per period, each of an amplitude of the root of its period."""
    lanes = np.arange(len(periods))[:, None]
    # The phases keep the nodes of all waves from falling on the same days.
    node, day = np.divmod(days + lanes * 37, periods)
    left, right = _noise(key, lanes, node), _noise(key, lanes, node + 1)
    waves: Floats = (left + (right - left) * (day / periods)) * np.sqrt(periods)
    total: Floats = waves[0]
    for wave in waves[1:]:  # one by one: numpy's own sum may add in another order for another length
        total = total + wave
    return total


def _noise(key: int, lanes: Times, nodes: Times) -> Floats:
    """Return numbers in [-1, 1) of key, lane and node alone. Source: Steele, Lea, Flood (2014), SplitMix64."""
    mixed = (nodes + (lanes << 32)).astype(np.uint64) * _WEYL + np.uint64(key)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    return (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1


def _between(nodes: Floats) -> Floats:
    """Return minutes (day, minute) on straight lines between *nodes* (day, node); the last row only ends a line."""
    left = nodes[:-1]
    right = np.concatenate([left[:, 1:], nodes[1:, :1]], axis=1)
    way = np.arange(_MINUTES // nodes.shape[1]) * (nodes.shape[1] / _MINUTES)
    lines: Floats = left[:, :, None] + (right - left)[:, :, None] * way
    return lines.reshape(len(left), _MINUTES)


def _bridge(moves: Floats, swing: Floats, midnights: Floats, opens: Floats, closes: Floats) -> None:
    """Write the prices that *moves* lead to, bent so that each day ends where the next one starts.

    The bend is spread over the day as the variance is.
    """
    path = np.cumsum(moves, axis=1)
    variance = np.cumsum(swing * swing, axis=1)
    path += variance * ((np.diff(midnights) - path[:, -1]) / variance[:, -1])[:, None]
    path += midnights[:-1, None]
    np.exp(path, out=closes)
    # One by one for the same reason as in `_waves`: two spans that meet here must agree to the last bit.
    ends = np.array([math.exp(log_price) for log_price in midnights.tolist()])
    closes[:, -1] = ends[1:]
    opens[:, 1:] = closes[:, :-1]
    opens[:, 0] = ends[:-1]


def _spread(out: Floats, swing: Floats, extremes: Floats) -> None:
    """Write highs and lows as the extremes of a Brownian bridge from open to close, from exponential numbers."""
    opens, highs, lows, closes, _ = out
    np.maximum(opens, closes, out=highs)
    np.minimum(opens, closes, out=lows)
    way = (highs - lows) / lows
    squared = way * way
    extremes *= 2 * swing * swing
    extremes += squared
    np.sqrt(extremes, out=extremes)
    extremes -= way
    extremes *= 0.5
    extremes += 1
    highs *= extremes[0]
    lows /= extremes[1]


def _round(column: Floats, per_step: float) -> None:
    column *= per_step
    np.rint(column, out=column)
    column /= per_step

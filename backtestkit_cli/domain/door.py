"""The door that every candle from outside passes: pure rules over whole columns.

Good candles, the usual case, cost a few passes of numpy; rows are looked at only once a rule is broken.
"""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from backtestkit_cli.domain.candle import Candles, Floats, Times
from backtestkit_cli.domain.interval import MINUTE_MS, to_datetime, utc_text
from backtestkit_cli.errors import BadCandleError

ANOMALY_FACTOR = 1000.0
MEDIAN_FROM_CANDLES = 5

# The year 10000: what is later was written in micro- or nanoseconds.
TIME_LIMIT_MS = 253_402_300_800_000

_Mask: TypeAlias = npt.NDArray[np.bool_]


class _Rule(NamedTuple):
    """One rule on these candles: the rows that break it, and what to say of one of them."""

    broken: _Mask
    problem: Callable[[int], str]


def check(candles: Candles, interval_length_ms: int, where: str, first_row: int = 1, row_word: str = "row") -> None:
    """Refuse *candles* unless every row keeps the rules of the door; gaps in time are allowed.

    The message is one line: *where*, the first offending row in file order (the oldest of *candles*
    counts as *first_row*), its time in UTC, the rule and the numbers found, and how many rows are bad in all.

    Raises:
        BadCandleError: a row breaks a rule.
    """
    if len(candles) == 0 or (_are_times_good(candles.timestamp, interval_length_ms) and _are_numbers_good(candles)):
        return
    rules = [*_time_rules(candles.timestamp, interval_length_ms), *_number_rules(candles)]
    bad = np.logical_or.reduce([rule.broken for rule in rules])
    count = int(np.count_nonzero(bad))
    if count == 0:  # the quick look at anomalies compares extremes and may be wrong, the rule knows the median
        return
    row = int(np.argmax(bad))
    problem = next(rule.problem(row) for rule in rules if rule.broken[row])
    more = f"; {count:,} bad {row_word}s in all" if count > 1 else ""
    at = _time_text(int(candles.timestamp[row]))
    raise BadCandleError(f"{where}: {row_word} {first_row + row} ({at}): {problem}{more}")


def _are_times_good(times: Times, length_ms: int) -> bool:
    if times[0] % length_ms or times[0] < 0 or times[-1] >= TIME_LIMIT_MS:
        return False
    if (times[1:] - times[:-1] == length_ms).all():
        return True
    return bool((times[1:] > times[:-1]).all()) and not (times % length_ms).any()


def _are_numbers_good(candles: Candles) -> bool:
    # A NaN fails each of these comparisons, an infinity shows in the highest high.
    highest, lowest = candles.high.max(), candles.low.min()
    return bool(
        lowest > 0
        and highest < np.inf
        and highest <= ANOMALY_FACTOR * lowest
        and (candles.high >= np.maximum(candles.open, candles.close)).all()
        and (candles.low <= np.minimum(candles.open, candles.close)).all()
        and candles.volume.min() >= 0
        and candles.volume.max() < np.inf
    )


def _time_rules(times: Times, length_ms: int) -> list[_Rule]:
    def before(row: int) -> str:
        return _time_text(int(times[row - 1]))

    def misaligned(row: int) -> str:
        hint = " (are these seconds?)" if times[row] < 10**11 else ""
        return f"expected a time that is a multiple of {length_ms:,} ms, found {times[row]}{hint}"

    backwards = np.zeros(len(times), dtype=np.bool_)
    repeated = np.zeros(len(times), dtype=np.bool_)
    backwards[1:] = times[1:] < times[:-1]
    repeated[1:] = times[1:] == times[:-1]
    return [
        _Rule(
            (times < 0) | (times >= TIME_LIMIT_MS),
            lambda row: f"expected a time in Unix milliseconds, found {times[row]}",
        ),
        _Rule(times % length_ms != 0, misaligned),
        _Rule(backwards, lambda row: f"candles are not sorted: expected a time after {before(row)}"),
        _Rule(repeated, lambda _: "duplicate candle: the row before has the same time"),
    ]


def _number_rules(candles: Candles) -> list[_Rule]:
    prices = {"open": candles.open, "high": candles.high, "low": candles.low, "close": candles.close}
    table: Floats = np.stack(list(prices.values()))
    typical, kind = _typical_price(candles.close)
    infinite, zero = ~np.isfinite(table), table <= 0
    far = (table > ANOMALY_FACTOR * typical) | (table < typical / ANOMALY_FACTOR)
    outside = (candles.high < table.max(axis=0)) | (candles.low > table.min(axis=0))

    def first(masks: _Mask, row: int) -> str:
        column = int(np.argmax(masks[:, row]))
        return f"{list(prices)[column]} {float(table[column, row])!r}"

    def all_four(row: int) -> str:
        return ", ".join(f"{name} {float(column[row])!r}" for name, column in prices.items())

    return [
        _Rule(np.logical_or.reduce(infinite), lambda row: f"expected finite prices, found {first(infinite, row)}"),
        _Rule(np.logical_or.reduce(zero), lambda row: f"expected positive prices, found {first(zero, row)}"),
        _Rule(outside, lambda row: f"expected high to be the highest and low the lowest, found {all_four(row)}"),
        _Rule(
            ~(np.isfinite(candles.volume) & (candles.volume >= 0)),
            lambda row: f"expected a finite volume of 0 or more, found {float(candles.volume[row])!r}",
        ),
        _Rule(
            np.logical_or.reduce(far),
            lambda row: f"expected prices within a factor of 1000 of the {kind} {typical:g}, found {first(far, row)}",
        ),
    ]


def _typical_price(closes: Floats) -> tuple[float, str]:
    """Return the median close and its name; of few candles the mean."""
    good = closes[np.isfinite(closes) & (closes > 0)]
    if len(good) == 0:
        return float("nan"), "median"
    with np.errstate(over="ignore"):  # prices near the largest double are refused, not warned about
        if len(good) < MEDIAN_FROM_CANDLES:
            return float(good.mean()), "mean"
        return float(np.median(good)), "median"


def _time_text(at_ms: int) -> str:
    if not 0 <= at_ms < TIME_LIMIT_MS:
        return f"time {at_ms}"
    if at_ms % MINUTE_MS == 0:
        return utc_text(at_ms)
    return to_datetime(at_ms).isoformat(" ", "seconds" if at_ms % 1000 == 0 else "milliseconds").removesuffix("+00:00")

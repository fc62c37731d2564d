"""Candles of a longer interval from those of a shorter one."""

import numpy as np

from backtestkit_cli.domain.candle import Candles


def aggregated(candles: Candles, length_ms: int, part_ms: int) -> Candles:
    """Return candles of *length_ms* from *candles* of *part_ms*, opening at multiples of it.

    Parts may be missing inside: a candle is made of those that are there, as venues do, and none is
    made of nothing. Only candles whose whole length lies between the first and the last part are made.
    """
    per_candle = length_ms // part_ms
    if len(candles) == 0:
        return Candles.empty()
    start_ms = -(-int(candles.timestamp[0]) // length_ms) * length_ms
    end_ms = (int(candles.timestamp[-1]) + part_ms) // length_ms * length_ms
    first, last = np.searchsorted(candles.timestamp, [start_ms, end_ms])
    inside = candles.slice(int(first), int(last))
    if len(inside) * part_ms == end_ms - start_ms:
        return _from_contiguous(inside, per_candle) if len(inside) else Candles.empty()
    if len(inside) == 0:
        return Candles.empty()
    opens = inside.timestamp // length_ms
    rows = np.flatnonzero(np.diff(opens, prepend=opens[0] - 1))
    ends = np.append(rows[1:], len(inside))
    volume = np.add.reduceat(inside.volume, rows)
    # A sum depends on the order of its terms: a whole candle has the same one beside a gap and without any.
    whole = ends - rows == per_candle
    volume[whole] = inside.volume[rows[whole, None] + np.arange(per_candle)].sum(axis=1)
    return Candles.frozen(
        opens[rows] * length_ms,
        inside.open[rows],
        np.maximum.reduceat(inside.high, rows),
        np.minimum.reduceat(inside.low, rows),
        inside.close[ends - 1],
        volume,
    )


def _from_contiguous(candles: Candles, per_candle: int) -> Candles:
    opened, high, low, close, volume = (
        column.reshape(-1, per_candle)
        for column in (candles.open, candles.high, candles.low, candles.close, candles.volume)
    )
    return Candles.frozen(
        candles.timestamp[::per_candle],
        opened[:, 0],
        # Turned first: along rows as short as these numpy takes ten times as long.
        high.T.copy().max(axis=0),
        low.T.copy().min(axis=0),
        close[:, -1],
        volume.sum(axis=1),
    )

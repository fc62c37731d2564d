"""Other frames that might have been: days drawn again in blocks, and the interval in which a difference then lies.

The stationary bootstrap (Politis and Romano 1994, JASA 89(428)): blocks of consecutive days, of random length and
with a random beginning, are strung together until they make a frame of as many days; after the last day comes the
first. Whole days are drawn because the trades of a day share its market, and blocks because a day resembles the next.
Two runs are drawn together, day by day: both saw the same market, and what it did to both cancels in a difference.

The interval is the expanded percentile interval (Hesterberg 2015, The American Statistician 69(4), section 5.4):
percentiles a little further out than 2.5 and 97.5, by the width that Student's t has over the normal distribution.
Blocks are what is independent, so their number stands for the size of the sample. Where days are independent and
have heavy tails it covers the truth in 94 to 95 of 100 samples of 10 to 60 days; plain percentiles do in 84 to 90.
"""

import hashlib
import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import NamedTuple, Self

import numpy as np

from backtestkit_cli.domain.candle import Floats

RESAMPLES = 2_000
LEVEL = 0.95
FEWEST_DAYS = 10
"""Below this number of days an interval would pretend to know something."""

# An interval of what is undefined more often than this would leave out just the odd samples.
_UNDEFINED = 0.01
# A variance below this share of the mean square is rounding.
_ROUNDING = 1e-13


class Interval(NamedTuple):
    """Where a difference lies with a confidence of 95 %; `above_share_pct` of the samples had it above 0."""

    low: float
    high: float
    above_share_pct: float

    @property
    def excludes_zero(self) -> bool:
        """Say whether the difference is significant at this level."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Resampling:
    """Samples of the days of a frame: `weights` says how often each (row) holds each day (column)."""

    weights: Floats
    blocks: float

    @classmethod
    def of(cls, days: int, seed: int, samples: int = RESAMPLES) -> Self:
        """Draw *samples* of *days* days; the same *seed* draws the same.

        A block is the cube root of *days* long on average, the order that the variance of a mean asks for.
        """
        length = max(1, round(math.cbrt(days)))
        draws = np.random.default_rng(seed)
        lengths = draws.geometric(1 / length, (samples, 2 * days // length + 20))
        first = draws.integers(0, days, lengths.shape)
        ends = np.minimum(np.cumsum(lengths, axis=1), days)
        ends[:, -1] = days
        last = first + np.diff(ends, axis=1, prepend=0)
        # The days of a block are those between where a count of begun blocks goes up and where it goes down again.
        width = 2 * days + 1
        rows = width * np.arange(samples)[:, None]
        begun, ended = (np.bincount((rows + at).ravel(), minlength=samples * width) for at in (first, last))
        counts = np.cumsum((begun - ended).reshape(samples, width), axis=1, dtype=np.float64)
        return cls(counts[:, :days] + counts[:, days:-1], days / length)

    def sums(self, columns: Floats) -> Floats:
        """Return the sums of *columns*, one row a day, over each sample: one row a sample."""
        with np.errstate(over="ignore", invalid="ignore"):
            return self.weights @ columns

    def interval(self, differences: Floats) -> Interval | None:
        """Return the interval of *differences*, one a sample; None where too many are undefined.

        It is taken at ranks that are symmetric: the interval of the negated differences is the mirrored one.
        """
        known = np.sort(differences[np.isfinite(differences)])
        if len(known) < (1 - _UNDEFINED) * len(differences):
            return None
        rank = int(_tail(self.blocks) * len(known))
        above, equal = np.count_nonzero(known > 0), np.count_nonzero(known == 0)
        return Interval(known[rank].item(), known[-1 - rank].item(), 100 * float(above + equal / 2) / len(known))


def sample_deviation(count: Floats | int, total: Floats, squares: Floats) -> Floats:
    """Return the deviation (n-1) of *count* numbers from their sum and the sum of their squares, NaN for equal ones.

    The numbers are to be taken from about their mean: squares lose half of the digits.
    """
    variance = (squares - total**2 / count) / (count - 1)
    deviation: Floats = np.sqrt(np.where(variance > _ROUNDING * squares / count, variance, np.nan))
    return deviation


def seed_of(*names: str) -> int:
    """Return the seed of a comparison of *names*, whatever their order: 8 bytes of the SHA-256 of the sorted names."""
    return int.from_bytes(hashlib.sha256("\n".join(sorted(names)).encode()).digest()[:8], "big")


def _tail(size: float) -> float:
    """Return the share to cut off at each end for a sample of *size* independent pieces.

    Student's quantile is the expansion 26.7.5 of Abramowitz and Stegun (1964).
    """
    normal, freedom = NormalDist(), size - 1
    z = normal.inv_cdf((1 + LEVEL) / 2)
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    return normal.cdf(-t * math.sqrt(size / freedom))

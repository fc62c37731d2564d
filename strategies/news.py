"""News: one fetch an hour feeds all symbols, which trade what it says of their coin.

It shows a job on the run's clock and a typed service between the job and the strategies. The job runs once at each
full hour before any symbol gets there, so every symbol reads the news of 12:00 from 12:00 on and none reads it
earlier. These news are made up, the same in every run; to use real ones put another body into `fetched`, which
must answer as of `when` and not as of today.
"""

import random
from dataclasses import dataclass
from datetime import datetime

from backtestkit_cli import JobCall, Signal, add_job, add_strategy, bracket, provide, service

COINS = ("BTC", "ETH", "SOL", "XRP", "ADA")
SEED = 7
STRONG = 0.9  # of a mood from -1 to 1


@dataclass(frozen=True)
class Headline:
    """What was said at `at` of one coin, and its mood, -1 for very bad to 1 for very good."""

    at: datetime
    coin: str
    mood: float


@provide
class News:
    """The newest headline of each coin."""

    def __init__(self) -> None:
        """Begin without news."""
        self._newest: dict[str, Headline] = {}

    def publish(self, headline: Headline) -> None:
        """Take in *headline*."""
        self._newest[headline.coin] = headline

    def about(self, symbol: str) -> Headline | None:
        """Return what was said last of the coin of *symbol*, such as BTC of BTCUSDT."""
        return self._newest.get(symbol.removesuffix("USDT"))


async def fetched(when: datetime) -> list[Headline]:
    """Return the news as of *when*, a headline a coin."""
    return [Headline(when, coin, random.Random(f"{SEED} {coin} {when:%Y-%m-%dT%H}").uniform(-1, 1)) for coin in COINS]


async def gather(call: JobCall) -> None:
    """Fetch once for all symbols; a fetch that fails is an event, and the next hour fetches again."""
    for headline in await fetched(call.when):
        service(News).publish(headline)


def get_signal(symbol: str, _when: datetime, price: float) -> Signal | None:
    """Follow a strong mood for four hours."""
    headline = service(News).about(symbol)
    if headline is None or abs(headline.mood) < STRONG:
        return None
    side = "long" if headline.mood > 0 else "short"
    note = f"mood {headline.mood:+.2f} at {headline.at:%Y-%m-%dT%H:%M}"
    return bracket(side, price, take_profit_pct=2.0, stop_loss_pct=1.5, minutes=240, note=note)


add_job("news", every="1h", handler=gather, note="made-up headlines of five coins")
add_strategy(
    "news", interval="1h", get_signal=get_signal, note=f"follows moods beyond {STRONG} for four hours, both ways"
)

"""A process that warms a cache from a venue in memory, for tests that kill it or run several."""

import asyncio
import json
import sys
from pathlib import Path

from backtestkit_cli.data.cache import journal
from tests.data.cache.remotes import Venue, cached, gappy


def main() -> None:
    options = json.loads(sys.argv[1])
    candles = gappy(options["count"], start=options["start"])
    venue = Venue({("BTCUSDT", "1m"): candles}, page=500, delay_s=options["delay_s"], log=Path(options["log"]))
    source = cached(Path(options["root"]), venue)
    for start, end in options["spans"]:
        warmed = asyncio.run(source.warm("BTCUSDT", "1m", start, end))
        sys.stdout.write(f"{warmed.requests} {warmed.fetched}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    journal._EVERY_S = 0.02  # write often, so that a kill is likely to come amid a write
    main()

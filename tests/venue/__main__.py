"""The venue by hand: `make venue`, or `python -m tests.venue --help`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from datetime import datetime
from pathlib import Path

from backtestkit_cli.domain.interval import to_ms
from tests.venue.faults import ERRORS, ODD_ROWS, Faults, stall
from tests.venue.market import VenueMarket, clock_from, real_now_ms
from tests.venue.server import Venue
from tests.venue.tapes import demo_tapes, tapes_in
from tests.venue.weights import Weights

_STALL_S = 20.0


def main() -> int:
    options = _parser().parse_args()
    try:
        asyncio.run(_serve(_venue(options)))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _venue(options: argparse.Namespace) -> Venue:
    tapes = demo_tapes() if options.candles is None else tapes_in(options.candles)
    if not tapes:
        raise ValueError(f"{options.candles}: expected <symbol>/<interval>.parquet or .csv, found none")
    market = VenueMarket(
        tapes,
        now_ms=real_now_ms if options.now is None else clock_from(to_ms(options.now)),
        lag_ms=round(options.lag * 1000),
    )
    return Venue(
        market,
        faults=Faults.random(options.seed, options.faults, (*ERRORS, *ODD_ROWS, stall(_STALL_S))),
        weights=Weights(options.weight),
        port=options.port,
        latency_s=options.latency,
    )


async def _serve(venue: Venue) -> None:
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with venue:
        symbols = " ".join(venue.market.symbols)
        sys.stdout.write(f"{venue.url} has {symbols}; try: btk cache warm --set exchange.url={venue.url} ...\n")
        sys.stdout.flush()
        await stopped.wait()
    happened = ", ".join(f"{count} × {name}" for name, count in sorted(venue.faults.happened.items())) or "none"
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{len(venue.requests)} requests; faults: {happened}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.venue", description="Serve candles as Binance does.")
    parser.add_argument("--candles", type=Path, metavar="PATH", help="a candle file or folder; else the demo market")
    parser.add_argument("--port", type=int, default=8700, help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="of all requests (default: none)")
    parser.add_argument("--seed", type=int, default=1, help="which requests meet which faults (default: %(default)s)")
    parser.add_argument("--now", type=datetime.fromisoformat, metavar="TIME", help="where the venue's clock starts")
    parser.add_argument("--lag", type=float, default=0.0, metavar="SECONDS", help="by which candles come late")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="that an answer takes")
    parser.add_argument("--weight", type=int, default=6_000, help="that a minute bears (default: %(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

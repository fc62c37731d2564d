"""The venue by hand: `make venue`, or `python -m tests.venue --help`."""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from backtestkit_cli.domain.interval import to_ms
from tests.venue.clocks import SetClock
from tests.venue.driver import DEPOSITS, TradingVenue
from tests.venue.faults import ERRORS, ODD_ROWS, Faults, lost_before, stall
from tests.venue.keys import LOOPBACK_KEY, LOOPBACK_SECRET
from tests.venue.market import VenueMarket, clock_from, real_now_ms
from tests.venue.matching.terms import RECEIVED, Terms
from tests.venue.tapes import demo_tapes, tapes_in
from tests.venue.weights import Weights

_STALL_S = 20.0
_KEPT_REQUESTS = 1_000


def main() -> int:
    options = _parser().parse_args()
    try:
        asyncio.run(_serve(_venue(options), options.lasts))
    except (OSError, ValueError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _venue(options: argparse.Namespace) -> TradingVenue:
    tapes = demo_tapes() if options.candles is None else tapes_in(options.candles)
    if not tapes:
        raise ValueError(f"{options.candles}: expected <symbol>/<interval>.parquet or .csv, found none")
    return TradingVenue(
        VenueMarket(tapes, now_ms=_clock(options), lag_ms=round(options.lag * 1000)),
        deposits=dict(options.deposit) or DEPOSITS,
        terms=_terms(options),
        checks_time=options.speed <= 1,
        faults=Faults.random(options.seed, options.faults, (*ERRORS, *ODD_ROWS, lost_before(), stall(_STALL_S))),
        weights=Weights(options.weight),
        port=options.port,
        latency_s=options.latency,
        keep_requests=_KEPT_REQUESTS,
    )


def _clock(options: argparse.Namespace) -> Callable[[], int]:
    at_ms = real_now_ms() if options.now is None else to_ms(options.now)
    return SetClock(at_ms) if options.still else clock_from(at_ms, options.speed)


def _terms(options: argparse.Namespace) -> Terms:
    rate = options.fee / 100
    return Terms(
        maker_rate=rate,
        taker_rate=rate,
        fee_in=options.fee_in,
        slippage_rate=options.slippage / 100,
        volume_share=None if options.volume is None else options.volume / 100,
    )


async def _serve(venue: TradingVenue, lasts_s: float) -> None:
    stopped = venue.control.stopped
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    async with venue:
        symbols = " ".join(venue.market.symbols)
        sys.stdout.write(f"{venue.url} has {symbols}; try: btk cache warm --set exchange.url={venue.url} ...\n")
        held = ", ".join(f"{holding.free} {asset}" for asset, holding in venue.book.balances.items())
        sys.stdout.write(f"its account has {held}; key {LOOPBACK_KEY}, secret {LOOPBACK_SECRET}\n")
        sys.stdout.flush()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(lasts_s):
                await stopped.wait()
    happened = ", ".join(f"{count} × {name}" for name, count in sorted(venue.faults.happened.items())) or "none"
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(f"{venue.answered} requests; faults: {happened}\n")


def _deposit(text: str) -> tuple[str, Decimal]:
    asset, _, amount = text.partition("=")
    try:
        return asset, Decimal(amount)
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"expected ASSET=AMOUNT, found {text}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.venue", description="An exchange as Binance is one.")
    parser.add_argument("--candles", type=Path, metavar="PATH", help="a candle file or folder; else the demo market")
    parser.add_argument("--port", type=int, default=8700, help="0 takes any free one (default: %(default)s)")
    parser.add_argument("--for", type=float, default=86_400.0, metavar="SECONDS", dest="lasts",
                        help="after which it ends by itself (default: a day)")  # fmt: skip
    parser.add_argument("--faults", type=float, default=0.0, metavar="SHARE", help="of all requests (default: none)")
    parser.add_argument("--seed", type=int, default=1, help="which requests meet which faults (default: %(default)s)")
    parser.add_argument("--now", type=datetime.fromisoformat, metavar="TIME", help="where the venue's clock starts")
    parser.add_argument("--speed", type=float, default=1.0, metavar="N", help="by which the clock is faster than real")
    parser.add_argument("--still", action="store_true", help="let the clock stand but for POST /control/advance")
    parser.add_argument("--lag", type=float, default=0.0, metavar="SECONDS", help="by which candles come late")
    parser.add_argument("--latency", type=float, default=0.0, metavar="SECONDS", help="that an answer takes")
    parser.add_argument("--weight", type=int, default=6_000, help="that a minute bears (default: %(default)s)")
    parser.add_argument("--deposit", type=_deposit, action="append", default=[], metavar="ASSET=AMOUNT",
                        help="what the account has; may be repeated (default: USDT=10000)")  # fmt: skip
    parser.add_argument("--fee", type=Decimal, default=Decimal("0.1"), metavar="PERCENT", help="(default: %(default)s)")
    parser.add_argument("--fee-in", default=RECEIVED, metavar="ASSET",
                        help="or received (the default: base of a buy, quote of a sale), or quote")  # fmt: skip
    parser.add_argument("--slippage", type=Decimal, default=Decimal(0), metavar="PERCENT", help="of market orders")
    parser.add_argument("--volume", type=Decimal, metavar="PERCENT", help="of a candle's volume that orders may take")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`make crash`: bots of both modes are killed at every fault point and at random moments, and must not show it."""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from tests.crash.differences import differences
from tests.crash.lives import Ending, Nursery, nursery
from tests.crash.secrets_left import secrets_left
from tests.crash.stores import SERVERS, Fresh, stores_of
from tests.crash.trial import killed, killed_any_time, rounds_of_kills, uninterrupted

_ROUNDS = 12
_SHOWN = 20


def main() -> int:
    options = _parser().parse_args()
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=options.folder))
        pool = stack.enter_context(ThreadPoolExecutor())
        fresh = stack.enter_context(stores_of(options.store))
        runs = [pool.submit(_tried, mode, Path(folder) / mode, options, fresh) for mode in options.modes]
        found = [run.result() for run in runs]
        found.append(secrets_left(Path(folder)))
    for line in (line for lines in found for line in lines[:_SHOWN]):
        sys.stdout.write(f"{line}\n")
    return 1 if any(found) else 0


def _tried(mode: str, folder: Path, options: argparse.Namespace, fresh: Fresh) -> list[str]:
    begun, kills, lives, found = time.monotonic(), 0, 0, list[str]()
    with nursery() as there:
        whole = uninterrupted(there, folder / "whole", mode, _ROUNDS)
        for number, ending in enumerate(_endings(there, folder, mode, whole, options, fresh)):
            kills, lives = kills + ending.kills, lives + ending.lives
            found += [f"{mode}, trial {number}: {line[:1000]}" for line in differences(ending, whole)]
    took_s = time.monotonic() - begun
    counts = f"{kills} kills, {lives} lives, {len(found)} differences"
    sys.stdout.write(f"{mode}, {options.store}: {counts}, seed {options.seed}, {took_s:.0f} s\n")
    return found


def _endings(
    there: Nursery, folder: Path, mode: str, whole: Ending, options: argparse.Namespace, fresh: Fresh
) -> Iterator[Ending]:
    if options.points:
        for number, kills in enumerate(rounds_of_kills(whole, _ROUNDS)):
            yield killed(there, folder / f"points-{number}", mode, _ROUNDS, kills, fresh())
    rng, left, number = random.Random(f"{options.seed} {mode}"), options.kills, 0
    while left > 0:
        ending = killed_any_time(there, folder / f"moments-{number}", mode, _ROUNDS, rng, left, fresh())
        yield ending
        left, number = left - ending.kills, number + 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="at random moments, of each mode (default: %(default)s)")
    parser.add_argument("--no-points", action="store_false", dest="points", help="at random moments only")
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (default: %(default)s)")
    parser.add_argument("--store", choices=("file", *SERVERS), default="file", help="where they keep what they know")
    parser.add_argument("--modes", nargs="+", choices=("paper", "live"), default=("paper", "live"))
    parser.add_argument("--folder", type=Path, help="where the bots live meanwhile (default: that of the system)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

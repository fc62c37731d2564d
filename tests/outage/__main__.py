"""`make outage`: bots whose store is killed, cut off, slow or full, and bots that race for one: it must not show."""

import argparse
import itertools
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.crash.lives import Nursery, nursery
from tests.crash.stores import SERVERS
from tests.crash.trial import uninterrupted
from tests.outage.outages import TRIALS, Bench, Setting, a_bench
from tests.outage.rivals import MATCHES, Arena, met
from tests.servers.process import running

_ROUNDS = 4


def main() -> int:
    options = _parser().parse_args()
    is_fine = True
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for store in options.stores:
            for line in _tried(store, Path(folder) / store, options):
                is_fine = is_fine and not line.startswith("  ")
                sys.stdout.write(f"{line}\n")
                sys.stdout.flush()
    return 0 if is_fine else 1


def _tried(store: str, folder: Path, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each trial at a store, and further ones, shifted, for what it did not survive."""
    with nursery() as there, running(SERVERS[store]) as server, a_bench(server) as bench:
        wholes = {mode: uninterrupted(there, folder / f"whole-{mode}", mode, _ROUNDS) for mode in options.modes}
        until_s = time.monotonic() + options.minutes * 60
        for number in itertools.count():
            mode = options.modes[number % len(options.modes)]
            setting = Setting(there, folder / f"{mode}-{number}", mode, _ROUNDS, wholes[mode])
            yield from _all(setting, bench, store, random.Random(f"{options.seed} {number}"), options)
            if time.monotonic() > until_s and number + 1 >= len(options.modes):
                break
        yield f"{store}: {', '.join(f'{number} {what}' for what, number in bench.happened.items())}"
        yield from _raced(store, folder / "rivals", there, bench, options)


def _raced(store: str, folder: Path, there: Nursery, bench: Bench, options: argparse.Namespace) -> Iterator[str]:
    """Yield a line for each kind of match at a store, and further ones, shifted, for what went wrong."""
    mode, lease_s = options.modes[0], options.lease_seconds
    with nursery() as other:
        whole = uninterrupted(there, folder / "whole", mode, 1)
        for name in options.matches:
            took_s: list[float] = []
            refused_s: list[float] = []
            found: list[str] = []
            for number in range(options.races):
                section = bench.store(0.5, timeout_s=lease_s) | {"lease_seconds": lease_s}
                here, arms = folder / f"{name}-{number}", (there, other)
                here.mkdir(parents=True)
                arena = Arena(
                    arms, here, mode, 1, whole, section, bench.proxy, bench.server.port, lease_s, took_s, refused_s
                )
                rng = random.Random(f"{options.seed} {name} {number}")
                found += [f"race {number}: {line}" for line in met(arena, MATCHES[name], rng)]
            times = [f"{what} after {min(s):.2f}-{max(s):.2f} s" for what, s in _times(took_s, refused_s) if s]
            yield f"{store}, {name}: {options.races} races, {len(found)} wrong{''.join(f', {one}' for one in times)}"
            yield from (f"  {line[:1500]}" for line in found[: options.shown])


def _times(took_s: list[float], refused_s: list[float]) -> tuple[tuple[str, list[float]], ...]:
    return ("taken over", took_s), ("refused", refused_s)


def _all(setting: Setting, bench: Bench, store: str, rng: random.Random, options: argparse.Namespace) -> Iterator[str]:
    for name in options.trials:
        begun_s = time.monotonic()
        one = Setting(setting.there, setting.folder / name, setting.mode, setting.rounds, setting.whole)
        one.folder.mkdir(parents=True)
        try:
            found = TRIALS[name](one, bench, rng)
        except RuntimeError as error:
            found = ["; ".join(line for line in str(error).splitlines() if not line.startswith(" "))[-1500:]]
        bench.proxy.mend()
        if not bench.is_up:
            bench.start()
        took_s = time.monotonic() - begun_s
        yield f"{store}, {setting.mode}, {name}: {len(found)} differences, {took_s:.0f} s"
        yield from (f"  {line[:1500]}" for line in found[: options.shown])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.outage", description=__doc__)
    parser.add_argument("--store", nargs="+", dest="stores", choices=tuple(SERVERS), default=tuple(SERVERS))
    parser.add_argument("--minutes", type=float, default=0.0, help="per store at least (default: each trial once)")
    parser.add_argument("--trials", nargs="*", choices=tuple(TRIALS), default=tuple(TRIALS))
    parser.add_argument("--matches", nargs="*", choices=tuple(MATCHES), default=tuple(MATCHES))
    parser.add_argument("--races", type=int, default=5, help="of each kind of match (default: %(default)s)")
    parser.add_argument("--lease-seconds", type=float, default=3.0, help="of who races (default: %(default)s)")
    parser.add_argument("--modes", nargs="+", choices=("paper", "live"), default=("live", "paper"))
    parser.add_argument("--seed", type=int, default=1, help="of the random moments (default: %(default)s)")
    parser.add_argument("--shown", type=int, default=10, help="differences of a trial at most (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the bots live meanwhile (default: that of the system)")
    return parser


if __name__ == "__main__":
    sys.exit(main())

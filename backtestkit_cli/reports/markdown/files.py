"""The files of the readable reports: one a strategy and kind, below the folder of all results."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.reports.markdown import backtest, partial, risk
from backtestkit_cli.reports.record import RunRecord
from backtestkit_cli.reports.run_folder import output_errors


class Kind(NamedTuple):
    """A kind of report: its folder, and its text for a strategy, None where there is nothing to say."""

    folder: str
    get_report: Callable[[RunRecord, str], str | None]


KINDS = (
    Kind("backtest", backtest.get_report),
    Kind("partial", partial.get_report),
    Kind("risk", risk.get_report),
)
"""The reports of a run, in the order they are written."""


def write_reports(record: RunRecord, out: Path) -> list[Path]:
    """Write `<out>/<kind>/<strategy>.md` for each kind and strategy with something to say; return the files.

    Where there is nothing to say, the file of an earlier run is removed: it would be taken for one of this run.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    written = []
    for kind in KINDS:
        for strategy, stem in file_stems(record.facts.settings).items():
            text = kind.get_report(record, strategy)
            with output_errors(out / kind.folder / f"{stem}.md") as path:
                if text is not None:
                    write_bytes(path, text.encode())
                    written.append(path)
                elif path.exists():
                    path.unlink()
    return written


def file_stems(names: Iterable[str]) -> dict[str, str]:
    """Return a safe file name, without its ending, for each of *names*, in alphabetical order; no two are the same.

    A name that is safe stays as it is. Another one, and one that differs from its neighbour by case only,
    gets a hash of the name behind what is left of it.
    """
    ordered = sorted(names)
    folded = Counter(name.casefold() for name in ordered)
    return {name: name if folded[name.casefold()] == 1 and _is_safe(name) else _hashed_stem(name) for name in ordered}


def _is_safe(name: str) -> bool:
    is_plain = re.fullmatch(r"\w[\w.-]*", name) and not name.endswith(".") and len(name.encode()) <= 120
    is_device = re.fullmatch(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", name, re.IGNORECASE)
    return bool(is_plain) and not is_device and unicodedata.is_normalized("NFC", name)


def _hashed_stem(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    kept = re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_")[:60]
    return f"{kept or 'strategy'}-{digest}"

"""Files of reports, written, or removed where there is nothing to say."""

from collections.abc import Mapping
from pathlib import Path

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.reports.saved.run_folder import output_errors


def write_or_remove(contents: Mapping[Path, bytes | None]) -> list[Path]:
    """Write each file of *contents* and return those written.

    A file without content is removed: one of an earlier run would be taken for one of this run.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    for file, content in contents.items():
        with output_errors(file):
            if content is not None:
                write_bytes(file, content)
            elif file.exists():
                file.unlink()
    return [file for file, content in contents.items() if content is not None]

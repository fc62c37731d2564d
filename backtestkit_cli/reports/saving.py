"""Everything that a run leaves behind: its readable reports, its folder, its page, and pictures where asked for."""

from collections.abc import Iterator
from pathlib import Path

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.reports.html.page import html_page
from backtestkit_cli.reports.markdown.kinds import write_reports
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import PAGE, is_worse_than_saved, output_errors, write_run
from backtestkit_cli.reports.saved.run_part import RunPart


def save_run(
    record: RunRecord, out: Path, *, has_reports: bool = True, chart_format: str | None = None
) -> Iterator[Path]:
    """Write *record* below *out* and yield each file, or the folder, as it is complete.

    Nothing is written where a run of the same id finished and this one lacks candles that it had.

    Args:
        record: A finished run.
        out: The folder of all results, created where needed.
        has_reports: Off, the reports named after strategies, which another run may own, stay as they are.
        chart_format: `png` or `svg` writes pictures as well.

    Raises:
        OutputError: a file could not be written; the message names it and says why.
    """
    if is_worse_than_saved(record, out):
        return
    if has_reports:
        yield from write_reports(record, out)
    folder = write_run(record, out)
    yield folder
    yield write_page(record, folder / PAGE)
    if chart_format is not None:
        from backtestkit_cli.reports.charts.files import write_charts  # noqa: PLC0415 - draws, which few ask for

        yield from write_charts(record, out, chart_format)


def write_page(record: RunRecord, path: Path, part: RunPart | None = None) -> Path:
    """Write the page of *record*, with the candles and trades of *part* if it is given, and return its *path*.

    Raises:
        OutputError: the file could not be written; the message names it and says why.
    """
    content = html_page(record, part)
    with output_errors(path):
        write_bytes(path, content)
    return path

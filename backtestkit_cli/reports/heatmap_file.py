"""The files of one heatmap: as Markdown, as JSON and as pictures, sorted as asked."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.manifest import encoded
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.markdown.heatmap import SHARPE, get_document, get_report
from backtestkit_cli.reports.record import RunRecord
from backtestkit_cli.reports.run_folder import output_errors


def write(
    record: RunRecord, strategy: str, out: Path, *, sort_by: str = SHARPE, chart_format: str | None = None
) -> list[Path]:
    """Write `<out>/heatmap/<strategy>.md` and `.json`, and return the files.

    With *chart_format* also symbols × metrics as `<strategy>.png` and symbols × months as `<strategy>+months.png`,
    or with the ending `.svg`; a plus is in no other file's name. Sorted by Sharpe, Markdown and JSON have the bytes
    that the run wrote. Where no position was closed, those of an earlier run are removed instead.

    Raises:
        UnknownNameError: there is no such strategy, metric or format.
        ConfigError: matplotlib is not installed.
        OutputError: a file could not be written; the message names it and says why.
    """
    if chart_format is not None:
        require_charts(chart_format)
    text = get_report(record, strategy, sort_by=sort_by)
    contents: dict[str, Callable[[], bytes]] = {
        ".md": (text or "").encode,
        ".json": lambda: encoded(get_document(record, strategy, sort_by=sort_by)),
    }
    if chart_format is not None:
        contents[f".{chart_format}"] = partial(metrics_chart, record, chart_format, strategy, sort_by=sort_by)
        contents[f"+months.{chart_format}"] = partial(months_chart, record, chart_format, strategy, sort_by=sort_by)
    stem = file_stems(record.facts.settings)[strategy]
    written = []
    for ending, content in contents.items():
        with output_errors(out / "heatmap" / f"{stem}{ending}") as path:
            if text is None:
                path.unlink(missing_ok=True)
            else:
                write_bytes(path, content())
                written.append(path)
    return written

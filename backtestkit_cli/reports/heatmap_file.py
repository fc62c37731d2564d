"""The heatmap sorted as asked, and its files: the Markdown and the JSON of its kind, and pictures of it."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.markdown import heatmap
from backtestkit_cli.reports.markdown.heatmap import SHARPE, HeatmapData
from backtestkit_cli.reports.markdown.kinds import Kind, report
from backtestkit_cli.reports.report_files import write_or_remove
from backtestkit_cli.reports.saved.record import RunRecord


def heatmap_by(metric: str) -> Kind[HeatmapData]:
    """Return the kind `heatmap` with symbols sorted by *metric*; what it raises is also `UnknownNameError` of that."""
    return replace(
        report.heatmap,
        numbers=partial(heatmap.get_data, sort_by=metric),
        text=partial(heatmap.get_report, sort_by=metric),
        document=partial(heatmap.get_document, sort_by=metric),
    )


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
    kind = heatmap_by(sort_by)
    files = kind.write(record, strategy, out)
    if chart_format is None:
        return files
    path = kind.path(record, out, strategy)
    charts = {
        path.with_name(f"{path.stem}{ending}.{chart_format}"): draw(record, chart_format, strategy, sort_by=sort_by)
        if files
        else None
        for ending, draw in (("", metrics_chart), ("+months", months_chart))
    }
    return [*files, *write_or_remove(charts)]

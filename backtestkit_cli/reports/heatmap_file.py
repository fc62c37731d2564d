"""The files of one heatmap: as Markdown, as JSON and as pictures, sorted as asked."""

from pathlib import Path

from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.manifest import encoded
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.markdown.heatmap import SHARPE, get_document, get_report
from backtestkit_cli.reports.record import RunRecord
from backtestkit_cli.reports.report_files import write_or_remove


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
    stem = out / "heatmap" / file_stems(record.facts.settings)[strategy]
    text = get_report(record, strategy, sort_by=sort_by)
    pictures = () if chart_format is None else (f".{chart_format}", f"+months.{chart_format}")
    contents: dict[str, bytes | None] = dict.fromkeys((".md", ".json", *pictures))
    if text is not None:
        contents |= {".md": text.encode(), ".json": encoded(get_document(record, strategy, sort_by=sort_by))}
    if text is not None and chart_format is not None:
        charts = (draw(record, chart_format, strategy, sort_by=sort_by) for draw in (metrics_chart, months_chart))
        contents |= dict(zip(pictures, charts, strict=True))
    return write_or_remove({stem.with_name(f"{stem.name}{ending}"): content for ending, content in contents.items()})

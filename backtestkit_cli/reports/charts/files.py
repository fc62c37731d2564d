"""The pictures of a run as files: of the whole run, and where it has several strategies of each of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.reports.charts.equity import equity_chart
from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import output_errors

_CHARTS: Final[dict[str, Callable[[RunRecord, str, str | None], bytes]]] = {
    "equity": equity_chart,
    "heatmap": metrics_chart,
    "months": months_chart,
}


def write_charts(record: RunRecord, out: Path, chart_format: str) -> list[Path]:
    """Write the pictures of *record* to `<out>/charts/<run id>/` and return them.

    `equity` is equity and drawdown, `heatmap` symbols × metrics, `months` symbols × months, each with the ending
    `.png` or `.svg`. They are of the whole run. With several strategies there is also `equity-<strategy>` and so on.

    Raises:
        UnknownNameError: there is no such format.
        ConfigError: matplotlib is not installed.
        OutputError: a file could not be written; the message names it and says why.
    """
    require_charts(chart_format)
    folder = out / "charts" / record.run_id
    stems = file_stems(record.facts.settings)
    parts: dict[str, str | None] = {"": None}
    if len(stems) > 1:
        parts |= {f"-{stem}": strategy for strategy, stem in stems.items()}
    written = []
    for ending, strategy in parts.items():
        for name, chart in _CHARTS.items():
            content = chart(record, chart_format, strategy)
            with output_errors(folder / f"{name}{ending}.{chart_format}") as path:
                write_bytes(path, content)
                written.append(path)
    return written

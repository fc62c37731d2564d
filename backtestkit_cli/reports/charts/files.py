"""The pictures of a run as files: of the whole run, and where it has several strategies of each of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from backtestkit_cli.reports.charts.equity import equity_chart
from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.report_files import write_or_remove
from backtestkit_cli.reports.saved.record import RunRecord

_HEAT_CHARTS: Final[dict[str, Callable[[RunRecord, str, str | None], bytes]]] = {
    "heatmap": metrics_chart,
    "months": months_chart,
}


def write_charts(record: RunRecord, out: Path, chart_format: str) -> list[Path]:
    """Write the pictures of *record* to `<out>/charts/<run id>/` and return them.

    `equity` is equity and drawdown, `heatmap` symbols × metrics, `months` symbols × months, each with the ending
    `.png` or `.svg`. They are of the whole run. With several strategies there is also `equity-<strategy>` and so on.
    Where no position was closed there is only `equity`.

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
        has_heat = has_trades(record, strategy)
        contents: dict[str, bytes | None] = {"equity": equity_chart(record, chart_format, strategy)}
        for name, chart in _HEAT_CHARTS.items():
            contents[name] = chart(record, chart_format, strategy) if has_heat else None
        files = {folder / f"{name}{ending}.{chart_format}": content for name, content in contents.items()}
        written += write_or_remove(files)
    return written


def has_trades(record: RunRecord, strategy: str | None = None) -> bool:
    """Say whether *strategy*, or any, closed a position in *record*: without, heatmaps have nothing to show."""
    return len(record.trades_of(strategy)) > 0

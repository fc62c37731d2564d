"""`btk cache warm` and `btk cache list`: filling the cache, and what is in it."""

from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.data.cache.source import Warmed
    from backtestkit_cli.data.cache.upkeep import SeriesSummary
    from backtestkit_cli.runs.warming import Unwarmed

Intervals: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--interval", "-i", metavar="I,J", help="Intervals, separated by commas; 1m by default."),
]
_SOME_FAILED = 4


def warm_cache(
    *,
    symbols: options.Symbols = None,
    interval: Intervals = None,
    exchange: options.Exchange = None,
    from_: options.From = None,
    to: options.To = None,
    frame: options.Frame = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Fetch what the cache lacks of the candles that runs will read.

    That is the frame of the config, or every frame it names, with the warm-up of its strategies; --from and
    --to say another span. What is cached is never fetched again, and what was fetched before an error or
    Ctrl-C is kept. Exit codes: 0 done, 2 wrong input, 3 candles missing or bad, 4 some series failed and
    the others are there, 5 a venue refused or was not reached.
    """
    flags = {
        "symbols": options.joined(symbols),
        "exchange": exchange,
        "from": from_,
        "to": to,
        "frame": frame,
        "entry": entry,
        "strategy": options.split(strategy),
        "data": data,
    }
    loaded = options.load(config, sets, flags, required=("symbols",))
    results = _warm(loaded, options.split(interval) or ["1m"], quiet=quiet)
    code = _exit_code(results)
    if json:
        series = [_warmed_document(result) for result in results]
        console.out(console.json_text({"series": series, "exit_code": code}))
    else:
        _show_warmed(results)
    for line in _problems(results):
        console.error(line)
    raise typer.Exit(code)


def _warm(loaded: "LoadedConfig", intervals: "Sequence[str]", *, quiet: bool) -> "list[Warmed | Unwarmed]":
    import asyncio

    from backtestkit_cli.cli.progress import shown_progress
    from backtestkit_cli.runs.sources import access_of
    from backtestkit_cli.runs.warming import warm, warming

    with shown_progress(quiet=quiet) as display, console.stdout_for_data():
        on_progress = display.fetched if display else None
        source, needs = warming(loaded, intervals, access_of(loaded, on_progress=on_progress, on_damage=console.note))
        return asyncio.run(warm(source, needs))


def _exit_code(results: "Sequence[Warmed | Unwarmed]") -> int:
    from backtestkit_cli.runs.warming import Unwarmed

    codes = {result.problem.exit_code for result in results if isinstance(result, Unwarmed)}
    if not codes:
        return 0
    is_partly_done = any(not isinstance(result, Unwarmed) for result in results)
    return _SOME_FAILED if is_partly_done or len(codes) > 1 else codes.pop()


def _problems(results: "Sequence[Warmed | Unwarmed]") -> list[str]:
    """Return a line for each thing that went wrong; what all series have in common is said once."""
    from backtestkit_cli.runs.warming import Unwarmed

    return list(dict.fromkeys(str(result.problem) for result in results if isinstance(result, Unwarmed)))


def _warmed_document(result: "Warmed | Unwarmed") -> dict[str, Any]:
    from backtestkit_cli.runs.warming import Unwarmed

    if isinstance(result, Unwarmed):
        need = result.need
        return {
            "symbol": need.symbol,
            "interval": need.interval,
            "span": need.span,
            "error": console.one_line(str(result.problem)),
        }
    return {
        "symbol": result.symbol,
        "interval": result.interval,
        "span": result.span,
        "present": result.before,
        "fetched": result.fetched,
        "missing": result.missing,
        "gaps": result.gaps,
        "unsettled": result.unsettled,
        "requests": result.requests,
        "error": None,
    }


def _show_warmed(results: "Sequence[Warmed | Unwarmed]") -> None:
    from backtestkit_cli.domain.interval import utc_text
    from backtestkit_cli.runs.warming import Unwarmed

    headings = [Heading("Symbol"), Heading("Interval"), Heading("From", rank=2), Heading("To", rank=2)]
    headings += [Heading(title, is_number=True) for title in ("Present", "Fetched", "Missing", "Gaps")]
    rows = [
        [
            result.symbol,
            result.interval,
            *map(utc_text, result.span),
            *(f"{count:,}" for count in (result.before, result.fetched, result.missing, len(result.gaps))),
        ]
        for result in results
        if not isinstance(result, Unwarmed)
    ]
    if not rows:
        return
    done = [result for result in results if not isinstance(result, Unwarmed)]
    counts = (sum(getattr(one, name) for one in done) for name in ("before", "fetched", "missing"))
    total = ["All", "", "", "", *(f"{count:,}" for count in counts), f"{sum(len(one.gaps) for one in done):,}"]
    console.show_table(headings, [rows, [total]] if len(rows) > 1 else [rows])


def list_cache(
    *,
    symbols: options.Symbols = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """List what is in the cache: the range, gaps and size of every series.

    Exit codes: 0 done, 2 wrong input, 3 a file of the cache cannot be read.
    """
    from backtestkit_cli.data.cache.upkeep import summaries

    loaded = options.load(config, sets, {"data": data})
    folder, wanted = options.cache_of(loaded, exchange, symbols)
    found = [one for one in summaries(folder) if wanted(one.key)]
    if json:
        series = [_summary_document(summary) for summary in found]
        console.out(console.json_text({"folder": str(folder.root), "series": series}))
    elif found:
        _show_summaries(found)
    else:
        console.note(f"nothing of that is in the cache {folder.root}")
    problems = [problem for summary in found for problem in summary.problems]
    for problem in problems:
        console.error(problem)
    raise typer.Exit(3 if problems else 0)


def _summary_document(summary: "SeriesSummary") -> dict[str, Any]:
    return {
        "exchange": summary.key.exchange,
        "symbol": summary.key.symbol,
        "interval": summary.key.interval,
        "first": summary.first_ms,
        "last": summary.last_ms,
        "candles": summary.candles,
        "missing": summary.missing,
        "covered": summary.covered,
        "gaps": summary.gaps,
        "size_bytes": summary.size_bytes,
        "problems": summary.problems,
    }


def _show_summaries(found: "Sequence[SeriesSummary]") -> None:
    from backtestkit_cli.domain.interval import utc_text

    headings = [Heading("Exchange"), Heading("Symbol"), Heading("Interval"), Heading("First"), Heading("Last")]
    headings += [Heading(title, is_number=True) for title in ("Candles", "Missing", "Gaps")]
    headings += [Heading("Size", is_number=True, rank=1)]
    rows = [
        [
            *(one.key.exchange, one.key.symbol, one.key.interval),
            *("–" if at_ms is None else utc_text(at_ms) for at_ms in (one.first_ms, one.last_ms)),  # noqa: RUF001
            *(f"{count:,}" for count in (one.candles, one.missing, len(one.gaps))),
            size_text(one.size_bytes),
        ]
        for one in found
    ]
    total = ["All", "", "", "", "", f"{sum(one.candles for one in found):,}", f"{sum(one.missing for one in found):,}"]
    total += [f"{sum(len(one.gaps) for one in found):,}", size_text(sum(one.size_bytes for one in found))]
    console.show_table(headings, [rows, [total]] if len(rows) > 1 else [rows])


def size_text(size_bytes: int) -> str:
    """Return *size_bytes* as `12 kB` or `3.4 MB`."""
    return f"{size_bytes / 1e3:,.0f} kB" if size_bytes < 1e6 else f"{size_bytes / 1e6:,.1f} MB"

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
    from backtestkit_cli.runs.warming import WarmResult

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
    if not quiet and any(result.warmed and result.warmed.unsettled for result in results):
        console.note("the newest minutes are not kept yet: a venue may still change them")
    raise typer.Exit(code)


def _warm(loaded: "LoadedConfig", intervals: "Sequence[str]", *, quiet: bool) -> "list[WarmResult]":
    import asyncio

    from backtestkit_cli.cli.progress import access_for, shown_progress
    from backtestkit_cli.runs.warming import warm, warming

    with shown_progress(quiet=quiet) as display, console.stdout_for_data():
        source, needs = warming(loaded, intervals, access_for(loaded, display))
        return asyncio.run(warm(source, needs))


def _exit_code(results: "Sequence[WarmResult]") -> int:
    codes = {result.problem.exit_code for result in results if result.problem}
    if not codes:
        return 0
    is_partly_done = any(result.problem is None for result in results)
    return _SOME_FAILED if is_partly_done or len(codes) > 1 else codes.pop()


def _problems(results: "Sequence[WarmResult]") -> list[str]:
    """Return a line for each thing that went wrong; what all series have in common is said once."""
    return list(dict.fromkeys(str(result.problem) for result in results if result.problem))


def _warmed_document(result: "WarmResult") -> dict[str, Any]:
    error = None if result.problem is None else console.one_line(str(result.problem))
    need, done = result.need, result.warmed
    series = {"symbol": need.symbol, "interval": need.interval, "span": done.span if done else need.span}
    if done is None:
        return {**series, "error": error}
    return {
        **series,
        "present": done.before,
        "fetched": done.fetched,
        "missing": done.missing,
        "gaps": done.gaps,
        "unsettled": done.unsettled,
        "requests": done.requests,
        "error": error,
    }


def _show_warmed(results: "Sequence[WarmResult]") -> None:
    from backtestkit_cli.domain.interval import utc_text

    done = [result.warmed for result in results if result.warmed]
    if not done:
        return
    headings = [Heading("Symbol"), Heading("Interval"), Heading("From", rank=1), Heading("To", rank=1)]
    headings += [Heading(title, is_number=True) for title in ("Present", "Fetched", "Missing", "Gaps")]
    rows = [[one.symbol, one.interval, *map(utc_text, one.span), *_counts([one])] for one in done]
    total = ["All", "", "", "", *_counts(done)]
    console.show_table(headings, [rows, [total]] if len(rows) > 1 else [rows])


def _counts(done: "Sequence[Warmed]") -> list[str]:
    """Return how many candles were there before, were fetched, and are missing in how many gaps."""
    counts = [sum(getattr(one, name) for one in done) for name in ("before", "fetched", "missing")]
    return [f"{count:,}" for count in (*counts, sum(len(one.gaps) for one in done))]


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
    """Print a row for each range that is covered: what lies between two of them was never asked for."""
    from backtestkit_cli.domain.interval import interval_ms, utc_text
    from backtestkit_cli.domain.spans import clipped, total_ms

    headings = [Heading("Exchange"), Heading("Symbol"), Heading("Interval"), Heading("From"), Heading("To")]
    headings += [Heading(title, is_number=True) for title in ("Candles", "Missing", "Gaps")]
    headings += [Heading("Size", is_number=True, rank=1)]
    rows = []
    for one in found:
        key, length_ms = one.key, interval_ms(one.key.interval)
        for index, span in enumerate(one.covered):
            gaps = clipped(one.gaps, *span)
            missing = total_ms(gaps) // length_ms
            counts = ((span[1] - span[0]) // length_ms - missing, missing, len(gaps))
            size = console.size_text(one.size_bytes) if index == 0 else ""
            rows.append(
                [
                    key.exchange,
                    key.symbol,
                    key.interval,
                    *map(utc_text, span),
                    *(f"{count:,}" for count in counts),
                    size,
                ]
            )
    totals = (sum(one.candles for one in found), sum(one.missing for one in found), sum(len(one.gaps) for one in found))
    total = [
        "All",
        *[""] * 4,
        *(f"{count:,}" for count in totals),
        console.size_text(sum(one.size_bytes for one in found)),
    ]
    console.show_table(headings, [rows, [total]] if len(rows) > 1 else [rows])

"""`btk report compare`: two saved runs held against each other."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading
from backtestkit_cli.cli.report import Markdown, opened
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.analytics.comparison import Delta
    from backtestkit_cli.reports.comparison.run_comparison import RunComparison, Side

RunA: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="RUN_A", help="Id of a saved run, the beginning of one, latest, or the path of its folder."),
]
RunB: TypeAlias = Annotated[str, typer.Argument(metavar="RUN_B", help="The run to compare with it; may be the same.")]
Strategies: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--strategy", metavar="A,B", help="Compare this strategy of A with that of B; one name is for both."),
]

# What goes first where a terminal is too narrow for all: symbols lose their win rates, then money, then counts.
_FIGURE_RANKS = {"B above A": 2, "What it says": 1}
_SYMBOL_RANKS = {"Win rate A": 9, "Win rate B": 8, "Net A": 7, "Net B": 6, "Net B - A": 5, "Trades A": 4, "Trades B": 3}
_WORDS = frozenset({"Figure", "Symbol", "Trades", "Input", "What it says"})


def compare_saved_runs(
    run_a: RunA,
    run_b: RunB,
    *,
    strategy: Strategies = None,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
    markdown: Markdown = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare two saved runs: their figures and whether chance may have made the difference, trades, and inputs.

    Runs are compared over the time and the symbols that they share. The file is <out>/compare/<run A>--<run B>.md.
    Exit codes: 0 done, 1 the file could not be written, 2 wrong input or nothing to compare, 3 a run is half-written
    or damaged.
    """
    from backtestkit_cli.reports.comparison.run_comparison import compare_runs
    from backtestkit_cli.reports.markdown.compare import report_of, write_comparison

    if json and markdown:
        raise ConfigError("--json and --markdown contradict each other: leave out one")
    folder = options.out_folder(config, out)
    data = compare_runs(*_sides((run_a, run_b), _named(strategy), folder))
    if json:
        console.out(console.json_text(document(data)))
    elif markdown:
        console.out(report_of(data).removesuffix("\n"))
    else:
        _show(data)
    path = write_comparison(data, folder)
    if not quiet:
        console.say(f"wrote {path}")


def _named(strategy: Sequence[str] | None) -> tuple[str | None, str | None]:
    """Return the strategy of either run.

    Raises:
        ConfigError: more than two are named.
    """
    match options.split(strategy):
        case None:
            return None, None
        case [name]:
            return name, name
        case [name_a, name_b]:
            return name_a, name_b
        case names:
            raise ConfigError(f"--strategy: expected one name, or one of each run, found {len(names)}")


def _sides(runs: tuple[str, str], strategies: tuple[str | None, str | None], out: Path) -> "Iterator[Side]":
    from backtestkit_cli.reports.comparison.run_comparison import Side

    for run, strategy in zip(runs, strategies, strict=True):
        yield Side(opened(run, out), strategy)


def _show(data: "RunComparison") -> None:
    """Print what differs in the inputs, the figures, the symbols, and where the difference comes from."""
    from backtestkit_cli.domain.interval import utc_text
    from backtestkit_cli.reports.comparison import comparison_tables as tables
    from backtestkit_cli.reports.markdown.compare import caveats

    figures = [list(tables.figure_rows(part)) for part in (data.figures, data.account) if part]
    console.out(f"A {data.a.name}\nB {data.b.name}\n")
    if data.inputs:
        console.show_table([Heading(title) for title in tables.INPUT_TITLES], [list(tables.input_rows(data.inputs))])
    else:
        console.out("all inputs are the same")
    console.out("")
    console.show_table(_headings(tables.FIGURE_TITLES, _FIGURE_RANKS), figures)
    console.out("")
    console.show_table(_headings(tables.SYMBOL_TITLES, _SYMBOL_RANKS), [list(tables.symbol_delta_rows(data.by_symbol))])
    console.out("")
    sections = [list(tables.match_rows(data.matches)), [tables.match_total(data.figures)]]
    console.show_table(_headings(tables.MATCH_TITLES, {}), sections)
    console.out(f"{utc_text(data.start_ms)} to {utc_text(data.end_ms)} UTC, {counted(len(data.symbols), 'symbol')}")
    console.out("intervals: 95 %, from days drawn in blocks for both runs together; `may be chance`: 0 is within")
    console.out("B above A: share of samples; intervals are wider than these, so that 98 % may still be chance")
    console.out("pp: percentage points")
    for text in (*tables.reasons((*data.figures, *data.account)), *caveats(data)):
        console.out(text)


def _headings(titles: Sequence[str], ranks: dict[str, int]) -> list[Heading]:
    return [Heading(title, title not in _WORDS, ranks.get(title, 0)) for title in titles]


def document(data: "RunComparison") -> dict[str, Any]:
    """Return the comparison as JSON shows it; times are Unix milliseconds."""
    from backtestkit_cli.analytics.arithmetic import finite

    return {
        "a": {"run_id": data.a.record.run_id, "strategy": data.a.strategy, "balance_quote": data.balances[0]},
        "b": {"run_id": data.b.record.run_id, "strategy": data.b.strategy, "balance_quote": data.balances[1]},
        "start": data.start_ms,
        "end": data.end_ms,
        "symbols": list(data.symbols),
        "left_out": dict(data.left_out),
        "inputs": [one._asdict() for one in data.inputs],
        "figures": [_delta_document(one) for one in data.figures],
        "account": [_delta_document(one) for one in data.account],
        "by_symbol": {
            symbol: {one.name: {"a": one.a, "b": one.b, "delta": one.delta} for one in found}
            for symbol, found in data.by_symbol.items()
        },
        "matches": [group._asdict() | {"delta_pct": group.delta_pct} for group in data.matches],
        "unlike": [
            {
                **{name: getattr(one, name) for name in ("symbol", "strategy", "side", "opened_at_ms")},
                **{
                    name: None if ended is None else ended._asdict() | {"pnl_pct": finite(ended.pnl_pct)}
                    for name, ended in (("a", one.a), ("b", one.b))
                },
                "delta_pct": finite(one.delta_pct),
            }
            for one in data.unlike
        ],
    }


def _delta_document(found: "Delta") -> dict[str, Any]:
    interval = found.interval
    return {
        "name": found.name,
        "a": found.a,
        "b": found.b,
        "delta": found.delta,
        "interval": None if interval is None else [interval.low, interval.high],
        "above_share_pct": None if interval is None else interval.above_share_pct,
        "is_significant": None if interval is None else found.is_significant,
        "no_interval": found.why or None,
    }

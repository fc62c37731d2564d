"""The comparison of two runs: what differs in them, how far their figures are apart, and which trades do it."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from backtestkit_cli.analytics.comparison import Delta
from backtestkit_cli.analytics.resampling import RESAMPLES
from backtestkit_cli.atomic import write_bytes
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.reports.comparison.comparison_tables import (
    FIGURE_TITLES,
    INPUT_TITLES,
    MATCH_TITLES,
    SYMBOL_TITLES,
    UNLIKE_TITLES,
    figure_rows,
    input_rows,
    match_rows,
    match_total,
    reasons,
    symbol_delta_rows,
    unlike_rows,
)
from backtestkit_cli.reports.comparison.run_comparison import RunComparison, Side, compare_runs
from backtestkit_cli.reports.markdown.file_names import file_stems
from backtestkit_cli.reports.markdown.text import document, escaped, frame_text, table
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_folder import output_errors
from backtestkit_cli.reports.tables import Unit, number_text

SHOWN_TRADES: Final = 50

METHOD: Final = (
    f"The interval holds the true difference in about 95 of 100 cases. It comes from {RESAMPLES:,} samples of the days"
    " that both runs saw, drawn in blocks of consecutive days and for both runs together: trades of a day share its"
    " market, and what the market did to both cancels (stationary bootstrap; expanded percentile interval, wider for"
    " few days). An interval without 0 is a difference that chance seldom makes: where there is no difference, one"
    " interval in twenty is without 0. `B above A` is the share of samples in which B was higher. The"
    " interval is wider than those samples alone, so that a share near 0 % or 100 % may still be chance."
)
_LEGEND: Final = (
    "PNL is net, in percent of the money put into a trade; totals add up without compounding; pp are percentage points."
    " Trades count on the day"
    " (UTC) of their close. Net and costs (fees and slippage) are in the quote currency. Without trades money is 0"
    " and every ratio and percentage N/A."
)
_BALANCE: Final = (
    "Without a portfolio that is the least that could have paid for every entry. The figures are those of the equity"
    " at each midnight UTC and at the end; Sharpe and Sortino are annualised (×√365), Calmar is the yearly"
    " growth ÷ the max drawdown."
)
_MATCHING: Final = (
    "A trade is in both where both runs opened it on the same symbol, at the same time and on the same side{strategy}."
    " It ended alike where time, reason and prices of the exit are the same; costs may still differ."
)


def get_data(
    a: RunRecord, b: RunRecord, *, strategy_a: str | None = None, strategy_b: str | None = None
) -> RunComparison:
    """Return the numbers that the report shows: of all strategies of either run, or of one.

    Raises:
        UnknownNameError: a run has no such strategy.
        ConfigError: they share no time or no symbol that both finished.
    """
    return compare_runs(Side(a, strategy_a), Side(b, strategy_b))


def get_report(a: RunRecord, b: RunRecord, *, strategy_a: str | None = None, strategy_b: str | None = None) -> str:
    """Return the comparison as Markdown; what it raises is as of `get_data`."""
    return report_of(get_data(a, b, strategy_a=strategy_a, strategy_b=strategy_b))


def report_of(data: RunComparison) -> str:
    """Return *data* as Markdown."""
    return document(
        [
            _head(data),
            ["## What differs in the inputs", _inputs(data)],
            ["## Figures", *_figures(data.figures), METHOD, _LEGEND],
            _account(data),
            ["## By symbol", _table(SYMBOL_TITLES, symbol_delta_rows(data.by_symbol))],
            ["## Where the difference comes from", *_matches(data)],
            _unlike(data),
        ]
    )


def write_comparison(data: RunComparison, out: Path) -> Path:
    """Write *data* to `<out>/compare/<run A>--<run B>.md` and return the file.

    Raises:
        OutputError: the file could not be written; the message names it and says why.
    """
    name = "--".join(side.name.replace(":", ".") for side in (data.a, data.b))
    with output_errors(out / "compare" / f"{file_stems([name])[name]}.md") as path:
        write_bytes(path, report_of(data).encode())
    return path


def caveats(data: RunComparison) -> list[str]:
    """Return what a reader has to know before believing the figures, a sentence each."""
    found = []
    if any(side.record.facts.is_synthetic for side in (data.a, data.b)):
        found.append("SYNTHETIC CANDLES: this market is made up")
    if not data.is_of_whole_frames:
        found.append("the frames differ: only trades count that opened and closed within the span that both saw")
    reasons: dict[str, list[str]] = {}
    for symbol, why in data.left_out.items():
        reasons.setdefault(why, []).append(symbol)
    found += [f"left out, {why}: {', '.join(symbols)}" for why, symbols in reasons.items()]
    return found


def _head(data: RunComparison) -> list[str]:
    titles = ("", "A", "B")
    sides = (data.a, data.b)
    facts = [side.record.facts for side in sides]
    rows = [
        ("Run", *(f"`{side.record.run_id}`" for side in sides)),
        (
            "Strategy",
            *(escaped(side.strategy or ", ".join(one.settings)) for side, one in zip(sides, facts, strict=True)),
        ),
        ("Mode", *(escaped(one.mode) for one in facts)),
        ("Exchange", *(escaped(one.exchange) for one in facts)),
        ("Frame (UTC)", *(f"{utc_text(one.start_ms)} to {utc_text(one.end_ms)}" for one in facts)),
        ("Symbols", *(f"{len({one.symbol for one in side.record.sessions_of(side.strategy)}):,}" for side in sides)),
        ("Version", *(f"btk {escaped(one.version)}" for one in facts)),
    ]
    span = frame_text(data.start_ms, data.end_ms)
    shared = f"Compared over {span}, on {counted(len(data.symbols), 'symbol')}: {escaped(', '.join(data.symbols))}."
    warnings = [f"**Note:** {escaped(text)}." for text in caveats(data)]
    return [f"# Comparison: {escaped(data.a.name)} and {escaped(data.b.name)}", *warnings, table(titles, rows), shared]


def _inputs(data: RunComparison) -> str:
    if not data.inputs:
        return "Nothing: both runs were computed from the same strategy, settings and candles, by the same versions."
    return _table(INPUT_TITLES, input_rows(data.inputs), words={0, 1, 2})


def _account(data: RunComparison) -> list[str]:
    if not data.account:
        return []
    balances = " and ".join(number_text(balance, Unit.MONEY) for balance in data.balances)
    return ["## Account", *_figures(data.account), f"The accounts began with {balances} in quote money. {_BALANCE}"]


def _figures(found: Sequence[Delta]) -> list[str]:
    missing = [f"{text[0].upper()}{text[1:]}." for text in reasons(found)]
    return [_table(FIGURE_TITLES, figure_rows(found), words={0, 6}), *([" ".join(missing)] if missing else [])]


def _matches(data: RunComparison) -> list[str]:
    total = tuple(f"**{text}**" if text else "" for text in match_total(data.figures))
    by_strategy = data.a.sole_strategy is None or data.b.sole_strategy is None
    text = _MATCHING.format(strategy=", by the same strategy" if by_strategy else "")
    rows = [tuple(map(escaped, row)) for row in match_rows(data.matches)]
    return [table(MATCH_TITLES, [*rows, total], right={1, 2, 3, 4}), text]


def _unlike(data: RunComparison) -> list[str]:
    count = len(data.unlike)
    if not count:
        return []
    shown = _table(UNLIKE_TITLES, unlike_rows(data.unlike[:SHOWN_TRADES]), words={0, 1, 2, 3, 4, 6, 7})
    which = f"The {SHOWN_TRADES} of {count:,} that" if count > SHOWN_TRADES else f"{count:,} in all; those that"
    return ["## Trades that differ", f"{which} differ most come first. All of them count above.", shown]


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]], words: Iterable[int] = (0,)) -> str:
    right = set(range(len(titles))) - set(words)
    return table(titles, [[escaped(cell) for cell in row] for row in rows], right=right)

"""A comparison of runs as rows of text: one source for Markdown and the terminal."""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from backtestkit_cli.analytics.account_comparison import ACCOUNT_FIGURES
from backtestkit_cli.analytics.comparison import TRADE_FIGURES, Delta
from backtestkit_cli.analytics.matching import Match, MatchGroup
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.comparison.input_differences import InputDifference, Plain
from backtestkit_cli.reports.comparison.run_comparison import Exit, PairedTrade
from backtestkit_cli.reports.figure_columns import ACCOUNT, TRADE
from backtestkit_cli.reports.tables import NOT_AVAILABLE, TOTAL, Unit, number_text

FIGURE_TITLES: Final = ("Figure", "A", "B", "B - A", "95 % interval", "B above A", "What it says")
SYMBOL_TITLES: Final = (
    *("Symbol", "Trades A", "Trades B", "Win rate A", "Win rate B", "Total PNL A", "Total PNL B", "B - A"),
    *("Net A", "Net B", "Net B - A"),
)
MATCH_TITLES: Final = ("Trades", "Number", "PNL A", "PNL B", "B - A")
INPUT_TITLES: Final = ("Input", "A", "B")
UNLIKE_TITLES: Final = (
    *("Symbol", "Side", "Opened (UTC)", "Closed A", "Reason A", "PNL A", "Closed B", "Reason B", "PNL B", "B - A"),
)

_FIGURES: Final = {key: TRADE[key] for key in TRADE_FIGURES} | {key: ACCOUNT[key] for key in ACCOUNT_FIGURES}
_MATCHES: Final = {
    Match.SAME: "The same in both",
    Match.ENDED_OTHERWISE: "Opened by both, ended otherwise",
    Match.ONLY_A: "Only in A",
    Match.ONLY_B: "Only in B",
}
_LONG_TEXT: Final = 60
_DIGEST: Final = re.compile(r"[0-9a-f]{32,64}")
_DIGEST_SHOWN: Final = 12


def figure_rows(found: Iterable[Delta]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `FIGURE_TITLES` for each figure; why one has no interval is in `reasons`."""
    for one in found:
        _, title, unit, _ = _FIGURES[one.name]
        span = share = NOT_AVAILABLE
        if one.interval is not None:
            low, high, above_share_pct = one.interval
            point = _point(unit)
            span = f"{delta_text(low, unit).removesuffix(point)} to {delta_text(high, unit)}"
            share = number_text(above_share_pct, Unit.SHARE)
        values = (number_text(one.a, unit), number_text(one.b, unit), delta_text(one.delta, unit))
        yield (title, *values, span, share, _verdict(one))


def _verdict(found: Delta) -> str:
    if found.interval is None:
        return ""
    if found.interval[:2] == (0, 0):
        return "no difference"
    if not found.is_significant:
        return "may be chance"
    return "B is higher" if found.interval.low > 0 else "B is lower"


def reasons(found: Iterable[Delta]) -> Iterator[str]:
    """Yield which figures have no interval and why, a sentence a reason."""
    by_reason: dict[str, list[str]] = {}
    for one in found:
        if one.why:
            by_reason.setdefault(one.why, []).append(_FIGURES[one.name].title)
    for why, titles in by_reason.items():
        yield f"no interval of {', '.join(dict.fromkeys(titles))}: {why}"


def symbol_delta_rows(by_symbol: Mapping[str, tuple[Delta, ...]]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `SYMBOL_TITLES` for each symbol."""
    for symbol, found in by_symbol.items():
        named = {one.name: one for one in found}
        cells = [symbol]
        for name, with_delta in (("trades", False), ("win_rate_pct", False), ("total_pnl_pct", True)):
            cells += _both(named[name], with_delta=with_delta)
        yield (*cells, *_both(named["net_quote"], with_delta=True))


def _both(found: Delta, *, with_delta: bool) -> list[str]:
    unit = _FIGURES[found.name].unit
    cells = [number_text(found.a, unit), number_text(found.b, unit)]
    return [*cells, delta_text(found.delta, unit)] if with_delta else cells


def match_rows(groups: Iterable[MatchGroup]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `MATCH_TITLES` for each kind of match."""
    for group in groups:
        in_a = "" if group.match is Match.ONLY_B else number_text(group.pnl_a_pct, Unit.PERCENT)
        in_b = "" if group.match is Match.ONLY_A else number_text(group.pnl_b_pct, Unit.PERCENT)
        count = f"{group.trades:,}"
        yield (_MATCHES[group.match], count, in_a, in_b, delta_text(group.delta_pct, Unit.PERCENT))


def match_total(figures: Iterable[Delta]) -> tuple[str, ...]:
    """Return the last row below those of `match_rows`, from the figures over all trades."""
    (total,) = [one for one in figures if one.name == "total_pnl_pct"]
    values = (number_text(total.a, Unit.PERCENT), number_text(total.b, Unit.PERCENT))
    return (TOTAL, "", *values, delta_text(total.delta, Unit.PERCENT))


def input_rows(found: Iterable[InputDifference]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `INPUT_TITLES` for each input that differs; hashes and long texts are cut."""
    for one in found:
        yield (one.name, _input_text(one.a), _input_text(one.b))


def _input_text(value: Plain) -> str:
    if value is None:
        return "none"
    text = f"{value:g}" if isinstance(value, float) else str(value)
    if _DIGEST.fullmatch(text):
        return text[:_DIGEST_SHOWN]
    return text if len(text) <= _LONG_TEXT else f"{text[: _LONG_TEXT - 1]}…"


def unlike_rows(trades: Iterable[PairedTrade]) -> Iterator[tuple[str, ...]]:
    """Yield a row of `UNLIKE_TITLES` for each trade that is not the same in both."""
    for one in trades:
        head = (one.symbol, one.side, utc_text(one.opened_at_ms))
        yield (*head, *_exit_cells(one.a), *_exit_cells(one.b), delta_text(one.delta_pct, Unit.PERCENT))


def _exit_cells(found: Exit | None) -> tuple[str, ...]:
    if found is None:
        return ("", "", "")
    return (utc_text(found.closed_at_ms), found.reason, number_text(found.pnl_pct, Unit.PERCENT))


def delta_text(value: float | None, unit: Unit) -> str:
    """Return *value*, a difference, with its sign: `+3`, `-1.25 pp` (percentage points), `0.00`."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    text = number_text(round(value) if unit is Unit.COUNT else value, unit)
    is_unsigned = text[0] in "+-" or not any(digit in text for digit in "123456789")
    return (text if is_unsigned else f"+{text}").replace(" %", _point(unit))


def _point(unit: Unit) -> str:
    return " pp" if unit in {Unit.PERCENT, Unit.SHARE} else ""

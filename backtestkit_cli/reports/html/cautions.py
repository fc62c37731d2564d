"""What someone who looks at the figures of a run must know before believing them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.reports.disagreement import disagreement
from backtestkit_cli.reports.markdown import risk
from backtestkit_cli.reports.markdown.coordination import stopped_action, stopped_rule
from backtestkit_cli.reports.markdown.head import SYNTHETIC
from backtestkit_cli.reports.markdown.text import span_text
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_part import RunPart
from backtestkit_cli.reports.tables import Unit, number_text, total_row

SHOWN_ROWS = 50


class Titled(NamedTuple):
    """A column of a table: its title, how the page writes it, and whether its text is long."""

    title: str
    unit: Unit = Unit.TEXT
    is_long: bool = False


class Caution(NamedTuple):
    """A line that anyone must see, or a title above a table that unfolds; `is_open` shows the table at once."""

    title: str
    text: str
    columns: tuple[Titled, ...] = ()
    rows: Sequence[Sequence[object]] = ()
    is_open: bool = False


def cautions(record: RunRecord, part: RunPart | None = None) -> Iterator[Caution]:
    """Yield what there is to say, the most serious first; with *part*, before it what of the page is of that part."""
    if part is not None:
        yield _part(part)
    if record.facts.is_synthetic:
        yield Caution("Synthetic candles", f"{SYNTHETIC[0].upper()}{SYNTHETIC[1:]}")
    yield from _failed(record)
    yield from _stopped(record.account or {})
    yield from _opposed(record)
    yield from _ambiguous(record)
    yield from _errors(record)
    yield from _gaps(record)
    yield from _refusals(record)


def _part(part: RunPart) -> Caution:
    span, symbols = f"{utc_text(part.start_ms)} to {utc_text(part.end_ms)} UTC", part.record.shown_symbols
    text = (
        f"Candles ({part.interval}) and the list of trades are those of {span}{_of(symbols)}: every trade that was open"
        " in it. Figures, equity, months and symbols are those of the whole run."
    )
    return Caution("Part of the run", text)


def _of(symbols: Sequence[str] | None) -> str:
    return "" if symbols is None else f", {', '.join(symbols)}"


def _failed(record: RunRecord) -> Iterator[Caution]:
    failed = [session for session in record.sessions if session.error is not None]
    if failed:
        rows = [(one.symbol, one.strategy, one.failure.value if one.failure else "", one.error) for one in failed]
        columns = (Titled("Symbol"), Titled("Strategy"), Titled("Cause"), Titled("Error", is_long=True))
        text = "What they had traded until then is part of all figures; a position that was open counts for nothing."
        yield Caution(f"{counted(len(failed), 'session')} of {len(record.sessions)} failed", text, columns, rows, True)


def _stopped(account: Mapping[str, Any]) -> Iterator[Caution]:
    stops = account.get("stops", ())
    if stops:
        columns = (
            *(Titled("Stopped (UTC)"), Titled("By"), Titled("Equity", Unit.MONEY), Titled("Limit", Unit.MONEY)),
            *(Titled("What was done"), Titled("Until (UTC)")),
        )
        rows = [
            (
                *(utc_text(stop["at"]), stopped_rule(stop), stop["equity"], stop["limit"], stopped_action(stop)),
                "for good" if stop["until"] is None else utc_text(stop["until"]),
            )
            for stop in stops
        ]
        yield Caution(f"The portfolio stopped {counted(len(stops), 'time')}", "", columns, rows)


def _opposed(record: RunRecord) -> Iterator[Caution]:
    text = disagreement(total_row(record))
    if text is not None:
        yield Caution("Percent and money disagree", f"{text[0].upper()}{text[1:]}.")


def _ambiguous(record: RunRecord) -> Iterator[Caution]:
    trades = record.columns
    count = int(trades.is_ambiguous.sum())
    if count:
        share = number_text(100 * count / len(trades), Unit.SHARE)
        net = number_text(float(np.nansum(trades.net_quote[trades.is_ambiguous])), Unit.MONEY)
        text = (
            f"{count:,} of {len(trades):,} ({share}), {net} net in quote money: the candle of the exit reached both"
            " stop and target, and nobody knows which came first."
        )
        yield Caution("Ambiguous exits", text)


def _errors(record: RunRecord) -> Iterator[Caution]:
    count = sum(session.counts.get("error_occurred", 0) for session in record.sessions)
    if count:
        yield Caution("Errors", f"{count:,} in a strategy or a listener while the run went on; events.jsonl has them.")


def _gaps(record: RunRecord) -> Iterator[Caution]:
    read = {one.symbol: one.candles for one in record.sessions if one.candles is not None and one.candles.missing}
    if read:
        rows = [
            (
                *(symbol, candles.missing, 100 * candles.missing / candles.minutes, len(candles.gaps)),
                span_text(max((end_ms - start_ms for start_ms, end_ms in candles.gaps), default=0)),
            )
            for symbol, candles in read.items()
        ]
        columns = (
            *(Titled("Symbol"), Titled("Missing minutes", Unit.COUNT), Titled("Share", Unit.SHARE)),
            *(Titled("Gaps", Unit.COUNT), Titled("Longest")),
        )
        text = "What was done about a missing minute is among the assumptions."
        yield Caution(f"Candles are missing in {counted(len(rows), 'symbol')}", text, columns, rows)


def _refusals(record: RunRecord) -> Iterator[Caution]:
    found = risk.get_data(record)
    if found.refused:
        rules = [(row.profile, row.rule, row.appears, row.opens, row.total) for row in found.by_rule]
        rule_columns = (
            *(Titled("Profile"), Titled("Rule"), Titled("As it appeared", Unit.COUNT)),
            *(Titled("As it would open", Unit.COUNT), Titled("Refused", Unit.COUNT)),
        )
        yield Caution(f"{counted(len(found.refused), 'signal')} refused by risk", "", rule_columns, rules)
    if found.invalid_signals:
        problems = [(row.problem, row.signals) for row in found.by_problem[:SHOWN_ROWS]]
        columns = (Titled("Problem", is_long=True), Titled("Signals", Unit.COUNT))
        text = "Where texts differ in numbers only, the first of them is shown."
        if len(found.by_problem) > SHOWN_ROWS:
            text += f" The {SHOWN_ROWS} most frequent of {len(found.by_problem):,}."
        yield Caution(f"{counted(found.invalid_signals, 'signal')} refused as invalid", text, columns, problems)

"""How every report begins: of what it is, and what was assumed."""

from collections.abc import Sequence

from backtestkit_cli.domain.settings import AveragingPolicy, FillModelName, GapPolicy, PartialBasis, Settings
from backtestkit_cli.reports.markdown.coordination import coordination_rows
from backtestkit_cli.reports.markdown.text import escaped, frame_text, table
from backtestkit_cli.reports.saved.manifest import SavedSession
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.tables import NOT_AVAILABLE, Unit, number_text

SYNTHETIC = "this market is made up. The numbers show how btk works, not how a strategy earns."

_FILL_MODELS = {
    FillModelName.VWAP: (
        "the engine polls the average price of the last {candles} 1m candles. A stop or target is reached when that"
        " price stands at or beyond it and is booked at its level, also after a gap; one price cannot reach both."
        " A waiting entry fills at its price once the wick of a 1m candle reaches it; a wick that reaches the stop"
        " as well rejects it. Time limits are judged first."
    ),
    FillModelName.CANDLE: (
        "orders rest at the exchange and are judged by the high and low of each 1m candle. A candle that touches both"
        " stop and target is booked as a stop. A stop is booked at its level, or at the open of a candle that opens"
        " beyond it (a gap); a target at its level, never better. A waiting entry fills at its price; a candle that"
        " reaches its stop as well opens and stops it. Time limits are judged last."
    ),
}
_AVERAGING = {
    AveragingPolicy.BELOW_LOWEST: "only below every earlier entry of a long, above every one of a short",
    AveragingPolicy.BELOW_EFFECTIVE: "only below the effective price of a long, above that of a short",
    AveragingPolicy.ANY: "at any price",
}
_GAP_RULES = {
    GapPolicy.ERROR: "a symbol with a missing minute fails",
    GapPolicy.FILL: "a missing minute is a flat candle at the last close with volume 0",
    GapPolicy.SKIP: "a missing minute has no tick, and candle windows hold only what was there",
}
_PARTIAL_BASES = {
    PartialBasis.REVENUE: "`revenue`: percent the price has moved from the effective entry, before costs",
    PartialBasis.PROGRESS: "`progress`: percent of the way from the effective entry to the first target or stop",
}


def head(record: RunRecord, strategy: str, title: str) -> list[str]:
    """Return the first blocks of a report on *strategy*: title, a warning about made-up candles, assumptions.

    Raises:
        UnknownNameError: the run has no such strategy.
    """
    record.require_strategy(strategy)
    warning = [f"**SYNTHETIC CANDLES:** {SYNTHETIC}"] if record.facts.is_synthetic else []
    assumptions = table(("Assumption", "Value"), assumption_rows(record, strategy))
    return [f"# {title}: {escaped(strategy)}", *warning, assumptions]


def assumption_rows(record: RunRecord, strategy: str) -> list[tuple[str, str]]:
    """Return what was assumed for *strategy*: titles and values, as cells of Markdown."""
    facts, settings = record.facts, record.facts.settings[strategy]
    note = facts.notes.get(strategy)
    synthetic = " (SYNTHETIC)" if facts.is_synthetic else ""
    span = frame_text(facts.start_ms, facts.end_ms)
    model = _FILL_MODELS[settings.fill_model].format(candles=settings.avg_price_candles)
    return [
        *([("Note", escaped(note))] if note else []),
        *([] if facts.mode == "backtest" else [("Mode", f"**{escaped(facts.mode)}**")]),
        ("Exchange", escaped(facts.exchange) + synthetic),
        ("Frame", f"{escaped(facts.frame)}: {span}" if facts.frame else span),
        *_part(record),
        ("Fill model", f"**{settings.fill_model.value}**: {model}"),
        ("Fee", f"{settings.fee_pct:g} % of the money of each fill"),
        ("Slippage", f"{settings.slippage_pct:g} % against us on each fill"),
        ("Entry cost", f"{number_text(settings.position_cost, Unit.MONEY)} quote money, where a signal names no other"),
        ("Averaging", f"`{settings.averaging.value}`: {_AVERAGING[settings.averaging]}"),
        *([("Partial levels", _PARTIAL_BASES[settings.partial_basis])] if _has_levels(record, strategy) else []),
        *coordination_rows(facts, strategy),
        ("Gaps", _gap_policy(settings, record.sessions_of(strategy))),
        ("Version", f"btk {escaped(facts.version)}"),
        ("Run", f"`{facts.run_id}`"),
    ]


def _part(record: RunRecord) -> list[tuple[str, str]]:
    """Return which symbols a part of a run is, nothing for the whole."""
    shown = record.shown_symbols
    if shown is None:
        return []
    return [("Part", f"{escaped(', '.join(shown))}; the run has {len(record.facts.symbols):,} symbols")]


def _has_levels(record: RunRecord, strategy: str) -> bool:
    kinds = {"profit_level_reached", "loss_level_reached"}
    return any(kinds & session.counts.keys() for session in record.sessions_of(strategy))


def _gap_policy(settings: Settings, sessions: Sequence[SavedSession]) -> str:
    rule = f"`{settings.gaps.value}`: {_GAP_RULES[settings.gaps]}"
    facts = [session.candles for session in sessions if session.candles is not None]
    missing = [candles.missing for candles in facts]
    if settings.gaps is GapPolicy.ERROR:
        return rule
    if not facts:
        return f"{rule}; {NOT_AVAILABLE}, no candles were loaded"
    if not any(missing):
        return f"{rule}; none here"
    minutes = sum(candles.minutes for candles in facts)
    share = number_text(100 * sum(missing) / minutes, Unit.SHARE)
    return f"{rule}; {sum(missing):,} ({share} of all) in {sum(map(bool, missing))} of {len(sessions)} symbols"

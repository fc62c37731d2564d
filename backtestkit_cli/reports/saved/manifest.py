"""The manifest of a run: written from its outcome, and read back as what the run was."""

import hashlib
import math
import platform
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Final, get_type_hints

import orjson

from backtestkit_cli.analytics.outcome import CandleFacts, Failure, RunFacts, RunOutcome
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.events.plain_values import clean_text, finite
from backtestkit_cli.reports.saved.summaries import account_summary

FORMAT: Final = 1
"""Of the folder of a run; a btk that changes what files mean raises it."""

_JSON: Final = orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE
_COORDINATION: Final = ("groups", "portfolio", "risk", "risks", "sizings")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedSession:
    """One strategy on one symbol, as the manifest says it.

    `trades` counts them, `total_pnl_pct` and `net_quote` are their sums, None where those are not finite. The other
    fields are those of `SessionOutcome`.
    """

    strategy: str
    symbol: str
    trades: int
    total_pnl_pct: float | None
    net_quote: float | None
    counts: Mapping[str, int]
    candles: CandleFacts | None
    error: str | None
    failure: Failure | None


def manifest(outcome: RunOutcome) -> dict[str, Any]:
    """Return what the run was computed from and how it ended, without anything that changes on a rerun."""
    facts = outcome.facts
    decided = {
        "mode": facts.mode,
        "exchange": facts.exchange,
        "source": facts.source,
        "frame": {"name": facts.frame, "start": facts.start_ms, "end": facts.end_ms},
        "symbols": facts.symbols,
        "settings": {name: asdict(settings) for name, settings in facts.settings.items()},
        **({"jobs": facts.jobs} if facts.jobs else {}),
        **facts.coordination,
    }
    return {
        **decided,
        **({"events": outcome.counts} if outcome.counts else {}),
        **({"account": account_summary(outcome)} if outcome.account else {}),
        "format": FORMAT,
        "run_id": facts.run_id,
        "config_hash": hashlib.sha256(encoded(decided)).hexdigest(),
        "is_synthetic": facts.is_synthetic,
        "seed": facts.source.get("seed"),
        "strategies": {
            name: {
                "source_sha256": digest,
                "files": facts.files.get(name, {}),
                "note": clean_text(facts.notes.get(name)),
            }
            for name, digest in facts.strategies.items()
        },
        "candles": {
            **{one.symbol: asdict(one.candles) for one in outcome.sessions if one.candles is not None},
            **{symbol: asdict(facts) for symbol, facts in outcome.candles_beside.items()},
        },
        "sessions": [
            {
                "strategy": session.strategy,
                "symbol": session.symbol,
                "trades": len(session.trades),
                "total_pnl_pct": _sum(trade.pnl_pct for trade in session.trades),
                "net_quote": _sum(trade.pnl_cost for trade in session.trades),
                "events": session.counts,
                "failure": session.failure,
                "error": None if session.error is None else clean_text(session.error),
            }
            for session in outcome.sessions
        ],
        "exit_code": outcome.exit_code,
        "versions": versions(facts.version),
    }


def encoded(content: Mapping[str, Any]) -> bytes:
    """Return *content* as the text of a JSON file, its keys in order."""
    return orjson.dumps(content, option=_JSON, default=str)


def facts_of(content: Mapping[str, Any]) -> RunFacts:
    """Return what the run of a manifest was.

    Raises:
        LookupError, TypeError, ValueError: it is not a manifest of this format.
    """
    strategies = content["strategies"]
    return RunFacts(
        run_id=content["run_id"],
        mode=content["mode"],
        version=content["versions"]["btk"],
        exchange=content["exchange"],
        source=content["source"],
        is_synthetic=content["is_synthetic"],
        frame=content["frame"]["name"],
        start_ms=content["frame"]["start"],
        end_ms=content["frame"]["end"],
        symbols=tuple(content["symbols"]),
        strategies={name: about["source_sha256"] for name, about in strategies.items()},
        notes={name: about["note"] for name, about in strategies.items()},
        settings={name: _settings(values) for name, values in content["settings"].items()},
        jobs=tuple(content.get("jobs", ())),
        coordination={name: content[name] for name in _COORDINATION if name in content},
        files={name: about["files"] for name, about in strategies.items()},
    )


def sessions_of(content: Mapping[str, Any]) -> tuple[SavedSession, ...]:
    """Return the sessions of a manifest, in the order of (symbol, strategy).

    Raises:
        LookupError, TypeError, ValueError: it is not a manifest of this format.
    """
    candles = {symbol: _candles(values) for symbol, values in content["candles"].items()}
    return tuple(
        SavedSession(
            strategy=one["strategy"],
            symbol=one["symbol"],
            trades=one["trades"],
            total_pnl_pct=one["total_pnl_pct"],
            net_quote=one["net_quote"],
            counts=one["events"],
            candles=candles.get(one["symbol"]),
            error=one["error"],
            failure=None if one["failure"] is None else Failure(one["failure"]),
        )
        for one in content["sessions"]
    )


def _sum(values: Iterable[float]) -> float | None:
    try:
        return finite(math.fsum(values))
    except (OverflowError, ValueError):  # fsum refuses what would be infinite or undefined
        return None


@lru_cache
def _kinds_of_settings() -> Mapping[str, Any]:
    return get_type_hints(Settings)


def _settings(values: Mapping[str, Any]) -> Settings:
    kinds = _kinds_of_settings()
    named = {field.name: values[field.name] for field in fields(Settings)}
    return Settings(
        **{name: kinds[name](value) if isinstance(kinds[name], type) else value for name, value in named.items()}
    )


def _candles(values: Mapping[str, Any]) -> CandleFacts:
    return CandleFacts(**{**values, "gaps": tuple((start, end) for start, end in values["gaps"])})


def versions(btk: str) -> dict[str, str]:
    """Return the versions of all that a run's numbers depend on; *btk* is our own."""
    return {"btk": btk, "python": platform.python_version(), **{name: _installed(name) for name in ("numpy", "polars")}}


@lru_cache
def _installed(name: str) -> str:
    """Return the version of a package; asked once, as it is looked for in all folders of packages."""
    return version(name)

"""A finished run as it is saved: what every report is computed from, in the run itself and long after it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any, Self, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson

from backtestkit_cli.analytics.activity import HeldMoney, held_money
from backtestkit_cli.analytics.capital import CashFlows, Fills, session_flows
from backtestkit_cli.analytics.outcome import RunFacts, RunOutcome, Timing
from backtestkit_cli.analytics.trade_columns import TradeColumns
from backtestkit_cli.domain.candle import Floats
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.errors import UnknownNameError
from backtestkit_cli.events.rows import EventRow
from backtestkit_cli.reports.saved.event_log import EventLog, EventsOf, HeldEvents
from backtestkit_cli.reports.saved.frames import account_frame, candles_frame, equity_frame, read_fills, trades_frame
from backtestkit_cli.reports.saved.manifest import SavedSession, encoded, facts_of, manifest, sessions_of

if TYPE_CHECKING:
    import polars as pl

Rows: TypeAlias = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """A run as its folder holds it: the manifest as JSON reads it back, tables, and events as rows.

    `trades`, `equity`, `account_curve` and `candles` have the columns of `frames`; `account_curve` is None without
    a portfolio. `shown_symbols` are those of a part of a run, None for all of it.
    """

    manifest: Mapping[str, Any]
    trades: "pl.DataFrame"
    equity: "pl.DataFrame"
    account_curve: "pl.DataFrame | None"
    candles: "pl.DataFrame"
    events: EventLog
    timings: tuple[Timing, ...] = ()
    shown_symbols: tuple[str, ...] | None = None

    @cached_property
    def facts(self) -> RunFacts:
        """Return what the run was."""
        return facts_of(self.manifest)

    @cached_property
    def sessions(self) -> tuple[SavedSession, ...]:
        """Return the sessions in the order of (symbol, strategy)."""
        sessions = sessions_of(self.manifest)
        shown = self.shown_symbols
        return sessions if shown is None else tuple(one for one in sessions if one.symbol in shown)

    @property
    def run_id(self) -> str:
        """Return the id of the run."""
        return str(self.manifest["run_id"])

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the events that belong to no session, by kind."""
        counts: Mapping[str, int] = self.manifest.get("events", {})
        return counts

    @property
    def account(self) -> Mapping[str, Any] | None:
        """Return how the account ended, as in `account_summary`; None without a portfolio, and for a part of a run."""
        return None if self.shown_symbols is not None else self.manifest.get("account")

    @cached_property
    def columns(self) -> TradeColumns:
        """Return the trades as columns of numbers."""
        table = self.trades
        return TradeColumns(
            **{name: table[name].to_numpy(allow_copy=True) for name in ("symbol", "strategy", "side", "reason")},
            opened_at_ms=table["opened_at"].to_numpy(),
            closed_at_ms=table["closed_at"].to_numpy(),
            invested_quote=_floats(table, "invested"),
            pnl_pct=_floats(table, "pnl_pct"),
            gross_quote=_floats(table, "gross_quote"),
            slippage_quote=_floats(table, "slippage_quote"),
            fee_quote=_floats(table, "fee_quote"),
            net_quote=_floats(table, "pnl_cost"),
            mae_pct=_floats(table, "mae_pct"),
            mfe_pct=_floats(table, "mfe_pct"),
            is_ambiguous=table["is_ambiguous"].fill_null(value=False).to_numpy(),
        )

    def require_strategy(self, name: str) -> None:
        """Check that the run has a strategy *name*.

        Raises:
            UnknownNameError: it has none.
        """
        if name not in self.facts.settings:
            raise UnknownNameError("strategy", name, self.facts.settings, where=f"run {self.run_id}")

    def trades_of(self, strategy: str | None = None, symbol: str | None = None) -> TradeColumns:
        """Return the trades of *strategy* and *symbol*, None for all, by closing time."""
        if strategy is None and symbol is None:
            return self.columns
        return self.columns.where(self.rows_of(strategy, symbol))

    def rows_of(self, strategy: str | None = None, symbol: str | None = None) -> Rows:
        """Return which rows of `trades` belong to *strategy* and *symbol*, None for all."""
        found = [
            rows
            for (of_strategy, of_symbol), rows in self._rows_by_session.items()
            if strategy in (None, of_strategy) and symbol in (None, of_symbol)
        ]
        return np.sort(np.concatenate(found)) if found else np.empty(0, np.intp)

    @cached_property
    def _rows_by_session(self) -> dict[tuple[str, str], Rows]:
        keys = list(zip(self.trades["strategy"], self.trades["symbol"], strict=True))
        ordered = sorted(range(len(keys)), key=keys.__getitem__)
        return {key: np.array(list(rows), np.intp) for key, rows in groupby(ordered, keys.__getitem__)}

    @cached_property
    def cash_flows(self) -> dict[tuple[str, str], CashFlows]:
        """Return what the trades of each session (strategy, symbol) that has some moved in cash."""
        settings = self.facts.settings
        return {session: session_flows(fills, Costs.of(settings[session[0]])) for session, fills in self._fills.items()}

    @cached_property
    def held_money(self) -> dict[tuple[str, str], HeldMoney]:
        """Return how what the positions of each session (strategy, symbol) had cost grew and shrank."""
        return {session: held_money(fills) for session, fills in self._fills.items()}

    @cached_property
    def _fills(self) -> dict[tuple[str, str], list[Fills]]:
        sides, fills = self.trades["side"].to_list(), self.trades["fills"].to_list()
        return {
            session: [read_fills(sides[row], fills[row]) for row in rows]
            for session, rows in self._rows_by_session.items()
        }

    def event_rows(self, *kinds: str, strategy: str | None = None) -> Iterator[EventRow]:
        """Yield the events of *kinds*, or all of them, of *strategy* or of all."""
        rows = self.events.rows(*kinds)
        return rows if strategy is None else (row for row in rows if row["strategy"] == strategy)

    def sessions_of(self, strategy: str | None) -> list[SavedSession]:
        """Return the sessions of *strategy*, or all of them."""
        return [session for session in self.sessions if strategy in (None, session.strategy)]

    def only(self, symbols: Collection[str]) -> Self:
        """Return the part of the run that *symbols* were; what belongs to no symbol stays.

        Raises:
            UnknownNameError: the run has no such symbol.
        """
        import polars as pl  # noqa: PLC0415 - takes 0.1 s, and only who has tables needs it

        known = dict.fromkeys(session.symbol for session in sessions_of(self.manifest))
        for symbol in symbols:
            if symbol not in known:
                raise UnknownNameError("symbol", symbol, known, where=f"run {self.run_id}")
        shown = tuple(symbol for symbol in known if symbol in symbols)
        is_shown = pl.col("symbol").is_in(shown)
        return replace(
            self,
            trades=self.trades.filter(is_shown),
            equity=self.equity.filter(is_shown),
            account_curve=None,
            candles=self.candles.filter(is_shown),
            events=EventsOf(self.events, shown),
            shown_symbols=shown,
        )


def record_of(outcome: RunOutcome, extra: Mapping[str, Any] | None = None) -> RunRecord:
    """Return *outcome* as it is saved.

    Args:
        outcome: A finished run.
        extra: What only the caller knows (command, times …), added to the manifest; it wins over
            an entry of the same name, such as `exit_code` or `seed`.
    """
    return RunRecord(
        manifest=orjson.loads(encoded(manifest(outcome) | dict(extra or {}))),
        trades=trades_frame(outcome),
        equity=equity_frame(outcome),
        account_curve=account_frame(outcome),
        candles=candles_frame(outcome.charts),
        events=HeldEvents(outcome.events),
        timings=outcome.timings,
    )


def _floats(table: "pl.DataFrame", name: str) -> Floats:
    return table[name].cast(float).to_numpy()

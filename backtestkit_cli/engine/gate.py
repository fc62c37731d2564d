"""The gate of a session: whether a signal may open, and how large; asked at the instant it would."""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

from backtestkit_cli.api.specs import RiskSpec, SizingSpec
from backtestkit_cli.domain.account import cash_effect, valuation
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.numbers import MAX_COST, MIN_COST
from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.risk import Account, Admitted, OpenPosition, RiskCheck, Rule, Stage
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.domain.sizing import SizingCheck
from backtestkit_cli.domain.so_far import SoFar
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.engine.coordination import Coordination, Held, Stop
from backtestkit_cli.engine.failures import answer_of, one_line, refusal_of
from backtestkit_cli.engine.lifecycle import SIDES, expected_price
from backtestkit_cli.policies.fills.choose import fill_model

PORTFOLIO, SIZING = "portfolio", "sizing"
"""The profiles that refusals by the account and by the sizing carry."""


class Refusal(NamedTuple):
    """Why a signal may not open: the profile and the rule that say so, and the reason."""

    stage: Stage
    profile: str
    rule: str
    reason: str
    check: RiskCheck | None = None


class Admission(NamedTuple):
    """A signal that may open, sized, and what it was judged by."""

    signal: Signal
    check: RiskCheck
    profiles: tuple[str, ...]


class SessionGate:
    """Where one session asks for leave to open, gets its size, and reports what it holds."""

    def __init__(
        self,
        run: Coordination,
        *,
        strategy: str,
        symbol: str,
        settings: Settings,
        profiles: Sequence[RiskSpec],
        sizing: SizingSpec | None,
        markets: Markets,
    ) -> None:
        """Judge the signals of *strategy* on *symbol* by *profiles*, all rules of all of them."""
        self._run = run
        self._strategy = strategy
        self._symbol = symbol
        self._settings = settings
        self._costs = Costs.of(settings)
        self._profiles = tuple(profiles)
        self._names = tuple(profile.name for profile in profiles)
        self._sizing = sizing
        self._markets = markets
        self._market = markets.market(symbol)
        self._prices: Any = fill_model(settings.fill_model).prices(self._market)

    def stop_at(self, when_ms: int) -> Stop | None:
        """Return the stop that holds for this session at *when_ms*, if any."""
        return self._run.stop_at(when_ms)

    def appears(self, signal: Signal, price: float, when_ms: int) -> Admission | Refusal:
        """Judge a valid *signal* at market *price*, sized first where it names no cost."""
        sized = self._sized(signal, price, when_ms)
        if isinstance(sized, Refusal):
            return sized
        entry = expected_price(sized, price)
        answer = self._judged(sized, entry, when_ms, Stage.APPEARS)
        if isinstance(answer, Admission):
            self._run.admitted.append(Admitted(when_ms, self._strategy, self._symbol))
        return answer

    def opens(self, signal: Signal, price: float, when_ms: int) -> Admission | Refusal:
        """Judge *signal*, which waited, again as it opens at *price*."""
        return self._judged(signal, price, when_ms, Stage.OPENS)

    def addition_problem(self, position: Position, cost: float, price: float, when_ms: int) -> str | None:
        """Return why *position* may not be enlarged by *cost*, or None: the account, or a rule of exposure."""
        stop = self._run.stop_at(when_ms)
        if stop is not None:
            return stop.reason
        account = self._run.account_at(when_ms)
        if account is None:
            return None
        signal = Signal(
            position=position.side, take_profit=position.take_profit, stop_loss=position.stop_loss, cost=cost
        )
        check = self._check(signal, price, when_ms, Stage.ADDS, account)
        for profile in self._profiles:
            for rule in profile.rules:
                reason = self._answer(rule, check) if getattr(rule, "needs_account", False) else None
                if reason is not None:
                    return f"{profile.name}: {rule.name}: {reason}"
        return self._cash_problem(cost, account)

    def holds(self, position: Position) -> None:
        """Report the position that is open now."""
        place = OpenPosition(self._strategy, self._symbol, position.side, position.cost_left, position.opened_at_ms)
        held = Held(
            place, valuation(position, self._costs), cash_effect(position, self._costs), self._market, self._prices
        )
        self._run.hold((self._symbol, self._strategy), held)

    def closed(self, trade: Trade) -> None:
        """Report that the position has become *trade*."""
        self._run.release((self._symbol, self._strategy), trade)

    def drops(self) -> None:
        """Report that the position was never filled."""
        self._run.drop((self._symbol, self._strategy))

    def abandons(self, price: float) -> None:
        """Report that the session has failed: nobody looks after its position, which counts as sold at *price*."""
        self._run.abandon((self._symbol, self._strategy), price)

    def _judged(self, signal: Signal, price: float, when_ms: int, stage: Stage) -> Admission | Refusal:
        stop = self._run.stop_at(when_ms)
        if stop is not None:
            return Refusal(stage, PORTFOLIO, stop.rule, stop.reason)
        account = self._run.account_at(when_ms)
        check = self._check(signal, price, when_ms, stage, account)
        for profile in self._profiles:
            for rule in profile.rules:
                reason = self._answer(rule, check)
                if reason is not None:
                    return Refusal(stage, profile.name, rule.name, reason, check)
        problem = None if account is None else self._cash_problem(check.cost, account)
        if problem is not None:
            return Refusal(stage, PORTFOLIO, "cash", problem, check)
        return Admission(signal, check, self._names)

    def _answer(self, rule: Rule, check: RiskCheck) -> str | None:
        reason, failure = answer_of(partial(rule.refusal, check), self._settings.max_handler_seconds, refusal_of)
        return failure or reason

    def _check(self, signal: Signal, price: float, when_ms: int, stage: Stage, account: Account | None) -> RiskCheck:
        return RiskCheck(
            strategy=self._strategy,
            symbol=self._symbol,
            side=SIDES[signal.position],
            price=price,
            cost=self._settings.position_cost if signal.cost is None else float(signal.cost),
            at_ms=when_ms,
            stage=stage,
            signal=signal,
            positions=self._run.places(),
            trades=SoFar(self._run.trades),
            admitted=SoFar(self._run.admitted),
            groups=self._run.groups,
            account=account,
        )

    def _cash_problem(self, cost: float, account: Account) -> str | None:
        needed = cost * (1 + self._costs.fee_rate)
        if needed <= account.free:
            return None
        return (
            f"an entry of {cost:g} and its fee need {needed:g}, free are {account.free:g} "
            f"(cash {account.cash:g}, reserve {account.reserve:g})"
        )

    def _sized(self, signal: Signal, price: float, when_ms: int) -> Signal | Refusal:
        """Return *signal* with a cost by the sizing, where it names none and there is one."""
        if self._sizing is None or signal.cost is not None:
            return signal
        account = self._run.account_at(when_ms)
        check = SizingCheck(
            strategy=self._strategy,
            symbol=self._symbol,
            side=SIDES[signal.position],
            price=expected_price(signal, price),
            stop_loss=float(signal.stop_loss),
            at_ms=when_ms,
            balance=account.free if account else math.nan,
            positions=self._run.places(),
            candles=lambda symbol, interval, n: self._visible(symbol, interval, n, when_ms),
        )
        ask = partial(self._sizing.sizing.size, check)
        size, failure = answer_of(ask, self._settings.max_handler_seconds, one_line)
        if failure is not None:
            return Refusal(Stage.APPEARS, SIZING, self._sizing.name, failure)
        if not MIN_COST <= size.cost <= MAX_COST:
            reason = f"a size of {size.cost:g}" + (f": {size.limited_by}" if size.limited_by else "")
            return Refusal(Stage.APPEARS, SIZING, self._sizing.name, reason)
        return replace(signal, cost=float(size.cost))

    def _visible(self, symbol: str, interval: str, n: int, when_ms: int) -> Candles:
        return self._markets.market(symbol).visible(interval, n, when_ms)

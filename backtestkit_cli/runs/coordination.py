"""What the sessions of a run share, made from its plan: risk profiles and their listeners, one account, its guard."""

from collections.abc import Callable, Iterator
from typing import Any

from backtestkit_cli.analytics.outcome import AccountOutcome
from backtestkit_cli.api.specs import RiskSpec
from backtestkit_cli.engine.coordination import Coordination
from backtestkit_cli.engine.portfolio_guard import FORESIGHT_MS, PortfolioGuard
from backtestkit_cli.engine.publishing import Publisher
from backtestkit_cli.engine.run_context import RunContext
from backtestkit_cli.events.bus import Audience, Listener
from backtestkit_cli.events.facts import SignalAdmitted, SignalRefused
from backtestkit_cli.runs.plan import RunPlan


def coordination_of(plan: RunPlan) -> Coordination | None:
    """Return what the sessions of *plan* share, None where nothing limits their entries."""
    if plan.portfolio is None and not plan.risks and not plan.sizings:
        return None
    return Coordination(plan.portfolio, plan.groups)


def guard_of(
    plan: RunPlan,
    shared: Coordination | None,
    publisher: Callable[[], Publisher],
    context_at: Callable[[int], RunContext],
    foresight_ms: int = FORESIGHT_MS,
) -> PortfolioGuard | None:
    """Return what watches the account of *plan*, None where there is none; see `PortfolioGuard`."""
    if shared is None or plan.portfolio is None:
        return None
    span_ms = (plan.start_ms, plan.end_ms)
    return PortfolioGuard(shared, plan.portfolio, publisher(), context_at, span_ms, foresight_ms)


def risk_listeners(plan: RunPlan) -> Iterator[Listener]:
    """Yield the callbacks of the profiles of *plan*: one call a decision and profile."""
    for spec in {profile.name: profile for profiles in plan.risks.values() for profile in profiles}.values():
        if spec.on_allowed is not None:
            yield Listener(SignalAdmitted, _telling_admitted(spec), Audience(), None, once=False)
        if spec.on_rejected is not None:
            yield Listener(SignalRefused, _telling_refused(spec), Audience(), None, once=False)


def _telling_admitted(spec: RiskSpec) -> Any:  # noqa: ANN401 - a handler, which may return an awaitable
    def tell(ping: SignalAdmitted) -> object:
        return spec.on_allowed(ping.check) if spec.on_allowed and spec.name in ping.profiles else None

    return _named_like(tell, spec.on_allowed)


def _telling_refused(spec: RiskSpec) -> Any:  # noqa: ANN401 - a handler, which may return an awaitable
    def tell(event: SignalRefused) -> object:
        is_theirs = spec.on_rejected and event.profile == spec.name and event.check is not None
        return spec.on_rejected(event.check, event.reason) if is_theirs else None  # type: ignore[misc, arg-type]

    return _named_like(tell, spec.on_rejected)


def _named_like(tell: Any, callback: Any) -> Any:  # noqa: ANN401 - functions of the author's, and ours for them
    """Return *tell* under the name of *callback*, which is what an error of it is reported by."""
    tell.__qualname__ = getattr(callback, "__qualname__", type(callback).__name__)
    return tell


def account_of(shared: Coordination | None, guard: PortfolioGuard | None, end_ms: int) -> AccountOutcome | None:
    """Return how the account ended, None where there was none."""
    account = None if shared is None else shared.account_at(end_ms)
    if shared is None or account is None or guard is None:
        return None
    return AccountOutcome(
        balance=account.balance,
        reserve=account.reserve,
        cash=account.cash,
        equity=account.equity,
        max_drawdown_pct=guard.deepest_pct,
        stopped=guard.stopped,
        abandoned_net=shared.abandoned_net,
    )

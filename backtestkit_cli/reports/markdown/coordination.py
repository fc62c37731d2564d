"""What a run was coordinated by, in words: risk profiles, groups, sizing, portfolio, jobs."""

from collections.abc import Iterator, Mapping
from typing import Any

from backtestkit_cli.analytics.outcome import RunFacts
from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.engine.portfolio_guard import MAX_DAILY_LOSS, MAX_DRAWDOWN
from backtestkit_cli.reports.markdown.text import escaped
from backtestkit_cli.reports.tables import Unit, number_text

_STOPS = {
    StopAction.CLOSE_ALL: "positions are closed and nothing opens",
    StopAction.BLOCK_ENTRIES: "nothing opens, what is open runs on",
}
_RULES = {MAX_DRAWDOWN: "drawdown from the highest equity", MAX_DAILY_LOSS: "loss since midnight UTC"}


def coordination_rows(facts: RunFacts, strategy: str) -> Iterator[tuple[str, str]]:
    """Yield assumptions and their values for *strategy*; nothing for what the run does not have."""
    shared = facts.coordination
    profiles = shared.get("risk", {}).get(strategy, ())
    for name in profiles:
        rules = "; ".join(_part(rule, value) for rule, value in shared["risks"][name])
        yield "Risk", f"{escaped(name)}: {rules or 'no rules'}"
    if profiles and "groups" in shared:
        groups = (f"{escaped(name)}: {_value(symbols)}" for name, symbols in shared["groups"].items())
        yield "Groups", "; ".join(groups)
    sizing = shared.get("sizings", {}).get(strategy)
    if sizing is not None:
        parts = [_part(name, value) for name, value in sizing.items() if name != "name" and value is not None]
        yield "Sizing", f"{escaped(sizing['name'])}: {', '.join(parts) or 'a function'}"
    if "portfolio" in shared:
        yield "Portfolio", _portfolio(shared["portfolio"])
    for job in facts.jobs:
        yield "Job", _job(job)


def stopped_rule(stop: Mapping[str, Any]) -> str:
    """Return in words what the account broke."""
    return _RULES.get(stop["rule"], str(stop["rule"]))


def stopped_action(stop: Mapping[str, Any]) -> str:
    """Return in words what a stop does."""
    return _STOPS[StopAction(stop["action"])]


def _portfolio(portfolio: Mapping[str, Any]) -> str:
    """Return in words what all sessions draw on and when it stops."""
    money = {name: number_text(portfolio[name], Unit.MONEY) for name in ("balance", "reserve")}
    parts = [f"one account of {money['balance']} quote money, of which {money['reserve']} is never spent on entries"]
    limits = (
        ("max_drawdown_pct", "on_drawdown", MAX_DRAWDOWN),
        ("max_daily_loss_pct", "on_daily_loss", MAX_DAILY_LOSS),
    )
    for limit, action, rule in limits:
        if portfolio[limit] is not None:
            until = "for good" if rule == MAX_DRAWDOWN else "until the next midnight"
            parts.append(f"at {portfolio[limit]:g} % {_RULES[rule]}, {_STOPS[StopAction(portfolio[action])]}, {until}")
    return "; ".join(parts)


def _job(job: Mapping[str, Any]) -> str:
    when = f"every {job['every']}" if job["every"] else f"cron `{job['cron']}`, UTC"
    whom = f"for each of {_value(job['symbols'])}" if job["symbols"] else "for the whole run"
    return f"{escaped(job['name'])}: {when}, {whom}"


def _part(name: str, value: object) -> str:
    return f"{escaped(name)} {_value(value)}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({', '.join(_part(name, one) for name, one in value.items() if one is not None)})"
    if isinstance(value, list | tuple):
        return escaped(", ".join(map(str, value)))
    return f"{value:g}" if isinstance(value, float) else escaped(value)

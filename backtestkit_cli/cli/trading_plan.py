"""What a live run is about to do, shown before it begins."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from backtestkit_cli.cli import console
from backtestkit_cli.domain.trading import ExitsAt, OnStop

if TYPE_CHECKING:
    from backtestkit_cli.domain.venue import Balance
    from backtestkit_cli.runs.trading.plan import TradingPlan
    from backtestkit_cli.runs.trading.preview import Preview

_EXITS = {
    ExitsAt.VENUE: "stop and target rest at the venue, and the engine watches them too",
    ExitsAt.ENGINE: "watched by the engine alone, nothing rests at the venue",
}
_ON_STOP = {
    OnStop.KEEP: "positions and orders stay, and the next start takes them up again",
    OnStop.CLOSE: "all positions are closed at the market",
}
_SHOWN_BALANCES = 8


def show_plan(plan: "TradingPlan", seen: "Preview", cautions: Sequence[str]) -> None:
    """Print on stderr what *plan* will do, and what was *seen* of the account and of saved state."""
    console.say(f"btk live: real orders on {plan.run.exchange}")
    for title, text in (*_facts(plan), *_balances(seen.balances), *_state(seen)):
        console.say(f"  {title:<11} {console.one_line(text)}".rstrip())
    for text in (*cautions, *seen.problems):
        console.note(text)


def _facts(plan: "TradingPlan") -> Iterator[tuple[str, str]]:
    from backtestkit_cli.runs.trading.venue import key_variables

    run, options = plan.run, plan.options
    yield "account", f"the keys in {' and '.join(key_variables(run.exchange))}"
    yield "symbols", ", ".join(run.symbols)
    for spec in run.strategies:
        settings = run.settings[spec.name]
        yield "strategy", f"{spec.name}, every {spec.interval}, {console.short_path(spec.where)}"
        entries = f"entries of {settings.position_cost:g} where a signal does not say"
        yield "", f"fill model {settings.fill_model.value}, fee {settings.fee_pct:g} %, {entries}"
    yield "exits", _EXITS[options.exits]
    yield "on stop", _ON_STOP[options.on_stop]
    yield "lateness", f"a tick more than {options.max_lateness_seconds:g} s late opens nothing"
    if run.portfolio is not None:
        yield "portfolio", f"balance {run.portfolio.balance:,.2f}, reserve {run.portfolio.reserve:,.2f}"
    yield "alerts", " and ".join(plan.alerts.places if plan.alerts else ()) or "nobody is told"


def _balances(balances: "Mapping[str, Balance] | None") -> Iterator[tuple[str, str]]:
    if balances is None:
        yield "balance", "the venue did not tell"
        return
    largest = sorted(balances.items(), key=lambda item: (-item[1].total, item[0]))[:_SHOWN_BALANCES]
    told = [
        f"{asset} {one.free:,.8g} free{f', {one.locked:,.8g} in orders' if one.locked else ''}"
        for asset, one in largest
    ]
    more = len(balances) - len(told)
    yield "balance", "; ".join([*told, *([f"and {more} more assets"] if more else [])]) or "nothing"


def _state(seen: "Preview") -> Iterator[tuple[str, str]]:
    from backtestkit_cli.cli.trading_view import state_text
    from backtestkit_cli.engine.memory import SessionMemory

    yield "state", f"{seen.store}: {'takes up again:' if seen.held else 'nothing to take up again'}"
    for session in seen.held:
        memory = session.memory or SessionMemory(blocked=session.problem)
        blocked = f", blocked: {memory.blocked}" if memory.blocked else ""
        yield "", f"{session.symbol}, {session.strategy}: {state_text(memory.state)}{blocked}"

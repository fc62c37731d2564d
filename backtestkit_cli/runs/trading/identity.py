"""Which run a process goes on with: the one that is kept, unless something else is to trade now."""

from typing import NamedTuple

import orjson

from backtestkit_cli.analytics.outcome import RunFacts
from backtestkit_cli.engine.memory import RunMemory, SharedJournal
from backtestkit_cli.runs.plan import RunPlan

_STRATEGIES, _SOURCE, _BALANCE = "strategies", "source", "balance"


class Identity(NamedTuple):
    """The id of a run and when it first began; `note` is a line about it, if there is something to say.

    `deposit` is by how much the balance of the portfolio was raised since the process before, in quote money.
    """

    run_id: str
    started_at_ms: int
    note: str
    deposit: float = 0.0


async def identified(journal: SharedJournal, run: RunPlan, facts: RunFacts) -> Identity:
    """Return which run *facts* go on with, and keep that.

    It is another one where the code of the strategies or the market is another: no report mixes two of them. State,
    account and stops are those of the exchange and go on all the same.

    Raises:
        StoreError: what is kept cannot be read.
    """
    kept = await journal.recall(RunMemory)
    now = {
        _STRATEGIES: _text(facts.strategies),
        _SOURCE: _text(facts.source),
        _BALANCE: "" if run.portfolio is None else repr(run.portfolio.balance),
    }
    other = [] if kept is None else [name for name in (_STRATEGIES, _SOURCE) if kept.facts.get(name) != now[name]]
    if kept is None:
        found = Identity(facts.run_id, facts.start_ms, "")
    elif other:
        note = f"a new run: {' and '.join(other)} differ from those of run {kept.run_id}"
        found = Identity(facts.run_id, facts.start_ms, note)
    else:
        found = Identity(kept.run_id, kept.started_at_ms, f"run {kept.run_id} goes on")
    before = "" if kept is None else kept.facts.get(_BALANCE, "")
    if before and now[_BALANCE]:
        found = found._replace(deposit=float(now[_BALANCE]) - float(before))
    await journal.save(RunMemory(run_id=found.run_id, started_at_ms=found.started_at_ms, facts=now))
    return found


def _text(values: object) -> str:
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS, default=str).decode()

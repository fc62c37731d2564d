"""What the sessions of a run share is found again as it was saved, each kind under one key."""

from dataclasses import replace
from typing import Any

import pytest

from backtestkit_cli.domain.portfolio import StopAction
from backtestkit_cli.domain.risk import Admitted
from backtestkit_cli.engine.coordination import Stop
from backtestkit_cli.engine.memory import JobDone, JobsMemory, PortfolioMemory, RiskMemory, RunMemory, SharedJournal
from backtestkit_cli.errors import CorruptRecordError, ForeignRecordError
from backtestkit_cli.events.facts import PortfolioStopped
from backtestkit_cli.persistence.memory_store import MemoryStore
from backtestkit_cli.persistence.run_journal import RunJournal

STOP = Stop("max_drawdown", StopAction.CLOSE_ALL, "too much was lost", None)
PORTFOLIO = PortfolioMemory(
    peak_equity=10_500.1,
    day_base=10_400.2,
    day_ms=1_746_316_800_000,
    stop=STOP,
    stopped=PortfolioStopped(60_000, "", "", "max_drawdown", StopAction.CLOSE_ALL, 9_000.3, 9_450.09, None),
    is_told=False,
    abandoned_net=-0.1,
)
RISK = RiskMemory(admitted=(Admitted(1, "sma", "BTCUSDT"), Admitted(2, "sma", "ETHUSDT")))
JOBS = JobsMemory(done=(JobDone("rebalance", "", 60_000), JobDone("scan", "BTCUSDT", 120_000)))
RUN = RunMemory(run_id="sma-1", started_at_ms=5, facts={"source": "ab" * 32, "note": "\ud800…"})


@pytest.mark.parametrize(
    ("memory", "kind"),
    [(PORTFOLIO, "portfolio"), (RISK, "risk"), (JOBS, "job"), (RUN, "run"), (RiskMemory(), "risk")],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a93_a129_each_kind_is_one_record_and_comes_back_to_the_last_bit(memory: Any, kind: str) -> None:
    store = MemoryStore()
    journal: SharedJournal = RunJournal(store, "live", "demo")
    assert await journal.recall(type(memory)) is None
    await journal.save(memory)
    assert repr(await RunJournal(store, "live", "demo").recall(type(memory))) == repr(memory)
    assert await store.keys(()) == [("live", "demo", kind)]
    assert await RunJournal(store, "paper", "demo").recall(type(memory)) is None


async def test_what_is_saved_last_counts_and_the_kinds_do_not_meet() -> None:
    journal = RunJournal(MemoryStore(), "live", "demo")
    await journal.save(PORTFOLIO)
    await journal.save(RISK)
    await journal.save(replace(PORTFOLIO, peak_equity=11_000.0))
    await journal.save(JOBS)
    found = await journal.recall(PortfolioMemory)
    assert found is not None
    assert found.peak_equity == 11_000.0
    assert await journal.recall(RiskMemory) == RISK
    assert await journal.recall(RunMemory) is None


@pytest.mark.parametrize(
    ("change", "complaint"), [({"exchange": "x"}, "expected 'demo', found 'x'"), ({"version": 9}, "found 9")]
)
async def test_a100_a110_a_record_of_another_exchange_or_version_is_refused_and_stays(
    change: dict[str, Any], complaint: str
) -> None:
    store = MemoryStore()
    journal = RunJournal(store, "live", "demo")
    await journal.save(RISK)
    await store.write(("live", "demo", "risk"), await store.read(("live", "demo", "risk")) | change)
    with pytest.raises(ForeignRecordError, match=complaint):
        await journal.recall(RiskMemory)
    assert await store.has(("live", "demo", "risk"))


async def test_a121_a_damaged_record_is_told_of_once_and_kept_aside() -> None:
    store = MemoryStore()
    journal = RunJournal(store, "live", "demo")
    await journal.save(JOBS)
    store.contents["live", "demo", "job"] = b""
    with pytest.raises(CorruptRecordError, match="the record is empty; it was moved to"):
        await journal.recall(JobsMemory)
    assert await journal.recall(JobsMemory) is None

"""What a run is, as values that identify it."""

import hashlib
import json
from dataclasses import asdict
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from backtestkit_cli.analytics.outcome import RunFacts
from backtestkit_cli.runs.jobs import job_facts
from backtestkit_cli.runs.plan import RunPlan


def facts_of(plan: RunPlan) -> RunFacts:
    """Return what *plan* is; its run id is a hash of all that decides the result but the candles themselves."""
    package_version = installed_version()
    files = {name: dict(hashes) for name, hashes in plan.source_files.items()}
    decisive: dict[str, Any] = {
        "version": package_version,
        "mode": plan.mode,
        "exchange": plan.exchange,
        "source": dict(plan.source_facts),
        "span": [plan.start_ms, plan.end_ms],
        "symbols": sorted(plan.symbols),
        "strategies": dict(plan.source_hashes),
        "files": files,
        "settings": {name: asdict(settings) for name, settings in plan.settings.items()},
        **plan.coordination_facts,
    }
    jobs = tuple(map(job_facts, plan.jobs))
    if jobs:
        decisive["jobs"] = jobs
    text = json.dumps(decisive, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    label = "-".join(spec.name for spec in plan.strategies[:3])
    safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in label)[:60]
    return RunFacts(
        run_id=plan.run_id or f"{safe}-{digest}",
        mode=plan.mode,
        version=package_version,
        exchange=plan.exchange,
        source=dict(plan.source_facts),
        is_synthetic=plan.source.is_synthetic,
        frame=plan.frame,
        start_ms=plan.start_ms,
        end_ms=plan.end_ms,
        symbols=tuple(sorted(plan.symbols)),
        strategies=dict(plan.source_hashes),
        files=files,
        notes={spec.name: spec.note for spec in plan.strategies},
        settings=dict(plan.settings),
        jobs=jobs,
        coordination=dict(plan.coordination_facts),
    )


@lru_cache
def installed_version() -> str:
    """Return the version of the installed package."""
    try:
        return version("backtestkit-cli")
    except PackageNotFoundError:
        return "0+unknown"

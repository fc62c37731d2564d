"""The short form of `make soak`: an hour, after which nothing has piled up."""

from pathlib import Path

from tests.soak.soak import problems_of, soak, table


def test_an_hour_leaves_no_task_no_drift_and_no_growing_file(tmp_path: Path) -> None:
    soaked = soak(tmp_path, 60, 10)
    found = [problem for problem in problems_of(soaked) if "memory" not in problem]  # the first report brings libraries
    assert not [problem for problem in found if "state" not in problem], table(soaked)
    quiet = [one for one in soaked.samples if one.events == soaked.samples[0].events]
    assert len({one.state_kb for one in quiet}) == 1, "without events no file grows"
    assert quiet[-1].objects - quiet[0].objects < 500
    assert len({one.tasks for one in soaked.samples}) <= 2

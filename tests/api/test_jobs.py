"""What `add_job` takes, and what it says of anything else."""

from typing import Any

import pytest

import backtestkit_cli as btk
from backtestkit_cli.errors import ConfigError
from tests.markets import registered


def handler(_call: btk.JobCall) -> None:
    pass


def the_problem(**job: Any) -> str:
    parts = {"name": "news", "handler": handler, **job}
    with pytest.raises(ConfigError) as caught:
        registered(lambda: btk.add_job(**parts))
    (problem,) = caught.value.problems
    assert problem.startswith(f"{__file__}:"), "the line that registers"
    return problem.partition(": ")[2]


def test_a_job_is_registered_as_it_was_described() -> None:
    job = registered(
        lambda: btk.add_job("news", every="1h", symbols=["B", "A", "B"], handler=handler, note="feeds")
    ).jobs["news"]
    assert (job.name, job.every, job.cron, job.symbols, job.note) == ("news", "1h", None, ("A", "B"), "feeds")
    assert job.handler is handler
    assert job.where.startswith(f"{__file__}:")


@pytest.mark.parametrize("parts", [{}, {"every": "1h", "cron": "0 * * * *"}])
def test_a_job_has_either_an_interval_or_cron(parts: dict[str, str]) -> None:
    assert the_problem(**parts) == "job 'news' needs either every or cron, and not both"


@pytest.mark.parametrize("every", ["7m", "1w", "", "hourly", "0m", "1M"])
def test_an_interval_that_does_not_divide_a_day_is_refused(every: str) -> None:
    assert the_problem(every=every).startswith(f"unknown interval {every!r}")


@pytest.mark.parametrize(
    "cron",
    [
        "",
        "* * * *",
        "* * * * * *",
        "@daily",
        "61 * * * *",
        "* 24 * * *",
        "0 0 30 2 *",
        "a b c d e",
        "9" * 5000 + " * * * *",
    ],
)
def test_cron_that_has_not_five_good_fields_is_refused(cron: str) -> None:
    problem = the_problem(cron=cron)
    assert problem.startswith("job 'news': expected ")
    assert f"found {cron!r}" in problem


@pytest.mark.parametrize("parts", [{"every": 60}, {"cron": 5}, {"every": ["1h"]}])
def test_a_schedule_that_is_no_text_is_refused(parts: dict[str, Any]) -> None:
    assert the_problem(**parts).startswith("job 'news': expected an interval or a cron expression as text, found ")


@pytest.mark.parametrize("symbols", ["BTCUSDT", [], [""], ["BTCUSDT", None], 5, "run"])
def test_symbols_are_a_list_or_all(symbols: Any) -> None:
    problem = the_problem(every="1h", symbols=symbols)
    assert problem == f"job 'news': expected symbols to be a list of them or 'all', found {symbols!r}"


@pytest.mark.parametrize("bad", [None, "print", lambda: None, lambda symbol, when: None])
def test_a_handler_takes_one_argument(bad: Any) -> None:
    assert the_problem(every="1h", handler=bad).startswith("job 'news': expected a handler that takes one argument")


def test_a_name_is_given_once() -> None:
    def twice() -> None:
        for _ in range(2):
            btk.add_job("news", every="1h", handler=handler)

    with pytest.raises(ConfigError, match=r"job 'news' is registered twice, first at .*test_jobs\.py:\d+"):
        registered(twice)
    assert the_problem(name="", every="1h") == "a job needs a name, was ''"

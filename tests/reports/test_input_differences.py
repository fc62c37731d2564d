"""Where the manifests of two runs say that they were computed from different things."""

from typing import Any

from backtestkit_cli.reports.comparison.input_differences import InputDifference, input_differences
from tests.builders import START_MS, a_record, a_session


def a_manifest(**others: Any) -> dict[str, Any]:
    return {**a_record(a_session(), a_session(symbol="ETHUSDT")).manifest, **others}


def test_what_a_run_came_to_is_no_input() -> None:
    other = a_manifest(
        run_id="other", exit_code=4, started_at="2025", command="btk backtest", sessions=[], events={"job_ran": 3}
    )
    assert input_differences(a_manifest(), other) == ()


def test_things_with_names_are_held_against_the_one_of_that_name() -> None:
    weekly = {"name": "weekly", "every": "1w", "cron": None, "symbols": None}
    hourly = {"name": "hourly", "every": "1h", "cron": None, "symbols": ["BTCUSDT", "ETHUSDT"]}
    changed = hourly | {"symbols": ["BTCUSDT"]}
    found = input_differences(a_manifest(jobs=[weekly, hourly]), a_manifest(jobs=[changed]))
    assert [(one.name, one.a, one.b) for one in found] == [
        ("jobs.hourly.symbols", "BTCUSDT, ETHUSDT", "BTCUSDT"),
        ("jobs.weekly.every", "1w", None),
        ("jobs.weekly.name", "weekly", None),
    ]


def test_a_rule_that_is_there_twice_and_things_without_names_are_told_apart_by_their_number() -> None:
    once, twice = [["max_open", 3]], [["max_open", 3], ["max_open", 2], [1, 2, 3]]
    found = input_differences(a_manifest(risks={"own": once}), a_manifest(risks={"own": twice}))
    assert found == (
        InputDifference("risks.own.3", None, "1, 2, 3"),
        InputDifference("risks.own.max_open (2)", None, 2),
    )


def test_frame_candles_and_versions_are_named_the_fingerprints_last() -> None:
    a = a_manifest()
    frame = {"name": "one-day", "start": START_MS, "end": START_MS + 86_400_000}
    candles = {"BTCUSDT": a["candles"]["BTCUSDT"] | {"fingerprint": "another"}}
    found = input_differences(a, a_manifest(frame=frame, candles=candles, versions={**a["versions"], "numpy": "0"}))
    assert [one.name for one in found] == [
        *("frame.name", "frame.to", "candles.BTCUSDT", "candles.ETHUSDT", "versions.numpy"),
    ]
    assert found[1][1:] == ("2025-05-06 00:00", "2025-05-05 00:00")
    assert found[3][1:] == ("of-ETHUSDT", None)


def test_candles_of_stretches_of_another_length_are_told_apart_by_their_minutes() -> None:
    a = a_manifest()
    longer = {"minutes": 10_000, "fingerprint": "of-more"}
    candles = {**a["candles"], "BTCUSDT": a["candles"]["BTCUSDT"] | longer}
    minutes = a["candles"]["BTCUSDT"]["minutes"]
    assert input_differences(a, a_manifest(candles=candles)) == (
        InputDifference("candles.BTCUSDT", f"{minutes:,} minutes", "10,000 minutes"),
    )

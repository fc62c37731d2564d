"""What `btk list` and `btk check config` show."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import backtestkit_cli
from tests.cli.program import DAY, TINY, a_strategy, called, started

CONFIG = """
entry: tiny.py
symbols: [A, B]
frame: may
frames:
  may: {from: 2025-05-01, to: 2025-06-01}
exchanges:
  mine: {kind: csv, path: candles}
settings:
  fee_pct: 0.04
"""
OWN = """
from backtestkit_cli import add_exchange, add_frame
add_exchange("theirs", kind="demo", seed=3, note="another world")
add_frame("june", start="2025-06-01", end="2025-07-01", note="a month")
"""


@pytest.fixture
def configured(folder: Path) -> Path:
    (folder / "run.yaml").write_text(CONFIG.lstrip())
    a_strategy(folder, TINY.replace(", note=", ", settings={'slippage_pct': 0.2, 'fee_pct': 0.3}, note=") + OWN)
    return folder


def _listed(*arguments: str) -> dict[str, list[dict[str, Any]]]:
    ended = called("list", *arguments, "--json")
    assert ended.code == 0, ended.err
    found: dict[str, list[dict[str, Any]]] = json.loads(ended.out)
    return found


@pytest.mark.usefixtures("configured")
def test_list_has_what_the_config_and_the_strategy_file_offer_and_says_where_it_is() -> None:
    found = _listed("-c", "run.yaml")
    kinds = ["strategies", "exchanges", "frames", "risks", "sizings", "jobs", "events", "fill-models", "settings"]
    assert list(found) == kinds
    assert found["strategies"] == [{"name": "tiny", "interval": "1h", "note": "long every hour", "where": "tiny.py:7"}]
    assert [(row["name"], row["kind"], row["where"]) for row in found["exchanges"]] == [
        ("demo", "demo", "built in"),
        ("theirs", "demo", "tiny.py:10"),
        ("mine", "csv", "run.yaml:7"),
    ]
    assert [(row["name"], row["from"], row["where"]) for row in found["frames"]] == [
        ("june", "2025-06-01 00:00", "tiny.py:11"),
        ("may", "2025-05-01 00:00", "run.yaml:5"),
    ]
    assert [row["name"] for row in found["fill-models"]] == ["vwap", "candle"]
    assert {"name": "fee_pct", "default": "0.1", "expected": "a number from 0 to 50"} in found["settings"]


@pytest.mark.usefixtures("configured")
@pytest.mark.parametrize("kind", ["strategies", "exchanges", "frames", "events", "fill-models", "settings"])
def test_list_shows_one_kind_alone(kind: str) -> None:
    assert list(_listed(kind, "-c", "run.yaml")) == [kind]
    assert called("list", kind, "-c", "run.yaml").out.count("\n\n") <= 1


def test_list_shows_a_class_by_its_name_and_the_exchange_that_a_config_spells_out(folder: Path) -> None:
    (folder / "run.yaml").write_text(
        "exchange: {kind: ccxt, id: kraken, name: mine, url: 'http://me:secret@127.0.0.1'}\n"
    )
    own = """
from backtestkit_cli import add_exchange
class Theirs:
    def get_candles(self, symbol, interval, since, limit): return []
    def format_price(self, symbol, price): return ""
    def format_quantity(self, symbol, quantity): return ""
add_exchange("theirs", source=Theirs, cache=True)
"""
    a_strategy(folder, TINY + own)
    shown = {
        row["name"]: row["options"] for row in _listed("exchanges", "-c", "run.yaml", "-e", "tiny.py")["exchanges"]
    }
    assert shown["theirs"] == "source Theirs, cache True"
    assert shown["mine"] == "id kraken, url http://me:***@127.0.0.1"


def test_list_and_check_show_the_sizings_of_config_and_strategy_file(folder: Path) -> None:
    (folder / "run.yaml").write_text(
        "sizing: calm\nsizings:\n  calm: {method: fixed_pct, risk_pct: 1, balance: 500, correlation: {factor: 0.4}}\n"
    )
    own = """
from backtestkit_cli import Kelly, add_sizing
add_sizing("bold", Kelly(win_rate=0.5, reward_ratio=2), note="a quarter")
add_sizing("mine", lambda check: 50)
"""
    a_strategy(folder, TINY + own)
    rows = _listed("sizings", "-c", "run.yaml", "-e", "tiny.py")["sizings"]
    correlation = "correlation.threshold 0.8, correlation.factor 0.4, correlation.interval 1h, correlation.candles 48"
    assert [tuple(row.values()) for row in rows] == [
        ("bold", "kelly", "win_rate 0.5, reward_ratio 2, kelly_multiplier 0.25", "a quarter", "tiny.py:10"),
        ("mine", "its own", "", "", "tiny.py:11"),
        ("calm", "fixed_pct", f"balance 500.0, {correlation}, risk_pct 1.0", "", "run.yaml:3"),
    ]
    values = _values("-c", "run.yaml", "-e", "tiny.py", "-s", "A", *DAY)
    assert values["sizing"] == ("calm", "run.yaml:1")
    assert values["sizings.calm.risk_pct"] == ("1.0", "run.yaml:3")
    refused = called("check", "config", "-c", "run.yaml", "-e", "tiny.py", "-s", "A", *DAY, "--set", "sizing=clam")
    assert refused.code == 2
    assert refused.errors == ["error: flag --set: unknown sizing 'clam'; did you mean 'calm'?"]


REGISTERED = """
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.api.specs import JobSpec, RiskSpec, SizingSpec
class Few:
    name = "max open"
    def refusal(self, check): return None
class Half:
    def size(self, check): return None
def news(when): pass
where = "tiny.py:1"
here = registry()
here.risks["calm"] = RiskSpec(name="calm", rules=(Few(),), on_allowed=None, on_rejected=None, note="few", where=where)
here.sizings["half"] = SizingSpec(name="half", sizing=Half(), note="of all", where=where)
here.jobs["news"] = JobSpec(
    name="news", every="1h", cron=None, symbols=("A", "B"), handler=news, note="hourly", where=where
)
"""


def test_list_has_risks_sizings_and_jobs_with_their_notes(folder: Path) -> None:
    a_strategy(folder, TINY + REGISTERED)
    found = _listed("-e", "tiny.py")
    where = "tiny.py:1"
    assert found["risks"] == [{"name": "calm", "rules": ["max open"], "note": "few", "where": where}]
    half = {"name": "half", "method": "its own", "options": "", "note": "of all", "where": where}
    assert found["sizings"] == [half]
    job = {"name": "news", "when": "every 1h", "symbols": ["A", "B"], "handler": "news", "note": "hourly"}
    assert found["jobs"] == [{**job, "where": where}]
    text = called("list", "-e", "tiny.py").out
    assert [note for note in ("few", "of all", "hourly", "long every hour") if note not in text] == []


@pytest.mark.usefixtures("folder")
def test_list_has_every_event_with_its_fields_and_whether_it_is_recorded() -> None:
    rows = {row["name"]: row for row in _listed("events")["events"]}
    exported = set(backtestkit_cli.__all__)
    assert (
        {"PositionOpened", "SignalCancelled", "ErrorOccurred", "TickPassed", "SessionIdle"} <= rows.keys() <= exported
    )
    head = {"at_ms": "int", "strategy": "str", "symbol": "str"}
    assert rows["SignalCancelled"]["fields"] == {**head, "signal_id": "str", "reason": "CancelReason"}
    assert rows["CommandRefused"]["fields"]["argument"] == "float | str | None"
    assert rows["SignalCancelled"]["kind"] == "recorded"
    assert rows["PositionActive"]["kind"] == "ping"
    for name, row in rows.items():
        kind = getattr(backtestkit_cli, name)
        own = getattr(kind, "_fields", None) or [field.name for field in dataclasses.fields(kind)]
        assert list(row["fields"]) == list(own)
        assert row["note"]


@pytest.mark.usefixtures("folder")
def test_an_unknown_kind_names_the_nearest() -> None:
    ended = called("list", "event")
    assert (ended.code, ended.errors) == (2, ["error: btk list: unknown kind 'event'; did you mean 'events'?"])


@pytest.mark.usefixtures("folder")
def test_list_without_a_strategy_file_says_so() -> None:
    ended = called("list")
    assert ended.code == 0
    assert "Strategies: none" in ended.out
    assert "--entry" in ended.err


@pytest.mark.usefixtures("folder")
def test_list_keeps_what_a_strategy_file_prints_away_from_the_data(folder: Path) -> None:
    a_strategy(folder, "print('loud')\n" + TINY)
    ended = started("list", "-e", "tiny.py", "--json", folder=folder)
    assert json.loads(ended.out)["strategies"][0]["name"] == "tiny"
    assert "loud" in ended.err


def _values(*arguments: str) -> dict[str, tuple[str, str]]:
    ended = called("check", "config", *arguments, "--json")
    assert ended.code == 0, ended.err
    return {row["key"]: (row["value"], row["origin"]) for row in json.loads(ended.out)["values"]}


@pytest.mark.usefixtures("configured")
def test_check_config_names_the_origin_of_every_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC_POSITION_COST", "50")
    values = _values("-c", "run.yaml", "-s", "Z", "--set", "gaps=error")
    assert values["symbols"] == ("Z", "flag --symbols")
    assert values["settings.gaps"] == ("error", "flag --set")
    assert values["settings.position_cost"] == ("50.0", "environment CC_POSITION_COST")
    assert values["settings.fee_pct"] == ("0.04", "run.yaml:9")
    assert values["settings.slippage_pct"] == ("0.2", "strategy tiny (tiny.py:7)")
    assert values["settings.averaging"] == ("below_lowest", "default")


@pytest.mark.usefixtures("folder")
def test_check_config_works_without_an_entry_and_says_that_it_is_missing() -> None:
    ended = called("check", "config", "-s", "A", *DAY)
    assert ended.code == 0
    assert "frame.from" in ended.out
    assert "note: entry is not set" in ended.err


@pytest.mark.usefixtures("folder")
def test_check_config_reports_all_mistakes() -> None:
    ended = called("check", "config", "-s", "A,A", "--fill-model", "x", "--set", "fee_pct=-1")
    assert ended.code == 2
    assert len(ended.errors) == 3
    assert ended.out == ""
    document = json.loads(called("check", "config", "-s", "A,A", "--json").out)
    assert (document["ok"], len(document["errors"])) == (False, 1)


@pytest.mark.usefixtures("configured")
def test_check_config_finds_names_that_nothing_bears() -> None:
    ended = called("check", "config", "-c", "run.yaml", "--exchange", "theris")
    assert ended.code == 2
    assert "'theirs'" in ended.errors[0]
    assert "flag --exchange" in ended.out


@pytest.mark.parametrize("arguments", [(), ("check",)])
def test_no_command_is_wrong_input_and_shows_the_help(folder: Path, arguments: tuple[str, ...]) -> None:
    ended = called(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Commands:" in ended.err


@pytest.mark.parametrize(
    "arguments", [("--help",), ("-h",), ("backtest", "--help"), ("check", "config", "-h"), ("--version",)]
)
def test_help_and_version_are_data(arguments: tuple[str, ...]) -> None:
    ended = called(*arguments)
    assert (ended.code, ended.err) == (0, "")
    assert ended.out

"""`set_config`: settings said in a strategy module, below all others but the defaults."""

import json
from pathlib import Path

import pytest

from backtestkit_cli.cli import options
from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.runs.sources import access_of
from backtestkit_cli.runs.warming import warming
from tests.cli.program import DAY, RUN, TINY, Ended, a_strategy, called

WAITS = """
from backtestkit_cli import Signal, SignalCancelled, add_strategy, listen, set_config
{settings}
def get_signal(symbol, when, price):
    if when.hour == 0:
        return Signal(position="long", price_open=price * 0.9, take_profit=price, stop_loss=price * 0.85, minutes=9)

listen(SignalCancelled, lambda event: print("cancelled", event.when.strftime("%H:%M"), event.reason.value))
add_strategy("tiny", interval="1d", get_signal=get_signal)
"""
AVERAGES = """
from backtestkit_cli import add_strategy, get_average_price, get_candles, set_config
set_config(avg_price_candles=10)
def get_signal(symbol, when, price):
    c = get_candles(symbol, "1m", 10)
    vwap = ((c.high + c.low + c.close) / 3 * c.volume).sum() / c.volume.sum()
    assert abs(get_average_price(symbol) / vwap - 1) < 1e-12 and abs(price / vwap - 1) < 1e-12
    print("compared")

add_strategy("tiny", interval="1d", get_signal=get_signal)
"""


def with_config(settings: str, text: str = TINY) -> str:
    return f"from backtestkit_cli import set_config\n{settings}\n{text}"


def settings_of(ended: Ended) -> dict[str, object]:
    assert ended.code == 0, ended.err
    settings: dict[str, object] = json.loads(ended.out)["settings"]["tiny"]
    return settings


def origins(*arguments: str) -> dict[str, tuple[str, str]]:
    ended = called("check", "config", *arguments, "--json")
    assert ended.code == 0, ended.err
    return {row["key"]: (row["value"], row["origin"]) for row in json.loads(ended.out)["values"]}


def test_one_key_is_changed_and_the_others_keep_their_defaults_also_over_several_calls(folder: Path) -> None:
    plain = settings_of(called(*RUN, "--json"))
    a_strategy(folder, with_config("set_config(fee_pct=0.07)\nset_config({'fee_pct': 0.06})\nset_config(gaps='skip')"))
    assert settings_of(called(*RUN, "--json")) == plain | {"fee_pct": 0.06, "gaps": "skip"}


def test_each_higher_source_hides_the_one_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_strategy(folder, with_config("set_config(fee_pct=0.01)"))
    assert origins(*RUN[1:])["settings.fee_pct"] == ("0.01", "set_config (tiny.py:2)")
    asking = TINY.replace("note=", "settings={'fee_pct': 0.02}, note=")
    a_strategy(folder, with_config("set_config(fee_pct=0.01)", asking))
    assert origins(*RUN[1:])["settings.fee_pct"] == ("0.02", "strategy tiny (tiny.py:9)")
    (folder / "run.yaml").write_text("settings: {fee_pct: 0.03}\n")
    config = ("-c", "run.yaml")
    assert origins(*RUN[1:], *config)["settings.fee_pct"] == ("0.03", "run.yaml:1")
    (folder / ".env").write_text("CC_FEE_PCT=0.04\n")
    assert origins(*RUN[1:], *config)["settings.fee_pct"] == ("0.04", ".env:1")
    monkeypatch.setenv("CC_FEE_PCT", "0.05")
    assert origins(*RUN[1:], *config)["settings.fee_pct"] == ("0.05", "environment CC_FEE_PCT")
    assert origins(*RUN[1:], *config, "--set", "fee_pct=0.06")["settings.fee_pct"] == ("0.06", "flag --set")
    assert settings_of(called(*RUN, *config, "--set", "fee_pct=0.06", "--json"))["fee_pct"] == 0.06


def test_a_flag_goes_before_set_config_and_its_origin_is_shown_without_a_frame_too(folder: Path) -> None:
    a_strategy(folder, with_config("set_config(fill_model='candle', max_minutes=None)"))
    shown = origins("-e", "tiny.py", "-s", "A")
    assert shown["settings.fill_model"] == ("candle", "set_config (tiny.py:2)")
    assert shown["settings.max_minutes"] == ("none", "set_config (tiny.py:2)")
    assert shown["settings.gaps"] == ("fill", "default")
    assert origins("-e", "tiny.py", "--fill-model", "vwap")["settings.fill_model"] == ("vwap", "flag --fill-model")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ("set_config(fee_pc=1)", "tiny.py:2: unknown setting 'fee_pc'; did you mean 'fee_pct'?"),
        ("set_config({1: 1})", "tiny.py:2: unknown setting '1'; known: "),
        ("set_config([1])", "tiny.py:2: set_config expects a mapping of settings, found list"),
        ("set_config(fee_pct='x')", "tiny.py:2: settings.fee_pct: expected a number from 0 to 50, found 'x'"),
        ("set_config(gaps='skp')", "tiny.py:2: settings.gaps: expected error, fill or skip, found 'skp'; did you mean"),
        ("set_config(max_minutes=2**70)", "tiny.py:2: settings.max_minutes: expected a whole number from 1 to "),
    ],
)
def test_an_unknown_name_and_a_wrong_value_are_errors_of_their_line(
    folder: Path, settings: str, complaint: str
) -> None:
    a_strategy(folder, with_config(settings))
    for command in (RUN, ("check", "config", *RUN[1:]), ("check", "config", "-e", "tiny.py")):
        ended = called(*command)
        assert ended.code == 2
        assert [line for line in ended.errors if complaint in line], ended.err


def test_a_broken_entry_is_a_mistake_of_check_config_as_of_a_run(folder: Path) -> None:
    a_strategy(folder, "import nothing_of_that_name\n")
    for command in (RUN, ("check", "config", "-e", "tiny.py", "-s", "A")):
        ended = called(*command)
        assert ended.code == 2
        assert len(ended.errors) == 1
        assert ended.errors[0].startswith("error: tiny.py:1: does not import: ModuleNotFoundError: ")


def test_a_change_inside_a_run_is_refused(folder: Path) -> None:
    text = TINY.replace("    return", "    set_config(fee_pct=0)\n    return", 1)
    a_strategy(folder, with_config("", text))
    ended = called(*RUN)
    assert ended.code == 1
    assert "ContextError" in ended.errors[0]
    assert "set_config works before a run only" in ended.errors[0]


@pytest.mark.parametrize(
    ("settings", "extra", "minute"),
    [
        ("", (), "02:00"),
        ("set_config(schedule_await_minutes=90)", (), "01:30"),
        ("", ("--set", "schedule_await_minutes=90"), "01:30"),
    ],
)
def test_an_entry_waits_two_hours_or_as_long_as_schedule_await_minutes_says(
    folder: Path, settings: str, extra: tuple[str, ...], minute: str
) -> None:
    a_strategy(folder, WAITS.format(settings=settings))
    assert f"cancelled {minute} timeout" in called(*RUN, *extra).err


def test_the_environment_cancels_a_waiting_entry_at_minute_90(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a_strategy(folder, WAITS.format(settings=""))
    monkeypatch.setenv("CC_SCHEDULE_AWAIT_MINUTES", "90")
    assert "cancelled 01:30 timeout" in called(*RUN).err


def test_ten_candles_make_the_average_price_where_a_module_says_so(folder: Path) -> None:
    a_strategy(folder, AVERAGES)
    ended = called("backtest", "-e", "tiny.py", "-s", "BTCUSDT", *DAY)
    assert ended.code == 0, ended.err
    assert "compared" in ended.err


def test_a_variable_of_either_name_makes_ten_candles_the_average_price(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_strategy(folder, AVERAGES.replace("set_config(avg_price_candles=10)", ""))
    assert called(*RUN).code == 1
    monkeypatch.setenv("CC_AVG_PRICE_CANDLES_COUNT", "10")
    assert called(*RUN).code == 0


def test_a_warm_up_fetches_the_candles_that_the_average_price_of_the_module_needs(folder: Path) -> None:
    a_strategy(folder, with_config("set_config(avg_price_candles=100)"))
    (folder / "run.yaml").write_text("symbols: [BTC/USDT]\nexchange: binance\nentry: tiny.py\n")
    flags = {"from": "2025-05-04", "to": "2025-05-05"}
    loaded = options.load("run.yaml", None, flags)
    _, (need,) = warming(loaded, ["1m"], access_of(loaded))
    assert utc_text(need.span[0]) == "2025-05-03 22:20"

"""`CC_` variables and the `.env` file."""

import os
from dataclasses import fields
from pathlib import Path

import pytest

from backtestkit_cli.config.environment import variables
from backtestkit_cli.config.loader import load_config
from backtestkit_cli.domain.settings import Settings
from tests.config.sources import load, problems


def test_every_setting_has_a_variable() -> None:
    assert {f"CC_{field.name.upper()}" for field in fields(Settings)} <= set(variables())


def test_symbols_are_separated_by_commas() -> None:
    assert load(environ={"CC_SYMBOL_LIST": "BTCUSDT, ETHUSDT ,SOLUSDT"}).config.symbols == (
        "BTCUSDT",
        "ETHUSDT",
        "SOLUSDT",
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (" ", "but entry 1 is blank"),
        ("A,", "but entry 2 is blank"),
        (",A", "but entry 1 is blank"),
        ("A,B,A", "found 'A' twice"),
        ("A/.B", "found 'A/.B'"),
    ],
)
def test_wrong_symbols_name_the_variable(text: str, problem: str) -> None:
    (found,) = problems(environ={"CC_SYMBOL_LIST": text})
    assert found.startswith("environment CC_SYMBOL_LIST: symbols: expected ")
    assert found.endswith(problem)


def test_an_empty_variable_sets_nothing_and_hides_that_of_the_file() -> None:
    assert load("settings: {fee_pct: 1}\n", environ={"CC_FEE_PCT": ""}).config.settings.fee_pct == 1
    assert load("settings: {fee_pct: 1}\n", environ={"CC_FEE_PCT": ""}, dotenv="CC_FEE_PCT=2").settings_given == {
        "fee_pct": 1
    }
    assert load("settings: {fee_pct: 1}\n", dotenv="CC_FEE_PCT=\n").config.settings.fee_pct == 1


@pytest.mark.parametrize("name", [field.name for field in fields(Settings)])
def test_the_variable_of_every_setting_sets_it(name: str) -> None:
    other = {"fill_model": "candle", "gaps": "skip", "averaging": "any", "partial_basis": "progress"}.get(name, "7")
    loaded = load(environ={f"CC_{name.upper()}": other})
    assert loaded.settings_given.keys() == {name}
    assert str(getattr(loaded.config.settings, name)) in {other, f"{other}.0"} - {str(getattr(Settings(), name))}
    assert loaded.origins[f"settings.{name}"] == f"environment CC_{name.upper()}"


def test_the_count_of_candles_of_the_average_price_has_a_second_name() -> None:
    loaded = load(environ={"CC_AVG_PRICE_CANDLES_COUNT": "10"})
    assert loaded.config.settings.avg_price_candles == 10
    assert loaded.origins["settings.avg_price_candles"] == "environment CC_AVG_PRICE_CANDLES_COUNT"


def test_two_names_of_one_setting_are_one_too_many() -> None:
    (found,) = problems(environ={"CC_AVG_PRICE_CANDLES": "5", "CC_AVG_PRICE_CANDLES_COUNT": "10"})
    assert "expected one of CC_AVG_PRICE_CANDLES" in found
    over_the_file = load(environ={"CC_AVG_PRICE_CANDLES_COUNT": "10"}, dotenv="CC_AVG_PRICE_CANDLES=3")
    assert over_the_file.config.settings.avg_price_candles == 10


def test_an_empty_list_of_symbols_is_an_error_that_names_it_unless_a_flag_has_symbols() -> None:
    (found,) = problems("symbols: [A]\n", environ={"CC_SYMBOL_LIST": ""})
    assert found.startswith("environment CC_SYMBOL_LIST: symbols: ")
    assert found.endswith("but entry 1 is blank")
    (found,) = problems("symbols: [A]\n", dotenv="CC_SYMBOL_LIST=\n")
    assert found.startswith(".env:1: symbols: ")
    Path(".env").unlink()
    assert load(environ={"CC_SYMBOL_LIST": ""}, flags={"symbols": "A"}).config.symbols == ("A",)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("FEE_PCT", "50.1", "a number from 0 to 50"),
        ("SLIPPAGE_PCT", "100", "a number from 0 to 50"),
        ("MAX_MINUTES", "9" * 30, "a whole number from 1 to 10,000,000 or null"),
        ("SCHEDULE_AWAIT_MINUTES", "9" * 30, "a whole number from 1 to 10,000,000"),
        ("AVG_PRICE_CANDLES", "9" * 30, "a whole number from 1 to 10,000"),
        ("MAX_SIGNAL_SECONDS", "1e9", "a number above 0 and at most 86,400"),
    ],
)
def test_a_number_beyond_sense_is_refused(name: str, value: str, expected: str) -> None:
    (found,) = problems(environ={f"CC_{name}": value})
    assert found.startswith(f"environment CC_{name}: settings.{name.lower()}: expected {expected}, found ")


def test_the_bounds_themselves_are_taken() -> None:
    assert load(environ={"CC_FEE_PCT": "50", "CC_MAX_MINUTES": "10000000"}).config.settings.fee_pct == 50


def test_null_is_no_limit() -> None:
    assert load(environ={"CC_MAX_MINUTES": "null"}).settings_given == {"max_minutes": None}


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("CC_OUT=a", "a"),
        ("  CC_OUT = a  ", "a"),
        ("export CC_OUT=a", "a"),
        ("CC_OUT='a b'", "a b"),
        ('CC_OUT="a # b"  # c', "a # b"),
        ("CC_OUT=a # b", "a"),
        ("CC_OUT=a#b", "a#b"),
        ("CC_OUT=a b", "a b"),
        ("CC_OUT=a=b", "a=b"),
        ("CC_OUT=it's", "it's"),
        ("CC_OUT= # nothing", "dump"),
        ("CC_OUT=''", "dump"),
        ("# CC_OUT=a", "dump"),
        ("CC_OUT=a\r\nCC_WORKERS=2\r", "a"),
        ("CC_OUT=a\nCC_OUT=b", "b"),
        ("\ufeffCC_OUT=a", "a"),
        ("OTHER some words\nKEY=-----BEGIN\nabc\n\n\tCC_OUT=a", "a"),
    ],
)
def test_a_line_of_the_file(line: str, value: str) -> None:
    assert load(dotenv=line).config.out == value


@pytest.mark.parametrize(
    "line", ["CC_OUT", "CC_OUT a", "CC_OUT: a", "CC_OUT='a", 'CC_OUT="a" b', "CC_OUT=#a", "export CC_OUT"]
)
def test_a_line_that_cannot_be_read(line: str) -> None:
    assert problems(dotenv=f"# a comment\n\n{line}\n") == [f".env:3: expected CC_OUT=value, found {line!r}"]


def test_a_wrong_value_names_its_line() -> None:
    assert problems(dotenv="\nCC_FEE_PCT=low\n") == [
        ".env:2: settings.fee_pct: expected a number from 0 to 50, found 'low'"
    ]


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("CC_FEE_PC", "; did you mean 'CC_FEE_PCT'?"),
        ("CC_SYMBOLS", "; did you mean 'CC_SYMBOL_LIST'?"),
        ("CC_fill_model", "; did you mean 'CC_FILL_MODEL'?"),
        ("CC_XYZZY", "; known: BTK_DATA, CC_AVERAGING, CC_AVG_PRICE_CANDLES, CC_AVG_PRICE_CANDLES_COUNT, "),
    ],
)
def test_an_unknown_variable_is_named_with_the_nearest(name: str, suggestion: str) -> None:
    (found,) = problems(environ={name: "1"})
    assert found.startswith(f"environment {name}: unknown variable {name!r}{suggestion}")
    (found,) = problems(dotenv=f"A=1\n{name}=1\n")
    assert found.startswith(f".env:2: unknown variable {name!r}{suggestion}")


def test_variables_of_other_programs_are_left_alone() -> None:
    environ = {"CC": "gcc", "CCACHE_DIR": "/tmp/ccache", "CC_x86_64_unknown_linux_gnu": "gcc", "PATH": ""}  # noqa: S108
    assert set(load(environ=environ, dotenv="CC=gcc\nTOKEN=secret\n").origins.values()) == {"default"}


def test_the_file_need_not_be_there_and_may_be_a_folder() -> None:
    Path(".env").mkdir()
    assert load().config.out == "dump"
    for dotenv in (None, Path("nowhere/.env")):
        assert load_config(None, flags={}, sets=(), environ={}, dotenv=dotenv, required=()).config.out == "dump"


def test_a_file_that_is_not_utf_8() -> None:
    Path(".env").write_bytes(b"CC_OUT=a\n# \xe9\n")
    assert problems() == [".env:2: expected text in UTF-8"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read() -> None:
    Path(".env").touch(mode=0o000)
    assert problems() == [".env: cannot be read: Permission denied"]

"""Every mistake of a config file is one line that says where it is, what was expected and what was found."""

import os
from pathlib import Path

import pytest

from backtestkit_cli.config.loader import load_config
from backtestkit_cli.errors import ConfigError
from tests.config.sources import FILE, load, problems

FORMS: dict[str, tuple[str | bytes, int, str]] = {
    "empty": ("", 1, "expected a mapping with keys such as `symbols:`, found an empty file"),
    "only comments": ("# one\n# two\n", 1, "expected a mapping with keys such as `symbols:`, found an empty file"),
    "a list": ("\n- BTCUSDT\n", 2, "expected a mapping with keys such as `symbols:`, found a list"),
    "a text": ("BTCUSDT", 1, "expected a mapping with keys such as `symbols:`, found a single value"),
    "an open bracket": (
        "out: a\nsymbols: [A\nworkers: 1\n",
        3,
        "not valid YAML: while parsing a flow sequence, expected ',' or ']', but got ':'",
    ),
    "a tab": (
        "settings:\n\tfee_pct: 1\n",
        2,
        "not valid YAML: while scanning for the next token, found character '\\t' that cannot start any token",
    ),
    "two colons": ("out: a\nentry: b: c\n", 2, "not valid YAML: mapping values are not allowed here"),
    "an unknown alias": ("out: a\nentry: *b\n", 2, "not valid YAML: found undefined alias 'b'"),
    "an endless alias": ("out: a\nentry: &b [*b]\n", 2, "not valid YAML: an alias within the value that it stands for"),
    "two documents": (
        "out: a\n---\nout: b\n",
        2,
        "not valid YAML: expected a single document in the stream, but found another document",
    ),
    "a control character": ("out: a\nentry: \x07\n", 2, "not valid YAML: it may not hold the character U+0007"),
    "Latin-1": ("out: a\nentry: b\n# \xe9\n".encode("latin-1"), 3, "expected text in UTF-8, found the byte 0xe9"),
    "UTF-16": ("out: a\n".encode("utf-16"), 1, "expected text in UTF-8, found the byte 0xff"),
    "endless brackets": ("[" * 500, 1, "not valid YAML: nested too deeply"),
    "wrong merge": (
        "out: a\nsettings:\n  <<: 3\n",
        3,
        (
            "not valid YAML: while constructing a mapping, "
            "expected a mapping or list of mappings for merging, but found scalar"
        ),
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_not_a_yaml_mapping_is_one_mistake(form: str) -> None:
    text, line, problem = FORMS[form]
    assert problems(text) == [f"configs/run.yaml:{line}: {problem}"]


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for path, problem in (
        (Path("nowhere.yaml"), "nowhere.yaml: expected a config file, found none"),
        (tmp_path, f"{tmp_path}: expected a config file, found a folder"),
    ):
        with pytest.raises(ConfigError) as caught:
            load_config(path, flags={}, sets=(), environ={}, dotenv=None)
        assert caught.value.problems == (problem,)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read() -> None:
    FILE.parent.mkdir()
    FILE.touch(mode=0o000)
    with pytest.raises(ConfigError) as caught:
        load_config(FILE, flags={}, sets=(), environ={}, dotenv=None)
    assert caught.value.problems == (f"{FILE}: cannot be read: Permission denied",)


A_SYMBOL = "expected a symbol such as BTCUSDT, BTC/USDT or BTC/USDT:USDT"
A_DATE = "expected a date such as 2025-05-04 or 2025-05-04T12:00"
KEYS = (
    "alerts, cache, data, entry, exchange, exchanges, frame, frames, groups, max_concurrent, offline, out, paper, "
    "portfolio, risk, risks, …"
)
VALUES = {
    # keys
    "symbol: [A]": "symbol: unknown key; did you mean 'symbols'?",
    "xyzzy: 1": f"xyzzy: unknown key; known: {KEYS}",
    "fee_pct: 1": "fee_pct: unknown key; it belongs under `settings:`",
    "fe_pct: 1": "fe_pct: unknown key; did you mean 'fee_pct'?",
    '"a\\nb": 1': f"'a\\nb': unknown key; known: {KEYS}",
    "? [a]\n: 1": "expected a name as key, found a list",
    "settings: {fee_pc: 1}": "settings.fee_pc: unknown key; did you mean 'fee_pct'?",
    "frame: {form: 2025-01-01, from: 2025-01-01, to: 2025-01-02}": "frame.form: unknown key; did you mean 'from'?",
    "exchange: {kind: demo, sed: 1}": "exchange.sed: unknown key; did you mean 'seed'?",
    "exchange: {kind: demo, path: a}": "exchange.path: is for kind parquet or csv, found kind demo",
    "exchange: {kind: parquet, path: a, seed: 1}": "exchange.seed: is for kind demo, found kind parquet",
    "exchanges: {a: {kind: demo, symbol: A}}": "exchanges.a.symbol: is for kind parquet, csv or sql, found kind demo",
    # texts
    "entry: [a]": "entry: expected a strategy file, a dotted module or the name of an entry point, found a list",
    "entry: ''": "entry: expected a strategy file, a dotted module or the name of an entry point, found ''",
    'entry: "a\\0b.py"': "entry: expected text without control characters, found 'a\\x00b.py'",
    "out: {}": "out: expected a folder, found a mapping",
    "out: ' '": "out: expected a folder, found ''",
    "strategy: []": "strategy: expected the name of a strategy or a list of them, found an empty list",
    "strategy: [a, '']": "strategy: expected the name of a strategy, but entry 2 is blank",
    "strategy: [a, b, a]": "strategy: expected each strategy once, found 'a' twice",
    "strategy: {a: b}": "strategy: expected the name of a strategy, found a mapping",
    # symbols
    "symbols: []": "symbols: expected at least one symbol, found an empty list",
    "symbols: {a: b}": "symbols: expected a list of symbols, found a mapping",
    "symbols: A,,B": f"symbols: {A_SYMBOL}, but entry 2 is blank",
    "symbols: [A, ' ']": f"symbols: {A_SYMBOL}, but entry 2 is blank",
    "symbols: [A, ~]": f"symbols: {A_SYMBOL}, but entry 2 is blank",
    "symbols: [A, B, A]": "symbols: expected each symbol once, found 'A' twice",
    "symbols: [A, ' A ']": "symbols: expected each symbol once, found 'A' twice",
    "symbols: [BTC/USDT, BTCUSDT]": "symbols: expected each symbol once, found 'BTCUSDT' and 'BTC/USDT'",
    "symbols: ['BTC\\USDT']": f"symbols: {A_SYMBOL}, found 'BTC\\\\USDT'",
    "symbols: [BTC USDT]": f"symbols: {A_SYMBOL}, found 'BTC USDT'",
    "symbols: [..]": f"symbols: {A_SYMBOL}, found '..'",
    'symbols: ["A\\eB"]': f"symbols: {A_SYMBOL}, found 'A\\x1bB'",
    "symbols: [[A]]": f"symbols: {A_SYMBOL}, found a list",
    # numbers
    "workers: 0": "workers: expected a whole number of at least 1, found 0",
    "workers: 1.5": "workers: expected a whole number of at least 1, found 1.5",
    "workers: yes": "workers: expected a whole number of at least 1, found 'yes'",
    "workers: ''": "workers: expected a whole number of at least 1, found ''",
    "max_concurrent: -3": "max_concurrent: expected a whole number of at least 1 or null, found -3",
    "settings: {fee_pct: abc}": "settings.fee_pct: expected a number from 0 to 50, found 'abc'",
    "settings: {fee_pct: -1}": "settings.fee_pct: expected a number from 0 to 50, found -1",
    "settings: {fee_pct: true}": "settings.fee_pct: expected a number from 0 to 50, found 'true'",
    "settings: {fee_pct: nan}": "settings.fee_pct: expected a number from 0 to 50, found nan",
    "settings: {fee_pct: 1e999}": "settings.fee_pct: expected a number from 0 to 50, found 1e999",
    "settings: {fee_pct: .inf}": "settings.fee_pct: expected a number from 0 to 50, found '.inf'",
    "settings: {fee_pct: }": "settings.fee_pct: expected a number from 0 to 50, found nothing",
    "settings: {fee_pct: [1]}": "settings.fee_pct: expected a number from 0 to 50, found a list",
    "settings: {position_cost: 0}": "settings.position_cost: expected a number from 1e-15 to 1e+15, found 0",
    "settings: {position_cost: 1.0e+16}": "settings.position_cost: expected a number from 1e-15 to 1e+15, found 1e+16",
    "settings: {max_minutes: 0}": "settings.max_minutes: expected a whole number from 1 to 10,000,000 or null, found 0",
    "settings: {max_minutes: 1e-1}": (
        "settings.max_minutes: expected a whole number from 1 to 10,000,000 or null, found 0.1"
    ),
    "settings: {fill_model: candel}": (
        "settings.fill_model: expected vwap or candle, found 'candel'; did you mean 'candle'?"
    ),
    "settings: {averaging: all}": "settings.averaging: expected below_lowest, below_effective or any, found 'all'",
    "settings: 3": "settings: expected a mapping of settings, found 3",
    "exchange: {kind: demo, seed: -1}": "exchange.seed: expected a whole number of at least 0, found -1",
    "exchange: {kind: demo, seed: x}": "exchange.seed: expected a whole number of at least 0, found 'x'",
    # exchanges
    "exchange: ": "exchange: expected the name of an exchange, or a mapping with kind, found nothing",
    "exchange: [demo]": "exchange: expected the name of an exchange, or a mapping with kind, found a list",
    "exchange: {seed: 1}": "exchange.kind: missing, expected demo, ccxt, parquet, csv, sql or cache",
    "exchange: {kind: parket, path: a}": (
        "exchange.kind: expected demo, ccxt, parquet, csv, sql or cache, found 'parket'; did you mean 'parquet'?"
    ),
    "exchange: {kind: [a]}": "exchange.kind: expected demo, ccxt, parquet, csv, sql or cache, found a list",
    "exchange: {kind: name}": "exchange.kind: expected demo, ccxt, parquet, csv, sql or cache, found 'name'",
    "exchange: {kind: parquet}": "exchange.path: missing, expected a path",
    "exchange: {kind: csv, path: ''}": "exchange.path: expected a path, found ''",
    "exchange: {kind: csv, path: [a]}": "exchange.path: expected a path, found a list",
    "exchange: {kind: csv, path: a, symbol: A/../B}": f"exchange.symbol: {A_SYMBOL}, found 'A/../B'",
    "exchange: {kind: demo, name: ''}": "exchange.name: expected a name, found ''",
    "exchanges: [a]": "exchanges: expected a mapping from names to exchanges, found a list",
    "exchanges: {a: demo}": "exchanges.a: expected a mapping with kind, found 'demo'",
    "exchanges: {a: }": "exchanges.a: expected a mapping with kind, found nothing",
    "exchanges: {path: {kind: csv}}": "exchanges.path.path: missing, expected a path",
    # frames
    "frame: [a]": "frame: expected the name of a frame, or a mapping with from and to, found a list",
    "frame: {from: 2025-01-01}": "frame.to: missing, expected both from and to",
    "frame: {from: 2025-01-01, to: soon}": f"frame.to: {A_DATE}, found 'soon'",
    "frame: {from: 2025-01-01, to: }": f"frame.to: {A_DATE}, found nothing",
    "frame: {from: 2025-01-01, to: 2025-02-30}": f"frame.to: {A_DATE}, found '2025-02-30'",
    "frame: {from: 2025-01-01, to: 20250}": f"frame.to: {A_DATE}, found 20250",
    "frame: {from: 2025-01-01, to: 2025-02-01T00:00:30}": (
        "frame.to: expected a whole minute, found '2025-02-01T00:00:30'"
    ),
    "frame: {from: 2025-01-01, to: 2025-02-01T00:00:00.0001}": (
        "frame.to: expected a whole minute, found '2025-02-01T00:00:00.0001'"
    ),
    "frame: {from: 2025-02-01, to: 2025-01-01}": (
        "frame: expected from to be before to, found from 2025-02-01 00:00 to 2025-01-01 00:00"
    ),
    "frame: {from: 2025-02-01, to: 2025-02-01T01:00+01:00}": (
        "frame: expected from to be before to, found from 2025-02-01 00:00 to 2025-02-01 00:00"
    ),
    "frames: [a]": "frames: expected a mapping from names to frames, found a list",
    "frames: {a: b}": "frames.a: expected a mapping with from and to, found 'b'",
    "frames: {a: {to: 2025-01-01}}": "frames.a.from: missing, expected both from and to",
    # form
    "out: !mine a": "out: expected a plain value, found the tag '!mine'",
}


@pytest.mark.parametrize("text", VALUES)
def test_a_mistake_is_named_with_line_key_expected_and_found(text: str) -> None:
    before = "# a comment\nmax_concurrent: 2\n\n" if not text.startswith("max_concurrent") else "# a comment\n\n\n"
    assert problems(f"{before}{text}\n") == [f"configs/run.yaml:4: {VALUES[text]}"]


def test_a_key_that_is_given_twice_is_named_with_both_lines() -> None:
    text = "out: a\nsettings:\n  fee_pct: 1\n  gaps: fill\n  fee_pct: 2\nworkers: 1\nout: b\nout: c\n"
    assert problems(text) == [
        "configs/run.yaml:5: settings.fee_pct: expected the key once, found it again after line 3",
        "configs/run.yaml:7: out: expected the key once, found it again after line 1",
        "configs/run.yaml:8: out: expected the key once, found it again after line 1",
    ]


def test_each_wrong_symbol_has_its_own_line() -> None:
    text = "symbols:\n  - BTCUSDT\n  - ETH USDT\n  -\n\n  - BTCUSDT\n  - SOLUSDT\n"
    assert problems(text) == [
        f"configs/run.yaml:3: symbols: {A_SYMBOL}, found 'ETH USDT'",
        f"configs/run.yaml:4: symbols: {A_SYMBOL}, but entry 3 is blank",
        "configs/run.yaml:6: symbols: expected each symbol once, found 'BTCUSDT' twice",
    ]


def test_all_mistakes_are_reported_together_in_the_order_of_the_file_and_of_precedence() -> None:
    text = """\
out: []
symbol: BTCUSDT
symbols: [A, A]
exchange:
  kind: csv
  seed: 3
frame:
  from: 2025-02-01
  to: 2025-01-01
frames:
  may: {from: 2025-05-01, to: then}
settings:
  fee_pct: abc
  slippage_pct: -1
  gaps: fill
  gaps: full
  fil_model: candle
workers: 0
"""
    found = problems(
        text,
        dotenv="CC_MAX_MINUTES=long\nCC_FEE=1\n",
        environ={"CC_AVERAGING": "none", "CC_FILL_MODE": "vwap"},
        sets=["max_signal_seconds=0", "fee", "strateg=a"],
        flags={"max_concurrent": "many", "entry": ""},
    )
    assert found == [
        "configs/run.yaml:1: out: expected a folder, found an empty list",
        "configs/run.yaml:2: symbol: unknown key; did you mean 'symbols'?",
        "configs/run.yaml:3: symbols: expected each symbol once, found 'A' twice",
        "configs/run.yaml:4: exchange.path: missing, expected a path",
        "configs/run.yaml:6: exchange.seed: is for kind demo, found kind csv",
        "configs/run.yaml:7: frame: expected from to be before to, found from 2025-02-01 00:00 to 2025-01-01 00:00",
        f"configs/run.yaml:11: frames.may.to: {A_DATE}, found 'then'",
        "configs/run.yaml:13: settings.fee_pct: expected a number from 0 to 50, found 'abc'",
        "configs/run.yaml:14: settings.slippage_pct: expected a number from 0 to 50, found -1",
        "configs/run.yaml:16: settings.gaps: expected the key once, found it again after line 15",
        "configs/run.yaml:16: settings.gaps: expected error, fill or skip, found 'full'; did you mean 'fill'?",
        "configs/run.yaml:17: settings.fil_model: unknown key; did you mean 'fill_model'?",
        "configs/run.yaml:18: workers: expected a whole number of at least 1, found 0",
        ".env:1: settings.max_minutes: expected a whole number from 1 to 10,000,000 or null, found 'long'",
        ".env:2: unknown variable 'CC_FEE'; did you mean 'CC_FEE_PCT' or 'CC_FRAME' or 'CC_OFFLINE'?",
        "environment CC_FILL_MODE: unknown variable 'CC_FILL_MODE'; did you mean 'CC_FILL_MODEL' or 'CC_FRAME'?",
        "environment CC_AVERAGING: settings.averaging: expected below_lowest, below_effective or any, found 'none'",
        "flag --set: expected key=value, found 'fee'",
        "flag --set: unknown key 'strateg'; did you mean 'store' or 'strategy'?",
        "flag --set: settings.max_signal_seconds: expected a number above 0 and at most 86,400, found 0",
        "flag --entry: entry: expected a strategy file, a dotted module or the name of an entry point, found ''",
        "flag --max-concurrent: max_concurrent: expected a whole number of at least 1 or null, found 'many'",
    ]


def test_what_is_required_and_given_nowhere_is_reported_with_the_rest() -> None:
    required = ("symbols", "entry", "frame")
    symbols = "expected at least one symbol, found none: give --symbols, CC_SYMBOL_LIST or `symbols:` in a config"
    entry = "expected a strategy, found none: give --entry, CC_ENTRY or `entry:` in a config"
    frame = "expected a frame, found none: give --from and --to, --frame, CC_FRAME or `frame:` in a config"
    assert problems(required=required) == [f"symbols: {symbols}", f"entry: {entry}", f"frame: {frame}"]
    assert problems("workers: 0\nsymbols:\n", required=required) == [
        f"configs/run.yaml: entry: {entry}",
        f"configs/run.yaml: frame: {frame}",
        "configs/run.yaml:1: workers: expected a whole number of at least 1, found 0",
        f"configs/run.yaml:2: symbols: {symbols}",
    ]
    assert load("symbols: [A]\nentry: b\nframe: c\n", required=required).config.symbols == ("A",)


def test_a_long_value_is_cut_in_the_message() -> None:
    assert problems(flags={"workers": "9" * 5000}) == [
        f"flag --workers: workers: expected a whole number of at least 1, found '{'9' * 59}…'"
    ]


def test_symbols_are_required_where_nothing_else_is_said() -> None:
    with pytest.raises(ConfigError, match="symbols: expected at least one symbol"):
        load_config(None, flags={}, sets=(), environ={}, dotenv=None)


def test_a_mistake_that_another_source_overrides_is_not_in_force() -> None:
    loaded = load("symbols: []\nsettings: {fee_pct: abc}\n", sets=["fee_pct=1"], flags={"symbols": ["A"]})
    assert loaded.config.symbols == ("A",)

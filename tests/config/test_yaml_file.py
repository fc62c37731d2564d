"""YAML as people write it: numbers, names that YAML takes for something else, aliases, merged keys."""

from pathlib import Path

import pytest

from backtestkit_cli.config.exchanges import CsvExchange, DemoExchange, ParquetExchange
from backtestkit_cli.config.loader import DEFAULT_CONFIG, load_config
from tests.config.sources import load


@pytest.mark.parametrize(
    ("text", "number"),
    [("1e-3", 0.001), ("1E-3", 0.001), ("1.5e+1", 15), (".5", 0.5), ("5.", 5), ("+2", 2), ('"0.5"', 0.5), ("0", 0)],
)
def test_every_way_to_write_a_number_is_one(text: str, number: float) -> None:
    assert load(f"settings: {{fee_pct: {text}}}").config.settings.fee_pct == number
    assert load(sets=[f"fee_pct={text}"]).config.settings.fee_pct == number


@pytest.mark.parametrize("text", ["1e3", "1000", "1000.0", "1.0E+3"])
def test_a_whole_number_may_be_written_as_any_number(text: str) -> None:
    loaded = load(f"settings: {{max_minutes: {text}}}\nworkers: {text}\nexchange: {{kind: demo, seed: {text}}}\n")
    assert loaded.config.settings.max_minutes == 1000
    assert loaded.config.workers == 1000
    assert loaded.config.exchange == DemoExchange(kind="demo", seed=1000)
    assert isinstance(loaded.settings_given["max_minutes"], int)


def test_names_that_yaml_takes_for_something_else_stay_names() -> None:
    loaded = load("symbols: [ON, NO, 1INCH, 1e3, 12:30, 2025-01-01, 010, 1_0]\nentry: yes\nout: 2025\n")
    assert loaded.config.symbols == ("ON", "NO", "1INCH", "1e3", "12:30", "2025-01-01", "010", "1_0")
    assert (loaded.config.entry, loaded.config.out) == ("yes", "2025")


def test_null_is_no_limit() -> None:
    for text in ("null", "~", ""):
        loaded = load(f"settings:\n  max_minutes: {text}\nmax_concurrent: {text}\nentry: {text}\nframe: {text}\n")
        assert loaded.config.settings.max_minutes is None
        assert loaded.config.max_concurrent is None
        assert loaded.settings_given == {"max_minutes": None}


def test_a_section_without_entries_says_nothing() -> None:
    loaded = load("settings:\n  # fee_pct: 1\nexchanges:\nframes:\n")
    assert loaded.settings_given == {}
    assert load("settings:\nexchanges:\n", sets=["fee_pct=1", "exchanges.a.kind=demo"]).settings_given == {"fee_pct": 1}


def test_aliases_and_merged_keys_keep_the_lines_where_they_are_written() -> None:
    loaded = load("""\
exchanges:
  one: &one
    kind: parquet
    path: a
  two:
    <<: *one
    path: b
  three: *one
""")
    assert loaded.config.exchanges["two"] == ParquetExchange(kind="parquet", path="configs/b")
    assert loaded.config.exchanges["three"] == ParquetExchange(kind="parquet", path="configs/a")
    assert loaded.origins["exchanges.two.kind"] == "configs/run.yaml:3"
    assert loaded.origins["exchanges.two.path"] == "configs/run.yaml:7"


def test_a_byte_order_mark_and_windows_line_ends_do_not_matter() -> None:
    loaded = load("\ufeffout: a\r\nworkers: 2\r\n")
    assert (loaded.config.out, loaded.config.workers) == ("a", 2)
    assert loaded.origins["workers"] == "configs/run.yaml:2"


def test_instants_are_utc_where_nothing_else_is_said() -> None:
    loaded = load("""\
frames:
  days: {from: 2025-05-04, to: 2025-05-05}
  minutes: {from: 2025-05-04T01:30, to: "2025-05-04 01:31"}
  offset: {from: 2025-05-04T02:30+02:00, to: 2025-05-04T00:31Z}
""")
    spans = {name: (frame.start_ms, frame.end_ms) for name, frame in loaded.config.frames.items()}
    start = 1_746_316_800_000
    assert spans == {
        "days": (start, start + 86_400_000),
        "minutes": (start + 90 * 60_000, start + 91 * 60_000),
        "offset": (start + 30 * 60_000, start + 31 * 60_000),
    }


def test_paths_are_relative_to_the_file() -> None:
    loaded = load("""\
entry: ../strategies/mine.py
out: there
exchange: {kind: csv, path: candles.csv, symbol: BTCUSDT}
exchanges:
  inside: {kind: parquet, path: ./candles}
  absolute: {kind: parquet, path: /candles}
  home: {kind: parquet, path: ~/candles}
""")
    config = loaded.config
    assert config.entry == "strategies/mine.py"
    assert config.out == "there"
    assert config.exchange == CsvExchange(kind="csv", path="configs/candles.csv", symbol="BTCUSDT")
    assert {name: exchange.model_dump()["path"] for name, exchange in config.exchanges.items()} == {
        "inside": "configs/candles",
        "absolute": "/candles",
        "home": str(Path.home() / "candles"),
    }


def test_paths_of_other_sources_are_relative_to_the_current_folder() -> None:
    text = "entry: a.py\nexchange: {kind: parquet, path: a}\n"
    loaded = load(text, flags={"entry": Path("b/c.py")}, sets=["exchange.path=~/d"])
    assert loaded.config.entry == "b/c.py"
    assert loaded.config.exchange == ParquetExchange(kind="parquet", path=str(Path.home() / "d"))
    assert load(text, dotenv="CC_ENTRY=./e.py\n").config.entry == "./e.py"


def test_an_entry_that_is_no_file_stays_as_it_is() -> None:
    assert load("entry: my.strategies\n").config.entry == "my.strategies"
    assert load("entry: mine\n").config.entry == "mine"
    assert load("entry: mine.py\n").config.entry == "configs/mine.py"


def test_a_linked_folder_is_followed_before_it_is_left(tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "configs").mkdir(parents=True)
    (tmp_path / "configs").symlink_to(tmp_path / "elsewhere" / "configs")
    entry = load("entry: ../mine.py\n").config.entry
    assert entry is not None
    assert Path(entry).resolve() == tmp_path / "elsewhere" / "mine.py"


def test_the_default_config_is_read_where_there_is_one() -> None:
    def read() -> str:
        return load_config(None, flags={}, sets=(), environ={}, dotenv=None, required=()).config.out

    assert read() == "dump"
    DEFAULT_CONFIG.parent.mkdir()
    DEFAULT_CONFIG.write_text("out: there\n", encoding="utf-8")
    assert read() == "there"

"""`--set` and flags."""

from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from backtestkit_cli.config.exchanges import CsvExchange, DemoExchange, ParquetExchange, SqlExchange
from backtestkit_cli.config.schema import FrameConfig
from tests.config.sources import load, problems

KEYS = (
    "alerts, cache, data, entry, exchange, exchanges, frame, frames, groups, max_concurrent, offline, out, paper, "
    "portfolio, risk, risks, …"
)


@pytest.mark.parametrize(
    "text", ["fee_pct=0.05", "settings.fee_pct=0.05", " fee_pct = 5e-2 ", "settings={fee_pct: .05}"]
)
def test_a_setting_is_set_by_its_name_or_its_dotted_key(text: str) -> None:
    loaded = load(sets=[text])
    assert loaded.settings_given == {"fee_pct": 0.05}
    assert loaded.origins["settings.fee_pct"] == "flag --set"


def test_values_are_yaml() -> None:
    loaded = load(
        sets=[
            "symbols=[A, 'B']",
            "strategy=[one, two]",
            'out="a # b"',
            "max_minutes=~",
            "exchanges.mine={kind: csv, path: a=b}",
            "frames.may={from: 2025-05-01, to: 2025-06-01}",
        ]
    )
    assert loaded.config.symbols == ("A", "B")
    assert loaded.config.strategy == ["one", "two"]
    assert loaded.config.out == "a # b"
    assert loaded.config.settings.max_minutes is None
    assert loaded.config.exchanges == {"mine": CsvExchange(kind="csv", path="a=b")}
    assert loaded.origins["frames.may.to"] == "flag --set"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("fee_pct", "expected key=value, found 'fee_pct'"),
        ("", "expected key=value, found ''"),
        ("=1", "expected key=value, found '=1'"),
        ("fee_pc=1", "unknown key 'fee_pc'; did you mean 'fee_pct'?"),
        ("strateg=1", "unknown key 'strateg'; did you mean 'store' or 'strategy'?"),
        ("xyzzy=1", f"unknown key 'xyzzy'; known: {KEYS}"),
        ("settings.=1", "unknown key 'settings.'; did you mean 'settings' or 'settings.fee_pct' or 'settings.gaps'?"),
        ("settings.fee_pc=1", "settings.fee_pc: unknown key; did you mean 'fee_pct'?"),
        ("exchange.sed=1", "exchange.sed: unknown key; did you mean 'seed'?"),
        ("exchange.path=a", "exchange.path: is for kind parquet or csv, found kind demo"),
        ("workers.x=1", "unknown key 'workers.x'; did you mean 'workers'?"),
        ("out=[a", "out: expected a YAML value, found '[a'"),
        ("out=a: b: c", "out: expected a YAML value, found 'a: b: c'"),
        ("out=", "out: expected a folder, found nothing"),
        ("fee_pct=", "settings.fee_pct: expected a number from 0 to 50, found nothing"),
        ("fee_pct=low", "settings.fee_pct: expected a number from 0 to 50, found 'low'"),
        ("settings=3", "settings: expected a mapping of settings, found 3"),
        ("symbols=A,,B", "but entry 2 is blank"),
        ("symbols=[]", "symbols: expected at least one symbol, found an empty list"),
        ("frames.may.from=2025-01-01", "frames.may.to: missing, expected both from and to"),
    ],
)
def test_a_wrong_set_is_named(text: str, problem: str) -> None:
    (found,) = problems(sets=[text])
    assert found.startswith("flag --set: ")
    assert found.endswith(problem)


def test_an_unknown_flag_is_named() -> None:
    assert problems(flags={"worker": 1}) == ["flag --worker: unknown key 'worker'; did you mean 'workers'?"]


def test_a_wrong_flag_is_named_as_it_is_typed() -> None:
    found = problems(flags={"fill_model": "candel", "max_concurrent": 0, "symbols": ["A", "", "A"], "strategy": [""]})
    assert {line.split(": ")[0] for line in found} == {
        "flag --fill-model",
        "flag --max-concurrent",
        "flag --strategy",
        "flag --symbols",
    }


# Parts of an exchange


def test_a_part_is_set_in_the_exchange_of_the_file() -> None:
    text = "exchange:\n  kind: parquet\n  name: mine\n  path: a\n"
    loaded = load(text, sets=["exchange.path=/b"])
    assert loaded.config.exchange == ParquetExchange(kind="parquet", name="mine", path="/b")
    assert loaded.origins["exchange.path"] == "flag --set"
    assert loaded.origins["exchange.name"] == "configs/run.yaml:3"


def test_a_part_is_set_in_the_exchange_that_is_named() -> None:
    text = "exchange: mine\nexchanges:\n  mine: {kind: parquet, path: a}\n  other: {kind: csv, path: c}\n"
    loaded = load(text, sets=["exchange.path=b"])
    assert loaded.config.exchange == ParquetExchange(kind="parquet", name="mine", path="b")
    assert loaded.origins["exchange.kind"] == "configs/run.yaml:3"
    assert loaded.config.exchanges["mine"] == ParquetExchange(kind="parquet", path="configs/a")
    loaded = load(text, sets=["exchange.symbol=A"], flags={"exchange": "other"})
    assert loaded.config.exchange == CsvExchange(kind="csv", name="other", path="configs/c", symbol="A")
    assert loaded.origins["exchange.name"] == "flag --exchange"


def test_a_part_of_a_named_exchange_is_set_before_it_is_used() -> None:
    text = "exchange: mine\nexchanges:\n  mine: {kind: parquet, path: a}\n"
    loaded = load(text, sets=["exchange.name=b", "exchanges.mine.path=c"])
    assert loaded.config.exchange == ParquetExchange(kind="parquet", name="b", path="c")


@pytest.mark.parametrize("text", [None, "exchange: demo\n", "exchange: {kind: demo, seed: 1}\n"])
def test_the_seed_of_the_demo_market_can_be_set(text: str | None) -> None:
    exchange = load(text, sets=["exchange.seed=3"]).config.exchange
    assert isinstance(exchange, DemoExchange)
    assert exchange.seed == 3


def test_another_kind_can_be_set_part_by_part() -> None:
    loaded = load(sets=["exchange.kind=csv", "exchange.path=a.csv"])
    assert loaded.config.exchange == CsvExchange(kind="csv", path="a.csv")


def test_a_flag_replaces_the_whole_exchange_of_the_file() -> None:
    loaded = load("exchange:\n  kind: parquet\n  path: a\n", flags={"exchange": "demo"})
    assert loaded.config.exchange == "demo"
    assert loaded.origins["exchange"] == "flag --exchange"
    assert "exchange.path" not in loaded.origins


def test_no_part_of_an_exchange_that_is_not_described_can_be_set() -> None:
    assert problems(sets=["exchange.seed=3"], flags={"exchange": "mine"}) == [
        "flag --set: exchange.seed: expected exchange 'mine' to be described under `exchanges`, found no such entry"
    ]


def test_a_wrong_exchange_in_the_file_is_reported_as_what_it_is() -> None:
    problem = "exchange: expected the name of an exchange, or a mapping with kind, found a list"
    assert problems("exchange: [demo]\n", sets=["exchange.seed=3"]) == [f"configs/run.yaml:1: {problem}"]


def test_a_mistake_in_a_value_of_several_sources_names_the_highest() -> None:
    text = "exchange:\n  kind: demo\n"
    assert problems(text, sets=["exchange.kind=csv"]) == ["flag --set: exchange.path: missing, expected a path"]


# Ends of the frame

MAY = 1_746_057_600_000
DAY = 86_400_000


def test_from_and_to_make_a_frame() -> None:
    loaded = load(flags={"from": "2025-05-01", "to": "2025-05-02"})
    assert loaded.config.frame == FrameConfig.model_validate({"from": "2025-05-01", "to": "2025-05-02"})
    assert (loaded.origins["frame.from"], loaded.origins["frame.to"]) == ("flag --from", "flag --to")


def test_from_and_to_replace_a_named_frame() -> None:
    frame = load("frame: may\n", flags={"frame": "june", "from": "2025-05-01", "to": "2025-05-02"}).config.frame
    assert isinstance(frame, FrameConfig)
    assert (frame.start_ms, frame.end_ms) == (MAY, MAY + DAY)


@pytest.mark.parametrize(
    "text",
    [
        "frame: {from: 2025-05-01, to: 2025-06-01}\n",
        "frame: may\nframes:\n  may: {from: 2025-05-01, to: 2025-06-01}\n",
    ],
)
def test_one_end_is_enough_where_the_other_is_known(text: str) -> None:
    frame = load(text, flags={"from": "2025-05-02"}).config.frame
    assert isinstance(frame, FrameConfig)
    assert (frame.start_ms, frame.end_ms) == (MAY + DAY, MAY + 31 * DAY)
    frame = load(text, sets=["frame.to=2025-05-02"]).config.frame
    assert isinstance(frame, FrameConfig)
    assert (frame.start_ms, frame.end_ms) == (MAY, MAY + DAY)


@pytest.mark.parametrize("text", [None, "frame: may\n"])
def test_one_end_is_not_enough_where_the_other_is_not_known(text: str | None) -> None:
    assert problems(text, flags={"from": "2025-05-02"}) == ["flag --from: frame.to: missing, expected both from and to"]
    assert problems(text, flags={"to": "2025-05-02"}) == ["flag --to: frame.from: missing, expected both from and to"]


def test_ends_in_the_wrong_order_name_the_flag_and_show_both() -> None:
    order = "frame: expected from to be before to, found from"
    both = {"from": "2025-05-02", "to": "2025-05-01"}
    assert problems(flags=both) == [f"flag --from: {order} 2025-05-02 00:00 to 2025-05-01 00:00"]
    text = "frame: {from: 2025-05-01, to: 2025-06-01}\n"
    assert problems(text, flags={"to": "2024-01-01T12:00"}) == [
        f"flag --to: {order} 2025-05-01 00:00 to 2024-01-01 12:00"
    ]


def test_a_path_is_text() -> None:
    assert load(flags={"out": Path("a") / "b"}).config.out == str(Path("a") / "b")


def test_instants_may_be_dates_and_datetimes() -> None:
    frame = load(
        flags={"from": date(2025, 5, 1), "to": datetime(2025, 5, 2, 2, tzinfo=timezone(timedelta(hours=2)))}
    ).config.frame
    assert isinstance(frame, FrameConfig)
    assert (frame.start_ms, frame.end_ms) == (MAY, MAY + DAY)


def test_a_column_of_a_table_can_be_set() -> None:
    sets = ["exchange.kind=sql", "exchange.url=sqlite:///a.db", "exchange.table=t", "exchange.columns.close=last"]
    exchange = load(sets=sets).config.exchange
    assert isinstance(exchange, SqlExchange)
    assert exchange.columns == {"close": "last"}

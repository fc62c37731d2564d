"""`btk report html` of a part of a run: minutes around its trades, read again and proved to be those of then."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.reports.html.packing import packed_candles
from backtestkit_cli.reports.saved.run_reading import load_run
from backtestkit_cli.runs import chart_candles
from tests.cli.program import RUN, a_strategy, called
from tests.data.candle_files import START, a_market, changed, without, write_parquet

STRATEGY = """
from backtestkit_cli import Signal, add_strategy, get_candles

def get_signal(symbol, when, price):
    get_candles(symbol, "5m", 3)
    return Signal(position="long", take_profit=price * 1.1, stop_loss=price * 0.9, minutes=30)

add_strategy("tiny", interval="1h", get_signal=get_signal, warm_up={"5m": 3})
"""
OWN_EXCHANGE = """
from backtestkit_cli import add_exchange
print("imported")

class Mine:
    async def get_candles(self, symbol, interval, since, limit):
        start = int(since.timestamp() * 1000)
        return [[start + n * 60_000, 100.0, 101.0, 99.0, 100.0, 1.0] for n in range(limit)]

    def format_price(self, symbol, price):
        return str(price)

    def format_quantity(self, symbol, quantity):
        return str(quantity)

add_exchange("mine", source=Mine())
"""
FRAME = ("-e", "tiny.py", "-s", "AAA,BBB", "--from", "2025-01-01T01:00", "--to", "2025-01-01T12:00", "-q")
PART = ("--from", "2025-01-01T03:10", "--to", "2025-01-01T05:00")
PART_MS = START + 3 * HOUR_MS + 10 * MINUTE_MS, START + 5 * HOUR_MS
PART_PAGE = "report-2025-01-01T0310_2025-01-01T0500.html"
MARKETS = {"AAA": a_market(1440, seed=0), "BBB": a_market(1440, seed=1)}


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a run over eleven hours of Parquet, of which it kept candles of three minutes."""
    monkeypatch.setattr(chart_candles, "CHART_CANDLES", 500)
    return a_run(folder)


def a_run(folder: Path, *more: str, **markets: Candles) -> Path:
    a_strategy(folder, STRATEGY)
    (folder / "run.yaml").write_text("exchange: {kind: parquet, path: candles}\n")
    for symbol, market in (MARKETS | markets).items():
        write_parquet(folder / "candles" / symbol / "1m.parquet", market)
    ended = called("backtest", "-c", "run.yaml", *FRAME, *more)
    assert ended.code == 0, ended.err
    (found,) = (folder / "dump" / "runs").iterdir()
    return found


def content_of(page: Path) -> dict[str, Any]:
    """Return the document inside *page*."""
    after = page.read_text().split('<script type="application/json" id="document">')[1]
    content: dict[str, Any] = orjson.loads(after.split("</script>")[0])
    return content


def packed(minutes: Candles) -> dict[str, Any]:
    prices = np.column_stack([minutes.open, minutes.high, minutes.low, minutes.close])
    return packed_candles(minutes.timestamp, prices)


def test_a_part_has_its_minutes_and_the_trades_that_were_open_in_it(run: Path) -> None:
    """D25."""
    whole = content_of(run / "report.html")
    assert {candles["step"] for candles in whole["candles"].values()} == {3 * MINUTE_MS}
    ended = called("report", "html", "latest", *PART)
    assert (ended.code, ended.out, ended.err) == (0, "", f"wrote dump/runs/{run.name}/{PART_PAGE}\n")
    part = content_of(run / PART_PAGE)
    assert part["candles"] == {symbol: packed(market.between(*PART_MS)) for symbol, market in MARKETS.items()}
    trades = load_run(run).trades.to_dicts()
    shown = [one for one in trades if one["opened_at"] < PART_MS[1] and one["closed_at"] >= PART_MS[0]]
    columns = part["trades"]["columns"]
    assert columns["opened"] == [one["opened_at"] for one in shown]
    assert columns["net"] == pytest.approx([one["pnl_cost"] for one in shown])
    assert 0 < min(columns["opened"]) < PART_MS[0], "it was open when the part begins"
    assert len(shown) < len(trades)


def test_everything_else_is_of_the_whole_run_and_the_page_says_so(run: Path) -> None:
    before = (run / "report.html").read_bytes()
    assert called("report", "html", *PART, "-q").err == ""
    whole, part = content_of(run / "report.html"), content_of(run / PART_PAGE)
    parted = {"candles", "part", "trades", "warnings"}
    assert {key for key in {*whole, *part} if whole.get(key) != part.get(key)} == parted
    assert part["warnings"][1:] == whole["warnings"]
    text = part["warnings"][0]["text"]
    assert "Candles (1m)" in text
    assert "2025-01-01 03:10 to 2025-01-01 05:00 UTC: every trade" in text
    assert "those of the whole run" in text
    assert (run / "report.html").read_bytes() == before
    assert called("report", "html", "-q").code == 0
    assert (run / "report.html").read_bytes() == before


def test_a_part_of_some_symbols_can_have_finer_candles_of_the_whole_frame(run: Path, tmp_path: Path) -> None:
    # 660 minutes of one symbol are more than 500 candles, but less than of two.
    page = tmp_path / "mine.html"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chart_candles, "CHART_CANDLES", 660)
        assert called("report", "html", "--symbols", "BBB", "--file", str(page)).err == f"wrote {page}\n"
    part = content_of(page)
    assert part["candles"] == {"BBB": packed(MARKETS["BBB"].between(START + HOUR_MS, START + 12 * HOUR_MS))}
    assert part["trades"]["texts"]["symbol"]["names"] == ["BBB"]
    assert "12:00 UTC, BBB: every trade" in part["warnings"][0]["text"]
    assert len(part["symbols"]["rows"]) == 2
    assert called("report", "html", "-s", "BBB", "-q").code == 0
    part = content_of(run / "report-2025-01-01T0100_2025-01-01T1200.html")
    assert part["candles"]["BBB"]["step"] == 3 * MINUTE_MS


def test_a_changed_candle_is_named_and_nothing_is_written(run: Path, folder: Path) -> None:
    other = changed(MARKETS["BBB"], 700, close=MARKETS["BBB"].close[700] * 1.0001)
    write_parquet(folder / "candles" / "BBB" / "1m.parquet", other)
    ended = called("report", "html", *PART)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert f"BBB: expected the candles that run {run.name} read" in ended.errors[0]
    assert "changed since" in ended.errors[0]
    assert not (run / PART_PAGE).exists()
    assert called("report", "html", *PART, "-s", "AAA").code == 0, "what is shown has not changed"


def test_candles_that_are_gone_are_the_usual_error(run: Path, folder: Path) -> None:
    (folder / "candles" / "AAA" / "1m.parquet").unlink()
    ended = called("report", "html", *PART)
    assert (ended.code, len(ended.errors)) == (3, 1)
    assert "AAA" in ended.errors[0]


@pytest.mark.parametrize("gaps", ["fill", "skip"])
def test_candles_with_gaps_in_warm_up_and_frame_are_those_of_then(folder: Path, gaps: str) -> None:
    holed = without(MARKETS["AAA"], 45, 50, 51, 200, 201, 719)
    run = a_run(folder, "--set", f"settings.gaps={gaps}", AAA=holed)
    assert called("report", "html", *PART, "-q").err == ""
    minutes = content_of(run / PART_PAGE)["candles"]["AAA"]
    assert minutes["count"] == 110 - 2 * (gaps == "skip")


def test_a_strategy_file_is_not_needed_where_the_config_says_the_exchange(run: Path, folder: Path) -> None:
    (folder / "tiny.py").unlink()
    assert called("report", "html", *PART, "-q").err == ""
    assert (run / PART_PAGE).is_file()


def test_an_exchange_of_the_strategy_file_is_found_there(folder: Path) -> None:
    a_strategy(folder, STRATEGY + OWN_EXCHANGE)
    assert called("backtest", "--exchange", "mine", *FRAME).code == 0
    ended = called("report", "html", *PART, "-q")
    assert (ended.code, ended.out, ended.err) == (0, "", "imported\n")
    (page,) = (folder / "dump" / "runs").glob(f"*/{PART_PAGE}")
    assert content_of(page)["candles"]["AAA"]["count"] == 110


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from", "2025-05-03"), ("--from", "part of its frame", "2025-05-04 00:00 to 2025-05-05 00:00")),
        (("--to", "2025-05-05T00:01"), ("--to", "part of its frame", "2025-05-05 00:01")),
        (("--from", "2025-05-04T12:00", "--to", "2025-05-04T12:00"), ("--from", "expected from to be before to")),
        (("--from", "2025-05-04T12:00", "--to", "2025-05-04T11:00"), ("--from", "expected from to be before to")),
        (("--from", "May"), ("--from", "2025-05-04T12:00", "'May'")),
        (("--to", ""), ("--to", "expected a date")),
        (("--symbols", "BTCUSD"), ("unknown symbol 'BTCUSD'", "'BTCUSDT'")),
    ],
    ids=" ".join,
)
def test_one_line_says_what_is_wrong_with_a_part(
    folder: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    assert called(*RUN, "-q").code == 0
    before = sorted(folder.rglob("*"))
    ended = called("report", "html", *arguments)
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (2, "", 1)
    assert [word for word in words if word not in ended.errors[0]] == []
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("changed_keys", "said"),
    [
        ({"config": None}, "no finer candles: its manifest does not hold a whole config"),
        ({"config": {"exchange": "theirs"}}, "no finer candles: the program that started it has its exchange"),
    ],
)
def test_a_run_whose_manifest_does_not_say_enough_has_no_parts(folder: Path, changed_keys: Any, said: str) -> None:
    assert called(*RUN, "-q").code == 0
    (run,) = (folder / "dump" / "runs").iterdir()
    told = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(told | changed_keys))
    ended = called("report", "html", "--from", "2025-05-04")
    assert (ended.code, ended.errors) == (2, [f"error: run {run.name}: {said}"])


def test_a_run_is_deleted_with_the_pages_of_its_parts(folder: Path) -> None:
    assert called(*RUN, "-q").code == 0
    for part in (("--from", "2025-05-04T12:00"), ("--symbols", "BTCUSDT")):
        assert called("report", "html", *part, "-q").code == 0
    (run,) = (folder / "dump" / "runs").iterdir()
    pages = {file.name for file in run.glob("report-*")}
    assert pages == {"report-2025-05-04T1200_2025-05-05.html", "report-2025-05-04_2025-05-05.html"}
    ended = called("runs", "delete", run.name, "--yes")
    assert (ended.code, run.exists()) == (0, False)

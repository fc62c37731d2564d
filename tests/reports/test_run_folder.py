import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from backtestkit_cli.analytics.outcome import CandleFacts, Failure, RunOutcome
from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.signal import CloseReason, Side
from backtestkit_cli.errors import OutputError
from backtestkit_cli.events.facts import PositionClosed, PositionOpened
from backtestkit_cli.reports.saved.record import record_of
from backtestkit_cli.reports.saved.run_folder import run_folder, write_run
from tests.builders import START_MS, a_position, a_session, a_trade, an_outcome
from tests.coordinated_run import coordinated_run

TIMES = {"started_at": "2025-05-04T10:00:00Z", "finished_at": "2025-05-04T10:00:02Z"}
COLUMNS = [
    *("id", "strategy", "symbol", "side", "reason", "scheduled_at", "opened_at", "closed_at", "minutes"),
    *("price_open", "price_effective", "price_close", "take_profit", "stop_loss", "invested", "pnl_pct", "pnl_cost"),
    *("gross_quote", "slippage_quote", "fee_quote", "mae_pct", "mfe_pct", "is_ambiguous"),
    *("entries", "partials", "fills", "note"),
]


def a_run() -> RunOutcome:
    late = a_trade(symbol="ETHUSDT", opened_at_ms=START_MS + 90 * MINUTE_MS, side=Side.SHORT, note="späť 📉")
    early = a_trade(steps=[("buy", 5, 95.0, 50.0), ("sell", 9, 105.0, 40.0)], reason=CloseReason.CLOSED)
    events = [
        PositionOpened(START_MS, "sma_cross", "BTCUSDT", 100.0, a_position()),
        PositionClosed(early.closed_at_ms, "sma_cross", "BTCUSDT", early),
        PositionClosed(late.closed_at_ms, "sma_cross", "ETHUSDT", late),
    ]
    gaps = CandleFacts(
        count=2884, minutes=2884, missing=3, gaps=((START_MS, START_MS + 3 * MINUTE_MS),), fingerprint="f00"
    )
    failed = a_session(symbol="XRPUSDT", candles=None, error="no candles", failure=Failure.DATA, marks=())
    return an_outcome(a_session(early), a_session(late, symbol="ETHUSDT", candles=gaps), failed, events=events)


def written(outcome: RunOutcome, out: Path, **extra: Any) -> dict[str, bytes]:
    folder = write_run(record_of(outcome, TIMES | extra), out)
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir())}


def test_a_run_is_six_files_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = write_run(record_of(a_run(), TIMES), tmp_path / "dump")
    assert folder == run_folder(tmp_path / "dump", "sma_cross-0123456789")
    assert sorted(file.name for file in folder.iterdir()) == [
        "candles.parquet",
        "equity.parquet",
        "events.jsonl",
        "manifest.json",
        "performance.json",
        "trades.parquet",
    ]


def test_two_runs_write_the_same_bytes_but_for_the_times_in_the_manifest(tmp_path: Path) -> None:
    first = written(a_run(), tmp_path / "a")
    second = written(a_run(), tmp_path / "b", started_at="2030-01-01T00:00:00Z")
    assert written(a_run(), tmp_path / "a") == first
    differing = {name for name in first if first[name] != second[name]}
    assert differing == {"manifest.json"}
    lines = zip(first["manifest.json"].splitlines(), second["manifest.json"].splitlines(), strict=True)
    assert [one.split(b":")[0].strip() for one, other in lines if one != other] == [b'"started_at"']


def test_trades_are_a_row_each_by_closing_time(tmp_path: Path) -> None:
    outcome = a_run()
    trades = pl.read_parquet(write_run(record_of(outcome, TIMES), tmp_path) / "trades.parquet")
    assert trades.columns == COLUMNS
    assert trades["symbol"].to_list() == ["BTCUSDT", "ETHUSDT"]
    first, trade = trades.row(0, named=True), outcome.sessions[0].trades[0]
    assert (first["id"], first["side"], first["reason"]) == (trade.id, "long", "closed")
    assert (first["opened_at"], first["closed_at"], first["minutes"]) == (START_MS, trade.closed_at_ms, 60)
    assert (first["invested"], first["pnl_pct"], first["pnl_cost"]) == (150, trade.pnl_pct, trade.pnl_cost)
    assert first["gross_quote"] - first["slippage_quote"] - first["fee_quote"] == pytest.approx(first["pnl_cost"])
    assert (first["entries"], first["partials"]) == (2, 1)
    assert trades["note"].to_list() == ["", "späť 📉"]


def test_fills_hold_every_buy_and_every_sell_with_the_last(tmp_path: Path) -> None:
    fills = json.loads(pl.read_parquet(write_run(record_of(a_run(), TIMES), tmp_path) / "trades.parquet")["fills"][0])
    assert fills["buys"] == [
        {"at": START_MS, "price": 100.0, "cost": 100.0},
        {"at": START_MS + 5 * MINUTE_MS, "price": 95.0, "cost": 50.0},
    ]
    assert [(sell["price"], sell["percent"], sell["cost"]) for sell in fills["sells"]] == [
        (105, 40, 60),
        (101, 100, 90),
    ]


def test_a_run_without_trades_has_empty_tables_of_the_same_columns(tmp_path: Path) -> None:
    full = write_run(record_of(a_run(), TIMES), tmp_path / "full")
    empty = write_run(record_of(an_outcome(), TIMES), tmp_path / "empty")
    for name in ("trades.parquet", "equity.parquet"):
        assert pl.read_parquet_schema(empty / name) == pl.read_parquet_schema(full / name)
        assert pl.read_parquet(empty / name).height == 0
    assert (empty / "events.jsonl").read_bytes() == b""


def test_equity_has_a_row_for_each_mark_of_each_session(tmp_path: Path) -> None:
    outcome = a_run()
    equity = pl.read_parquet(write_run(record_of(outcome, TIMES), tmp_path) / "equity.parquet")
    assert equity.columns == ["timestamp", "strategy", "symbol", "realised_quote", "unrealised_quote", "equity_quote"]
    assert equity["symbol"].to_list() == ["BTCUSDT"] * 2 + ["ETHUSDT"] * 2
    assert equity["equity_quote"][3] == outcome.sessions[1].trades[0].pnl_cost


def test_the_account_has_a_table_of_its_own_that_ends_where_it_ended(tmp_path: Path) -> None:
    outcome = coordinated_run()
    account = outcome.account
    assert account is not None
    table = pl.read_parquet(write_run(record_of(outcome, TIMES), tmp_path) / "account.parquet")
    assert table.columns == ["timestamp", "cash_quote", "positions_quote", "equity_quote"]
    assert table["timestamp"].to_list() == [*range(outcome.facts.start_ms + DAY_MS, outcome.facts.end_ms + 1, DAY_MS)]
    assert table["equity_quote"][-1] == pytest.approx(account.equity)
    assert (table["cash_quote"] + table["positions_quote"]).to_list() == table["equity_quote"].to_list()
    assert table["positions_quote"][0] > 0


def test_the_manifest_has_the_account_with_its_stops(tmp_path: Path) -> None:
    outcome = coordinated_run()
    manifest = json.loads(written(outcome, tmp_path)["manifest.json"])
    assert manifest["account"]["return_pct"] == pytest.approx(-3.79, abs=0.01)
    assert manifest["account"]["stops"] == [manifest["account"]["stopped"]]
    assert (manifest["account"]["stopped"]["rule"], manifest["exit_code"]) == ("max_drawdown", 6)


def test_a_number_that_is_not_finite_is_null(tmp_path: Path) -> None:
    outcome = an_outcome(a_session(a_trade(cost=1.7e308, price_close=1e6), a_trade()))
    trades = pl.read_parquet(write_run(record_of(outcome, TIMES), tmp_path) / "trades.parquet")
    assert trades["pnl_cost"].null_count() == 1
    assert trades["pnl_cost"].is_nan().any() is False


def test_events_are_lines_of_json(tmp_path: Path) -> None:
    lines = (write_run(record_of(a_run(), TIMES), tmp_path) / "events.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["position_opened", "position_closed", "position_closed"]


def test_the_manifest_says_what_the_run_was_computed_from(tmp_path: Path) -> None:
    files = written(a_run(), tmp_path, command="btk backtest --symbols BTCUSDT", exit_code=4)
    manifest = json.loads(files["manifest.json"])
    assert set(manifest["versions"]) == {"btk", "python", "polars", "numpy"}
    assert manifest["candles"]["ETHUSDT"]["gaps"] == [[START_MS, START_MS + 3 * MINUTE_MS]]
    assert manifest["candles"]["BTCUSDT"]["fingerprint"] == "of-BTCUSDT"
    assert manifest["strategies"]["sma_cross"]["source_sha256"] == "ab" * 32
    assert manifest["settings"]["sma_cross"]["fill_model"] == "vwap"
    assert (manifest["seed"], manifest["exit_code"], manifest["command"]) == (7, 4, "btk backtest --symbols BTCUSDT")
    assert manifest["sessions"][2]["error"] == "no candles"
    assert manifest["sessions"][2]["failure"] == "data"
    assert manifest["started_at"] == TIMES["started_at"]
    assert list(manifest) == sorted(manifest)


def test_the_config_hash_changes_with_what_decides_the_run(tmp_path: Path) -> None:
    def config_hash(outcome: RunOutcome) -> str:
        return str(json.loads(written(outcome, tmp_path)["manifest.json"])["config_hash"])

    assert config_hash(an_outcome()) == config_hash(an_outcome(run_id="another"))
    assert config_hash(an_outcome()) != config_hash(an_outcome(exchange="parquet"))


@pytest.fixture
def disk_full(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("backtestkit_cli.atomic.os.fsync", no_space)


@pytest.mark.usefixtures("disk_full")
def test_a_full_disk_is_one_line_that_names_the_file_and_leaves_no_draft(tmp_path: Path) -> None:
    with pytest.raises(OutputError) as raised:
        write_run(record_of(a_run(), TIMES), tmp_path)
    folder = run_folder(tmp_path, "sma_cross-0123456789")
    assert str(raised.value) == f"cannot write {folder / 'trades.parquet'}: No space left on device"
    assert list(folder.iterdir()) == []


def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path) -> None:
    out = tmp_path / "dump"
    out.write_text("mine")
    with pytest.raises(OutputError) as raised:
        write_run(record_of(a_run(), TIMES), out)
    assert str(raised.value).endswith(f"trades.parquet: expected a folder, {out} is a file")
    assert out.read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a folder that refuses even root")
def test_a_folder_that_may_not_be_written_is_one_line() -> None:
    with pytest.raises(OutputError, match=r"^cannot write /proc/nowhere/runs/.*trades\.parquet: [^\n]+$"):
        write_run(record_of(a_run(), TIMES), Path("/proc/nowhere"))


def test_importing_the_reports_does_not_import_polars() -> None:
    modules = "backtestkit_cli.reports.markdown.kinds, backtestkit_cli.reports.saved.run_folder"
    code = f"import sys, {modules}; print(*sys.modules)"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "polars" not in ended.stdout.split()

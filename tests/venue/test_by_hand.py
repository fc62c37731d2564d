import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import orjson
import pytest

from tests.data.candle_files import START, a_market, write_parquet
from tests.venue.__main__ import main
from tests.venue.market import VenueMarket
from tests.venue.server import Venue, running
from tests.venue.tapes import held

ROOT = Path(__file__).resolve().parents[2]


def got(url: str) -> object:
    with urllib.request.urlopen(url, timeout=20) as answer:
        return orjson.loads(answer.read())


def a_venue(port: int = 0) -> Venue:
    return Venue(VenueMarket(held({"BTCUSDT": a_market()})), port=port)


def port_of(venue: Venue) -> int:
    return int(venue.url.rpartition(":")[2])


def test_a_venue_runs_beside_a_test_that_waits() -> None:
    with running(a_venue()) as venue:
        assert got(f"{venue.url}/api/v3/ping") == {}
    assert [received.status for received in venue.requests] == [200]


def test_a_port_is_free_as_soon_as_the_venue_has_stopped() -> None:
    with running(a_venue()) as first:
        got(f"{first.url}/api/v3/ping")
        second = a_venue(port_of(first))
        with pytest.raises(OSError, match="in use"), running(second):
            pass
    with running(second):
        assert second.url == first.url


def test_the_program_says_where_it_is_and_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    write_parquet(tmp_path / "BTCUSDT" / "1m.parquet", a_market())
    command = [sys.executable, "-m", "tests.venue", "--candles", str(tmp_path), "--port", "0", "--now", "2025-01-01T03"]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        said, account = process.stdout.readline(), process.stdout.readline()
        url = said.split()[0]
        newest = got(f"{url}/api/v3/klines?symbol=BTCUSDT&interval=1h")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert said == f"{url} has BTCUSDT; try: btk cache warm --set exchange.url={url} ...\n"
    assert isinstance(newest, list)
    assert [row[0] for row in newest] == [START + hour * 3_600_000 for hour in range(4)]
    assert account == "its account has 10000 USDT; key loopback-key, secret loopback-secret\n"
    assert (process.returncode, out, err) == (0, "1 requests; faults: none\n", "")


def test_a_folder_without_candles_is_an_error_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["venue", "--candles", str(tmp_path)])
    assert main() == 1
    assert capsys.readouterr().err == f"error: {tmp_path}: expected <symbol>/<interval>.parquet or .csv, found none\n"

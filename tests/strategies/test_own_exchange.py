"""The example of an exchange of one's own, against a service that answers for real."""

import json
import os
from pathlib import Path

import pytest

from tests.cli.program import called
from tests.venue.faults import Faults, html_page, too_many_requests
from tests.venue.market import VenueMarket
from tests.venue.server import Venue, running
from tests.venue.tapes import demo_tapes

EXAMPLE = Path(__file__).parents[2] / "strategies" / "own_exchange.py"
FRAME = ("--from", "2025-05-04", "--to", "2025-05-07")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("CC_") or name == "BTK_DATA"]:
        monkeypatch.delenv(name)


def backtest(exchange: str, *flags: str) -> dict[str, object]:
    arguments = ("backtest", "-e", str(EXAMPLE), "--exchange", exchange, "-s", "BTCUSDT", *FRAME, "--json", *flags)
    ended = called(*arguments)
    assert ended.code == 0, ended.err
    document: dict[str, object] = json.loads(ended.out)
    return document


def test_its_candles_are_asked_for_once_and_give_the_results_of_the_market_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    faults = Faults.script([None, too_many_requests(retry_after_s=0), html_page(503)])
    with running(Venue(VenueMarket(demo_tapes(["BTCUSDT"])), faults=faults)) as venue:
        monkeypatch.setenv("OWN_EXCHANGE_URL", venue.url)
        mine = backtest("mine")
        minutes = 5 * 1440  # three days, and two of warm-up
        answered = [one for one in venue.candle_requests if one.status == 200]
        assert len(answered) == -(-minutes // 1000)
        again = backtest("mine", "--offline")
        assert len([one for one in venue.candle_requests if one.status == 200]) == len(answered)
    assert again["total"] == mine["total"]
    assert backtest("demo")["total"] == mine["total"]


def test_a_service_that_is_not_there_ends_with_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_EXCHANGE_URL", "http://127.0.0.1:9")
    text = EXAMPLE.read_text()
    assert "ATTEMPTS = 4\n" in text
    Path("own.py").write_text(text.replace("ATTEMPTS = 4\n", "ATTEMPTS = 2\n"))  # its waits are long
    arguments = ("backtest", "-e", "own.py", "--exchange", "mine", "-s", "BTCUSDT", *FRAME)
    ended = called(*arguments)
    assert ended.code == 5
    assert ended.errors == [ended.err.splitlines()[0]]
    assert "no answer" in ended.errors[0]

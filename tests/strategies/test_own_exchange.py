"""The example of an exchange of one's own, against a service that answers for real."""

import json
from pathlib import Path

from tests.cli.program import started
from tests.venue.faults import Faults, html_page, too_many_requests
from tests.venue.market import VenueMarket
from tests.venue.server import Venue, running
from tests.venue.tapes import demo_tapes

EXAMPLE = Path(__file__).parents[2] / "strategies" / "own_exchange.py"
FRAME = ("--from", "2025-05-04", "--to", "2025-05-07")


def backtest(exchange: str, folder: Path, url: str, *flags: str) -> dict[str, object]:
    arguments = ("backtest", "-e", str(EXAMPLE), "--exchange", exchange, "-s", "BTCUSDT", *FRAME, "--json", *flags)
    ended = started(*arguments, folder=folder, OWN_EXCHANGE_URL=url)
    assert ended.code == 0, ended.err
    document: dict[str, object] = json.loads(ended.out)
    return document


def test_its_candles_are_asked_for_once_and_give_the_results_of_the_market_behind_it(tmp_path: Path) -> None:
    faults = Faults.script([None, too_many_requests(retry_after_s=0), html_page(503)])
    with running(Venue(VenueMarket(demo_tapes(["BTCUSDT"])), faults=faults)) as venue:
        mine = backtest("mine", tmp_path, venue.url)
        minutes = 5 * 1440  # three days, and two of warm-up
        answered = [one for one in venue.candle_requests if one.status == 200]
        assert len(answered) == -(-minutes // 1000)
        again = backtest("mine", tmp_path, venue.url, "--offline")
        assert len([one for one in venue.candle_requests if one.status == 200]) == len(answered)
    assert again["total"] == mine["total"]
    assert backtest("demo", tmp_path, venue.url)["total"] == mine["total"]


def test_a_service_that_is_not_there_ends_with_one_line(tmp_path: Path) -> None:
    arguments = ("backtest", "-e", str(EXAMPLE), "--exchange", "mine", "-s", "BTCUSDT", *FRAME)
    ended = started(*arguments, folder=tmp_path, OWN_EXCHANGE_URL="http://127.0.0.1:9")
    assert ended.code == 5
    assert ended.errors == [ended.err.splitlines()[0]]
    assert "no answer" in ended.errors[0]

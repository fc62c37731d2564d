"""`btk doctor`."""

import json
from pathlib import Path

import pytest

from tests.cli.program import called, started
from tests.exchange.sources import a_venue
from tests.venue.server import running


@pytest.mark.usefixtures("folder")
def test_the_demo_market_is_well_without_a_network() -> None:
    ended = called("doctor", "-e", "tiny.py")
    assert (ended.code, ended.err) == (0, "")
    checks = [line.split("  ")[0] for line in ended.out.splitlines()[2:]]
    assert checks[:4] == ["packages", "config", "entry", "data folder"]


@pytest.mark.usefixtures("folder")
def test_as_json_it_is_one_document_with_the_exit_code() -> None:
    ended = called("doctor", "--set", "workers=0", "--json")
    document = json.loads(ended.out)
    assert (ended.code, document["ok"], document["exit_code"]) == (2, False, 2)
    (config,) = [one for one in document["findings"] if one["check"] == "config"]
    assert config["level"] == "failed"
    assert config["text"].startswith("flag --set: workers: expected")
    assert config["advice"]


def test_a_program_of_its_own_asks_a_venue_shows_no_key_and_leaves_nothing(folder: Path) -> None:
    with running(a_venue()) as venue:  # its clock stands in 2025
        exchange = f"{{kind: ccxt, name: venue, id: binance, url: '{venue.url}'}}"
        (folder / "run.yaml").write_text(f"exchange: {exchange}\nsymbols: [BTCUSDT]\n")
        keys = {"VENUE_API_KEY": "the-key-itself", "VENUE_API_SECRET": "the-secret-itself"}
        before = sorted(folder.rglob("*"))
        ended = started("doctor", "-c", "run.yaml", folder=folder, anew=False, **keys)
        asked = {received.path for received in venue.requests}
    assert ended.code == 5
    assert "it is 2025-01-03 02:00:00.500 there and " in ended.out
    assert not [word for word in keys.values() if word in ended.out + ended.err]
    assert asked == {"/api/v3/exchangeInfo", "/api/v3/time", "/api/v3/account"}
    assert sorted(folder.rglob("*")) == before

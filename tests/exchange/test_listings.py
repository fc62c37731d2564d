from decimal import Decimal
from pathlib import Path

import pytest

from backtestkit_cli.domain.grid import Grid
from backtestkit_cli.errors import DataError, OutputError
from backtestkit_cli.exchange.listings import Listing, load, save

LISTINGS = {
    "ETH/USDT": Listing(symbol="ETH/USDT", id="ETHUSDT", base="ETH", quote="USDT", active=False),
    "BTC/USD:BTC": Listing(
        symbol="BTC/USD:BTC",
        id="BTCUSD_PERP",
        base="BTC",
        quote="USD",
        settle="BTC",
        kind="swap",
        grid=Grid(price_step=Decimal("0.10"), price_digits=5, min_cost=Decimal("1E-8")),
    ),
}


def test_listings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    file = tmp_path / "venue" / "markets.json"
    save(file, LISTINGS)
    assert load(file) == LISTINGS


def test_equal_listings_are_equal_bytes_and_are_not_written_again(tmp_path: Path) -> None:
    file = tmp_path / "markets.json"
    save(file, LISTINGS)
    before = file.stat().st_mtime_ns, file.read_bytes()
    save(file, dict(reversed(LISTINGS.items())))
    assert (file.stat().st_mtime_ns, file.read_bytes()) == before


NO_NAMES = '"id": "", "base": "", "quote": "", "settle": "", "type": "", "active": true'
NO_GRID = '{"A/B": {' + NO_NAMES + ', "grid": {"price_step": "x"}}}'


@pytest.mark.parametrize("content", ["", "[]", '{"A/B": {}}', '{"A/B": 1}', '{"A/B": {"id": "', NO_GRID])
def test_a_file_of_something_else_is_refused_in_one_line(tmp_path: Path, content: str) -> None:
    file = tmp_path / "markets.json"
    file.write_text(content)
    with pytest.raises(
        DataError, match=r"markets\.json: expected the markets of a venue, found .*; delete it"
    ) as caught:
        load(file)
    assert "\n" not in str(caught.value)


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot be written: "):
        save(tmp_path, LISTINGS)
    with pytest.raises(DataError, match=r"cannot be read: "):
        load(tmp_path)

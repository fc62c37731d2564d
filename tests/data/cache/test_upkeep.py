"""List, import and export; names that stay inside of the cache."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey
from backtestkit_cli.data.cache.transfer import export, import_candles
from backtestkit_cli.data.cache.upkeep import summaries
from backtestkit_cli.data.files.source import CandleFiles
from backtestkit_cli.domain.door import TIME_LIMIT_MS
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.errors import BadCandleError, ConfigError, MissingCandlesError, OutputError, UnknownNameError
from tests.data.cache.remotes import MONTH_END, NOW, a_venue, cached, gappy, minutes, tree
from tests.data.candle_files import START, a_market, bytes_of, changed, frame_of, without

KEY = SeriesKey("venue", "BTCUSDT", "1m")
FROM = MONTH_END - minutes(500)


async def test_a_list_says_what_is_there(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    assert summaries(folder) == []
    await cached(tmp_path, a_venue(without(a_market(1000, start=FROM), 0, 7, 8))).warm(
        "BTCUSDT", "1m", FROM, FROM + minutes(1000)
    )
    await import_candles(folder, SeriesKey("other", "ETH/BTC", "1h"), a_market(5, length_ms=minutes(60)), now_ms=NOW)
    other, venue = summaries(folder)
    assert other.key == SeriesKey("other", "ETH/BTC", "1h")
    assert (other.first_ms, other.last_ms, other.candles) == (START, START + minutes(240), 5)
    assert (venue.first_ms, venue.last_ms) == (FROM + MINUTE_MS, FROM + minutes(999))
    assert (venue.candles, venue.missing, len(venue.gaps)) == (997, 3, 2)
    assert venue.covered == ((FROM, FROM + minutes(1000)),)
    files = {name: content for name, content in tree(tmp_path).items() if name.startswith("venue/")}
    assert (len(files), venue.size_bytes) == (2, sum(map(len, files.values())))
    (tmp_path / "venue" / "BTCUSDT" / "1m" / "2025-02.parquet").write_bytes(b"")
    (problem,) = summaries(folder)[1].problems
    assert "2025-02.parquet: damaged: " in problem


async def test_a_list_of_months_without_candles_has_no_first_and_last(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START - minutes(100), START)
    (found,) = summaries(CacheFolder(tmp_path))
    assert (found.first_ms, found.last_ms, found.candles, found.missing) == (None, None, 0, 100)


async def test_what_is_imported_is_covered_with_its_gaps(tmp_path: Path) -> None:
    candles, folder = without(a_market(1000, start=FROM), 7, 8, 600), CacheFolder(tmp_path)
    done = await import_candles(folder, KEY, candles, now_ms=NOW)
    assert (done.added, done.same, done.replaced, done.unclosed) == (997, 0, 0, 0)
    assert done.gaps == ((FROM + minutes(7), FROM + minutes(9)), (FROM + minutes(600), FROM + minutes(601)))
    got = await cached(tmp_path, None).fetch("BTCUSDT", "1m", *done.span)
    assert bytes_of(got) == bytes_of(candles)
    before = tree(tmp_path)
    again = await import_candles(folder, KEY, candles, now_ms=NOW)
    assert (again.added, again.same) == (0, 997)
    assert tree(tmp_path) == before


async def test_an_import_fills_gaps_and_keeps_what_it_does_not_have(tmp_path: Path) -> None:
    folder, whole = CacheFolder(tmp_path), a_market(100)
    await import_candles(folder, KEY, without(whole, 10, 11), now_ms=NOW)
    done = await import_candles(folder, KEY, without(whole, 50, 11), now_ms=NOW)
    assert (done.added, done.same, done.gaps) == (1, 97, ((START + minutes(11), START + minutes(12)),))
    assert bytes_of(folder.series("venue", "BTCUSDT", "1m").read(*done.span).candles) == bytes_of(without(whole, 11))


async def test_an_import_that_contradicts_is_refused_or_wins(tmp_path: Path) -> None:
    folder, whole = CacheFolder(tmp_path), a_market(100)
    await import_candles(folder, KEY, whole, now_ms=NOW)
    before = tree(tmp_path)
    other = changed(changed(whole, 5, volume=1.25), 9, volume=2.5)
    held = float(whole.volume[5])
    with pytest.raises(BadCandleError) as raised:
        await import_candles(folder, KEY, other, now_ms=NOW)
    assert str(raised.value) == (
        f"import of venue: BTCUSDT 1m: the candle of 2025-01-01 00:05 has volume 1.25, the cache has {held!r};"
        " 2 candles differ in all; expected equal ones (--replace lets the import win)"
    )
    assert tree(tmp_path) == before
    done = await import_candles(folder, KEY, other, now_ms=NOW, replace=True)
    assert (done.added, done.same, done.replaced) == (0, 98, 2)
    assert bytes_of(folder.series("venue", "BTCUSDT", "1m").read(*done.span).candles) == bytes_of(other)


async def test_an_import_leaves_out_what_is_not_closed(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    done = await import_candles(folder, KEY, a_market(100), now_ms=START + minutes(60) + 59_999)
    assert (done.added, done.unclosed, done.span) == (60, 40, (START, START + minutes(60)))
    with pytest.raises(MissingCandlesError, match="expected closed candles, found none"):
        await import_candles(folder, KEY, a_market(100), now_ms=START)
    with pytest.raises(BadCandleError, match=r"^import of venue: BTCUSDT 1m: candle 4 .*positive prices"):
        await import_candles(folder, KEY, changed(a_market(100), 3, low=-1.0), now_ms=NOW)


@pytest.mark.parametrize("name", ["out.csv", "OUT.CSV.GZ", "out.parquet"])
async def test_what_is_exported_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    candles, folder = gappy(1000, start=FROM), CacheFolder(tmp_path / "cache")
    await import_candles(folder, KEY, candles, now_ms=NOW)
    path = tmp_path / "out" / name
    done = export(folder, KEY, (FROM - minutes(10), FROM + minutes(1000)), path)
    first, content = int(candles.timestamp[0]), path.read_bytes()
    assert (done.path, done.candles) == (path, len(candles))
    assert done.uncovered[0] == (FROM - minutes(10), first)
    assert done.gaps == summaries(folder)[0].gaps
    export(folder, KEY, (FROM - minutes(10), FROM + minutes(1000)), path)
    assert path.read_bytes() == content
    if name.endswith("parquet"):
        assert pl.read_parquet(path).equals(frame_of(candles))
    back = await CandleFiles(path, "files", symbol="BTCUSDT", interval="1m").fetch("BTCUSDT", "1m", 0, NOW)
    assert bytes_of(back) == bytes_of(candles)
    other = CacheFolder(tmp_path / "other")
    await import_candles(other, KEY, back, now_ms=NOW)
    assert tree(other.root) == tree(folder.root)


@given(values=st.lists(st.floats(1e-12, 1e15), min_size=1, max_size=20))
def test_any_number_survives_csv(values: list[float], tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("csv") / "x.csv"
    path.write_bytes(pl.DataFrame({"x": values}).write_csv().encode())
    assert pl.read_csv(path, schema={"x": pl.Float64()})["x"].to_list() == values


async def test_an_export_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache")
    with pytest.raises(MissingCandlesError, match=r"venue: BTCUSDT 1m: no candles of 2025-01-01 00:00 .* in the cache"):
        export(folder, KEY, (START, START + minutes(10)), tmp_path / "x.csv")
    with pytest.raises(MissingCandlesError, match="venue: BTCUSDT 1m: no candles in the cache"):
        export(folder, KEY, (0, TIME_LIMIT_MS), tmp_path / "x.csv")
    await import_candles(folder, KEY, a_market(10), now_ms=NOW)
    with pytest.raises(ConfigError, match=r"expected a name that ends in \.csv, \.csv\.gz, \.parquet"):
        export(folder, KEY, (START, START + minutes(10)), tmp_path / "x.xlsx")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"x\.csv: cannot be written: "):
        export(folder, KEY, (START, START + minutes(10)), tmp_path / "file" / "x.csv")
    assert [path.name for path in tmp_path.iterdir() if "draft" in path.name] == []


@pytest.mark.parametrize(
    "name",
    [
        "../x",
        "..",
        ".",
        "a/b",
        "/etc/passwd",
        "a\\b",
        "BTC/USDT:USDT",
        "x" * 3000,
        "é" * 400,
        "a\0b",
        "\udcff",
        " ",
        "~",
        "%2E",
        "BTC.",
        "nul",
        "Aux.x",
        "COM1",
    ],
    ids=ascii,
)
async def test_names_stay_inside_of_the_cache(name: str, tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path / "cache")
    await import_candles(folder, SeriesKey("venue", name, "1m"), a_market(5), now_ms=NOW)
    await import_candles(folder, SeriesKey(name, "BTCUSDT", "1m"), a_market(5), now_ms=NOW)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
    files = [file.relative_to(tmp_path / "cache").parts for file in tmp_path.rglob("*.parquet")]
    assert [len(parts) for parts in files] == [4, 4]
    assert not {part.partition(".")[0].upper() for parts in files for part in parts} & {"NUL", "AUX", "COM1"}
    assert not [part for parts in files for part in parts if part.endswith(".")]
    assert len(folder.series("venue", name, "1m").read(START, START + minutes(5)).candles) == 5
    if len(name) < 100 and name != "\udcff":
        assert folder.symbols("venue") == [name]
        assert sorted(folder.exchanges()) == sorted(["venue", name])


def test_names_that_are_none_are_refused(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    with pytest.raises(ConfigError, match="symbol: expected a name, found an empty one"):
        folder.series("venue", "", "1m")
    with pytest.raises(ConfigError, match="exchange: expected a name"):
        folder.series("", "BTCUSDT", "1m")
    with pytest.raises(UnknownNameError, match=r"'\.\./1m'"):
        folder.series("venue", "BTCUSDT", "../1m")


def test_long_names_with_one_beginning_are_two(tmp_path: Path) -> None:
    folder = CacheFolder(tmp_path)
    paths = {folder.series("venue", "x" * 500 + end, "1m").path for end in "ab"}
    assert len(paths) == 2

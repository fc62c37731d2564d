"""Files that are not what was written: found, moved aside, fetched again, reported."""

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest

from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey
from backtestkit_cli.data.cache.partition import DamagedFileError, NewerFileError, read_month
from backtestkit_cli.data.cache.upkeep import verify
from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.domain.spans import Span
from backtestkit_cli.errors import BadCandleError, MissingCandlesError, VenueError
from tests.data.cache.remotes import MONTH_END, a_venue, cached, gappy, minutes, tree
from tests.data.candle_files import START, a_market, bytes_of, changed, frame_of

COUNT = 3000
FROM = MONTH_END - minutes(1500)
SPAN = (FROM, FROM + minutes(COUNT))
CANDLES = gappy(COUNT, start=FROM)


def with_map(**changes: object) -> Callable[[Path], None]:
    """Return what rewrites a file with another map, which no flipped bit would give."""

    def rewrite(file: Path) -> None:
        facts = orjson.loads(pl.read_parquet_metadata(file)["btk"])
        pl.read_parquet(file).write_parquet(file, metadata={"btk": orjson.dumps({**facts, **changes}).decode()})

    return rewrite


def flip(at: float) -> Callable[[Path], None]:
    def damage(file: Path) -> None:
        content = bytearray(file.read_bytes())
        content[int(at * len(content)) if at < 1 else -int(at)] ^= 0x55
        file.write_bytes(content)

    return damage


def with_rows(file: Path) -> None:
    metadata = pl.read_parquet_metadata(file)["btk"]
    pl.read_parquet(file).head(-1).write_parquet(file, metadata={"btk": metadata})


def with_other_prices(file: Path) -> None:
    metadata = pl.read_parquet_metadata(file)["btk"]
    pl.read_parquet(file).with_columns(pl.lit(-1.0).alias("low")).write_parquet(file, metadata={"btk": metadata})


def with_nulls(file: Path) -> None:
    metadata = pl.read_parquet_metadata(file)["btk"]
    pl.read_parquet(file).with_columns(volume=pl.col("volume").shift(1)).write_parquet(file, metadata={"btk": metadata})


DAMAGE: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "cut": lambda file: file.write_bytes(file.read_bytes()[:10_000]),
    "cut at the end": lambda file: file.write_bytes(file.read_bytes()[:-1]),
    "no parquet": lambda file: file.write_bytes(b"timestamp,open\n" * 500),
    "foreign parquet": lambda file: frame_of(a_market(100)).write_parquet(file),
    "footer": flip(10),
    "length of the footer": flip(6),
    "start of the footer": flip(400),
    "fewer rows": with_rows,
    "other prices": with_other_prices,
    "nulls": with_nulls,
    "no map": lambda file: pl.read_parquet(file).write_parquet(file, metadata={"btk": "{"}),
    "an old version": with_map(version=0),
    "spans that are none": with_map(covered=[[1]]),
    "more gaps than time": with_map(gaps=[[0, 1 << 50]]),
    "another interval": with_map(interval_ms=5 * MINUTE_MS),
    "another month": lambda file: file.rename(file.with_name("2025-01.parquet")),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
async def test_a_damaged_file_is_moved_aside_fetched_again_and_reported(
    damage: Callable[[Path], object], tmp_path: Path
) -> None:
    await cached(tmp_path, a_venue(CANDLES)).warm("BTCUSDT", "1m", *SPAN)
    before = tree(tmp_path)
    february = tmp_path / "venue" / "BTCUSDT" / "1m" / "2025-02.parquet"
    damage(february)
    damaged = february if february.exists() else february.with_name("2025-01.parquet")
    bad = damaged.read_bytes()

    reports: list[str] = []
    venue = a_venue(CANDLES)
    got = await cached(tmp_path, venue, on_damage=reports.append).fetch("BTCUSDT", "1m", *SPAN)

    assert bytes_of(got) == bytes_of(CANDLES)
    assert len(reports) == 1
    assert "\n" not in reports[0]
    assert reports[0].startswith(f"{damaged}: damaged: ")
    assert reports[0].endswith(f"; moved aside to {damaged.name}.damaged")
    assert sum(end - start for start, end in venue.spans()) <= minutes(COUNT)
    after = tree(tmp_path)
    assert after.pop(f"venue/BTCUSDT/1m/{damaged.name}.damaged") == bad
    assert after == before


async def test_a_flipped_byte_anywhere_is_found_or_changes_nothing(tmp_path: Path) -> None:
    candles = gappy(60)
    await cached(tmp_path, a_venue(candles)).warm("BTCUSDT", "1m", START, START + minutes(60))
    file = next(tmp_path.rglob("*.parquet"))
    content = file.read_bytes()
    for at in range(0, len(content), 11):
        file.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        try:
            facts, held = read_month(file, MINUTE_MS)
        except (DamagedFileError, NewerFileError):
            continue
        assert bytes_of(held) == bytes_of(candles)
        assert facts.covered == ((START, START + minutes(60)),)


async def test_a_second_damaged_file_of_a_month_gets_a_number(tmp_path: Path) -> None:
    source = cached(tmp_path, a_venue())
    for _ in range(3):
        await source.fetch("BTCUSDT", "1m", START, START + minutes(100))
        next(tmp_path.rglob("*.parquet")).write_bytes(b"")
    await source.fetch("BTCUSDT", "1m", START, START + minutes(100))
    names = sorted(Path(name).name for name in tree(tmp_path))
    assert names == [f"2025-01.parquet{ending}" for ending in ("", ".damaged", ".damaged.2", ".damaged.3")]


async def test_offline_and_without_writing_damage_is_an_absence_that_is_explained(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100))
    file = next(tmp_path.rglob("*.parquet"))
    file.write_bytes(b"nothing")
    reports: list[str] = []
    beside = cached(tmp_path, a_venue(), writes=False, on_damage=reports.append)
    assert len(await beside.fetch("BTCUSDT", "1m", START, START + minutes(100))) == 100
    assert reports == [f"{file}: damaged: {reports[0].split(': damaged: ')[1]}"]
    assert reports[0].endswith("; left where it is")
    with pytest.raises(
        MissingCandlesError,
        match=r"100 1m candles are not in the cache.*2025-01.parquet: damaged.*left where it is\); `btk",
    ):
        await cached(tmp_path, None).fetch("BTCUSDT", "1m", START, START + minutes(100))
    assert file.read_bytes() == b"nothing"


async def test_what_else_a_damaged_file_held_is_fetched_again_as_well(tmp_path: Path) -> None:
    venue = a_venue()
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(300))
    file = next(tmp_path.rglob("*.parquet"))
    content = file.read_bytes()
    with_other_prices(file)
    damaged = bytearray(content)
    damaged[1_000] ^= 1  # within the columns: the map at the end can still be read
    file.write_bytes(damaged)
    checks = await verify(CacheFolder(tmp_path))
    assert [one.problem is not None for one in checks] == [True]
    damaged[200:3_000] = bytes(2_800)  # prices of 0, which reading notices
    file.write_bytes(damaged)
    await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(10))
    assert file.read_bytes() == content


async def test_a_file_of_another_symbol_is_none_of_its_own(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100))
    shutil.copytree(tmp_path / "venue" / "BTCUSDT", tmp_path / "venue" / "ETHUSDT")
    checks = await verify(CacheFolder(tmp_path))
    assert [(one.key.symbol, one.problem is None) for one in checks] == [("BTCUSDT", True), ("ETHUSDT", False)]
    with pytest.raises(MissingCandlesError, match="its map is not of this symbol"):
        await cached(tmp_path, None).fetch("ETHUSDT", "1m", START, START + minutes(100))


async def test_a_file_of_a_newer_version_is_refused_and_stays(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue()).warm("BTCUSDT", "1m", START, START + minutes(100))
    file = next(tmp_path.rglob("*.parquet"))
    with_map(version=2)(file)
    content = file.read_bytes()
    with pytest.raises(NewerFileError, match=r"written by a newer btk \(format 2, this one reads 1\); upgrade btk"):
        await cached(tmp_path, a_venue()).fetch("BTCUSDT", "1m", START, START + minutes(200))
    checks = await verify(CacheFolder(tmp_path), moves=True)
    assert [(one.moved_to, "newer btk" in str(one.problem)) for one in checks] == [(None, True)]
    assert file.read_bytes() == content


async def test_candles_against_the_rules_never_enter(tmp_path: Path) -> None:
    venue = a_venue(changed(a_market(100), 5, low=-1.0))
    with pytest.raises(BadCandleError, match=r"^venue: BTCUSDT 1m: candle 6 .*positive prices"):
        await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(100))
    assert tree(tmp_path) == {}


async def test_good_files_whose_candles_break_a_rule_together_are_an_error_and_stay(tmp_path: Path) -> None:
    crash = a_market(200)
    crash = changed(crash, 150, open=0.001, high=0.002, low=0.001, close=0.001)  # a page apart, each page is fine
    venue = a_venue(crash, page=1)
    with pytest.raises(BadCandleError, match=r"expected prices within a factor of 1000") as raised:
        await cached(tmp_path, venue).fetch("BTCUSDT", "1m", START, START + minutes(200))
    assert not isinstance(raised.value, DamagedFileError)
    assert [Path(name).name for name in tree(tmp_path)] == ["2025-01.parquet"]
    checks = await verify(CacheFolder(tmp_path), moves=True)
    assert [(one.moved_to, "factor of 1000" in str(one.problem)) for one in checks] == [(None, True)]


async def test_verify_finds_what_reading_does_not_look_for(tmp_path: Path) -> None:
    await cached(tmp_path, a_venue(CANDLES)).warm("BTCUSDT", "1m", *SPAN)
    before = tree(tmp_path)
    folder = CacheFolder(tmp_path)
    good = await verify(folder)
    assert [(one.problem, one.candles) for one in good] == [
        (None, len(folder.series("venue", "BTCUSDT", "1m").read(*month).candles))
        for month in ((0, MONTH_END), (MONTH_END, MONTH_END * 2))
    ]
    file = folder.series("venue", "BTCUSDT", "1m").all_files()[1]
    metadata = pl.read_parquet_metadata(file)["btk"]
    pl.read_parquet(file).with_columns(pl.col("volume") + 1).write_parquet(file, metadata={"btk": metadata})

    found = (await verify(folder))[1]
    assert found.problem == f"{file}: damaged: the candles do not have the fingerprint of its map"
    assert found.lost == ((MONTH_END, SPAN[1]),)
    assert found.moved_to is None

    async def unreachable(key: SeriesKey, span: Span) -> None:
        raise VenueError("venue: gone")

    venue = a_venue(CANDLES)
    source = cached(tmp_path, venue)
    found = (await verify(folder, moves=True, refetch=unreachable))[1]
    assert (found.refetched, found.refetch_problem) == (False, "venue: gone")
    assert found.moved_to == file.with_name("2025-02.parquet.damaged")
    found.moved_to.rename(file)
    found = (await verify(folder, moves=True, refetch=lambda key, span: source.warm(key.symbol, key.interval, *span)))[
        1
    ]
    assert (found.refetched, found.refetch_problem) == (True, None)
    assert venue.spans()[0][0] == MONTH_END
    after = tree(tmp_path)
    assert after.pop("venue/BTCUSDT/1m/2025-02.parquet.damaged")
    assert after == before


def test_what_is_damaged_is_told_to_other_processes() -> None:
    error = pickle.loads(pickle.dumps(DamagedFileError(Path("x"), "cut")))  # noqa: S301 - our own
    assert (str(error), error.file) == ("x: damaged: cut", Path("x"))


async def test_a_file_with_the_name_of_another_month_gives_back_what_it_held(tmp_path: Path) -> None:
    venue = a_venue()
    await cached(tmp_path, venue).warm("BTCUSDT", "1m", START, START + minutes(300))
    file = next(tmp_path.rglob("*.parquet"))
    content = file.read_bytes()
    file.rename(file.with_name("2025-03.parquet"))
    asked: list[Span] = []

    async def refetch(key: SeriesKey, span: Span) -> None:
        asked.append(span)
        await cached(tmp_path, venue).warm(key.symbol, key.interval, *span)

    checks = await verify(CacheFolder(tmp_path), moves=True, refetch=refetch)
    assert [one.refetched for one in checks] == [True]
    assert asked == [(START, START + minutes(300))]
    assert file.read_bytes() == content

"""Candles from a table: SQLite and PostgreSQL for real, columns of any type, and errors without the password."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from backtestkit_cli.data.sql.address import masked, resolved
from backtestkit_cli.data.sql.source import SqlTable
from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.domain.interval import HOUR_MS, MINUTE_MS
from backtestkit_cli.errors import (
    BacktestKitError,
    BadCandleError,
    ConfigError,
    DataError,
    MissingCandlesError,
    UnknownNameError,
    VenueError,
)
from tests.data.candle_files import START, a_market, bytes_of, without
from tests.data.candle_tables import create, iso, rows_of, run_sqlite, write_postgres, write_sqlite
from tests.servers.postgres import PASSWORD, USER, PostgresServer

COUNT = 30
END = START + COUNT * MINUTE_MS


async def fetch(
    source: SqlTable, symbol: str = "BTCUSDT", interval: str = "1m", start: int = START, end: int = END
) -> Candles:
    return await source.fetch(symbol, interval, start, end)


async def refusal(
    kind: type[BacktestKitError], url: str, asked: tuple[str, str] = ("BTCUSDT", "1m"), **options: Any
) -> str:
    with pytest.raises(kind) as caught:
        await fetch(SqlTable(url, **{"table": "candles", "name": "test", **options}), *asked)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "market.db"


@pytest.fixture
def statements() -> Iterator[list[str]]:
    """Every statement that any engine sends."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


TIMES: dict[str, tuple[str, Callable[[int], Any]]] = {
    "milliseconds": ("integer", int),
    "seconds": ("integer", lambda ms: ms // 1000),
    "seconds as a float": ("real", lambda ms: ms / 1000),
    "microseconds": ("integer", lambda ms: ms * 1000),
    "nanoseconds": ("integer", lambda ms: ms * 1_000_000),
    "milliseconds as text, as .import makes them": ("text", str),
    "seconds as text": ("text", lambda ms: str(ms // 1000)),
    "datetime": ("datetime", iso),
    "datetime with a fraction": ("timestamp", lambda ms: iso(ms) + ".000000"),
    "ISO 8601 with Z": ("text", lambda ms: iso(ms).replace(" ", "T") + "Z"),
    "ISO 8601 with an offset": ("text", lambda ms: iso(ms + 330 * MINUTE_MS) + "+05:30"),
}


@pytest.mark.parametrize("form", TIMES)
async def test_sqlite_times_of_any_form_are_read_to_the_minute(file: Path, form: str) -> None:
    kind, time = TIMES[form]
    number: Callable[[float], Any] = repr if kind == "text" else float
    source = SqlTable(write_sqlite(file, rows_of(a_market(COUNT), time=time, number=number), time=kind), "candles", "x")
    assert bytes_of(await fetch(source)) == bytes_of(a_market(COUNT))
    part = await fetch(source, start=START + 7 * MINUTE_MS, end=START + 9 * MINUTE_MS)
    assert bytes_of(part) == bytes_of(a_market(COUNT).slice(7, 9))
    assert len(await fetch(source, "BTC/USDT", "5m")) == COUNT // 5 - (END % (5 * MINUTE_MS) > 0)


POSTGRES_KINDS: dict[str, tuple[str, str, Callable[[int], Any], Callable[[float], Any]]] = {
    "bigint and double precision": ("bigint", "double precision", int, repr),
    "integer seconds and numeric": ("integer", "numeric", lambda ms: ms // 1000, repr),
    "timestamptz and numeric": ("timestamptz", "numeric", lambda ms: iso(ms) + "+00", repr),
    "timestamp and numeric": ("timestamp", "numeric", iso, repr),
    "text and text": ("text", "text", lambda ms: iso(ms).replace(" ", "T"), repr),
    "numeric milliseconds": ("numeric(16,0)", "double precision", int, repr),
}


@pytest.mark.parametrize("kinds", POSTGRES_KINDS)
async def test_postgres_columns_of_any_type_are_read(postgres_server: PostgresServer, kinds: str) -> None:
    time, number, time_of, number_of = POSTGRES_KINDS[kinds]
    rows = rows_of(a_market(COUNT), time=time_of, number=number_of)
    source = SqlTable(write_postgres(postgres_server, rows, time, number), "candles", "x")
    assert bytes_of(await fetch(source)) == bytes_of(a_market(COUNT))
    part = await fetch(source, start=START + 7 * MINUTE_MS, end=START + 9 * MINUTE_MS)
    assert bytes_of(part) == bytes_of(a_market(COUNT).slice(7, 9))


async def test_days_may_be_dates(postgres_server: PostgresServer) -> None:
    days = a_market(5, length_ms=24 * HOUR_MS)
    url = write_postgres(postgres_server, rows_of(days, interval="1d", time=lambda ms: iso(ms)[:10]), "date", "float8")
    candles = await fetch(SqlTable(url, "candles", "x"), interval="1d", end=START + 3 * 24 * HOUR_MS)
    assert bytes_of(candles) == bytes_of(days.slice(0, 3))


async def test_a_schema_enums_views_and_odd_names_are_found(postgres_server: PostgresServer) -> None:
    schema = postgres_server.new_schema()
    postgres_server.execute(
        "CREATE TYPE pair AS ENUM ('BTC/USDT', 'ETH/USDT')",
        'CREATE TABLE "Od""d; DROP TABLE x" ("Pair" pair, "time frame" text, "open%(time)s" timestamptz,'
        ' "Open" float8, "High" float8, "Low" float8, "Close" float8, "Volume" float8)',
        "INSERT INTO \"Od\"\"d; DROP TABLE x\" VALUES ('BTC/USDT', '60m', '2025-01-01 05:30+05:30', 1, 2, 1, 2, 3)",
        'CREATE VIEW everything AS SELECT * FROM "Od""d; DROP TABLE x"',
        schema=schema,
    )
    columns = {"symbol": "Pair", "interval": "time frame", "timestamp": "open%(time)s"}
    for table in ('Od"d; DROP TABLE x', f'{schema}.Od"d; DROP TABLE x', f"{schema}.everything"):
        source = SqlTable(postgres_server.url_of(schema), table, "x", columns=columns)
        for symbol in ("BTC/USDT", "BTCUSDT", "btcusdt"):
            assert (await fetch(source, symbol, "1h")).timestamp.tolist() == [START]
        with pytest.raises(MissingCandlesError, match=r"no candles of 'ETHUSDT'.*did you mean 'BTC/USDT'"):
            await fetch(source, "ETHUSDT", "1h")


async def test_what_looks_like_sql_is_a_name(file: Path) -> None:
    symbol = "X' OR '1'='1"
    url = write_sqlite(file, rows_of(a_market(COUNT), symbol) + rows_of(a_market(2, seed=2), "ETHUSDT"))
    source = SqlTable(url, "candles", "x")
    assert bytes_of(await fetch(source, symbol)) == bytes_of(a_market(COUNT))
    for bad in ("' OR '1'='1", "ETHUSDT'; DROP TABLE candles; --", ""):
        with pytest.raises(MissingCandlesError):
            await fetch(source, bad)
        with pytest.raises(UnknownNameError, match="unknown table"):
            await fetch(SqlTable(url, f"candles{bad} ", "x"))
    assert len(await fetch(source, "ETHUSDT")) == 2


@settings(max_examples=8)
@given(symbols=st.lists(st.text(min_size=1, max_size=20).filter(str.isprintable), max_size=8, unique=True))
def test_any_text_is_a_symbol_and_nothing_else(tmp_path_factory: pytest.TempPathFactory, symbols: list[str]) -> None:
    file = tmp_path_factory.mktemp("names") / "market.db"
    candles = {symbol: a_market(3, seed=seed) for seed, symbol in enumerate(symbols)}
    rows = [row for symbol, market in candles.items() for row in rows_of(market, symbol)]
    source = SqlTable(write_sqlite(file, rows), "candles", "x")
    for symbol, market in candles.items():
        assert bytes_of(asyncio.run(fetch(source, symbol))) == bytes_of(market)


async def test_only_the_rows_of_the_span_symbol_and_interval_are_read(file: Path, statements: list[str]) -> None:
    rows = rows_of(a_market(COUNT)) + rows_of(a_market(COUNT, seed=2), "ETHUSDT") + rows_of(a_market(6), interval="5m")
    source = SqlTable(write_sqlite(file, rows), "candles", "x")
    assert bytes_of(await fetch(source)) == bytes_of(a_market(COUNT))
    query = statements[-1]
    assert "symbol = ? AND interval = ? AND timestamp >= ? AND timestamp < ? ORDER BY" in query
    before = len(statements)
    await fetch(source, start=START + MINUTE_MS)
    assert len(statements) == before + 1  # what the table is like has been asked once


async def test_gaps_stay_gaps(file: Path) -> None:
    candles = without(a_market(COUNT), 3, 4, 20)
    source = SqlTable(write_sqlite(file, rows_of(candles)), "candles", "x")
    assert bytes_of(await fetch(source)) == bytes_of(candles)


async def test_rows_come_oldest_first_however_they_were_written(file: Path) -> None:
    source = SqlTable(write_sqlite(file, rows_of(a_market(COUNT))[::-1]), "candles", "x")
    assert bytes_of(await fetch(source)) == bytes_of(a_market(COUNT))


async def test_a_table_without_symbol_and_interval_holds_what_is_said(file: Path) -> None:
    url = run_sqlite(
        file,
        "CREATE TABLE candles (time integer, o real, h real, l real, c real, v real)",
        *(f"INSERT INTO candles VALUES ({START + k * 300_000}, 2, 3, 1, 2, 5)" for k in range(12)),  # noqa: S608
    )
    columns = {"timestamp": "time", "open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
    source = SqlTable(url, "candles", "x", columns=columns, symbol="BTC/USDT", interval="5m")
    assert len(await fetch(source, "BTCUSDT", "5m", end=START + HOUR_MS)) == 12
    hour = await fetch(source, "BTCUSDT", "1h", end=START + HOUR_MS)
    assert hour.rows() == [(START, 2, 3, 1, 2, 60)]
    one_symbol: dict[str, Any] = {"columns": columns, "symbol": "BTCUSDT"}
    assert "no candles of 'ETHUSDT'; the table holds 'BTCUSDT'" in await refusal(
        MissingCandlesError, url, ("ETHUSDT", "1m"), **one_symbol
    )
    assert "expected a candle every 1 minutes, found them 5 apart; say with interval" in await refusal(
        MissingCandlesError, url, **one_symbol
    )
    with pytest.raises(MissingCandlesError, match="no 1m candles of BTCUSDT; there: 5m"):
        await fetch(source)
    assert "expected a column 'symbol'" in await refusal(ConfigError, url, columns=columns)


async def test_a_longer_interval_is_made_of_the_longest_that_divides_it(file: Path, statements: list[str]) -> None:
    minutes, fives = a_market(60), a_market(12, length_ms=5 * MINUTE_MS, seed=2)
    rows = rows_of(minutes) + rows_of(fives, interval="5m") + rows_of(a_market(4), interval="45s")
    source = SqlTable(write_sqlite(file, rows), "candles", "x")
    quarter = await fetch(source, interval="15m", end=START + HOUR_MS)
    assert quarter.close.tolist() == fives.close[2::3].tolist()
    assert len(await fetch(source, interval="3m", end=START + HOUR_MS)) == 20
    assert len(statements) < 20


async def test_part_of_an_aggregate_is_as_in_the_whole_beside_gaps(file: Path) -> None:
    minutes = without(a_market(240), *range(28, 33), *range(60, 121), 179)
    source = SqlTable(write_sqlite(file, rows_of(minutes)), "candles", "x")
    whole = await fetch(source, interval="30m", end=START + 4 * HOUR_MS)
    assert [(t - START) // MINUTE_MS for t in whole.timestamp.tolist()] == [0, 30, 120, 150, 180, 210]
    for row in range(8):
        start = START + row * 30 * MINUTE_MS
        part = await fetch(source, interval="30m", start=start, end=start + 1)
        assert part.timestamp.tolist() == [t for t in whole.timestamp.tolist() if t == start]


async def test_an_interval_that_cannot_be_made_names_those_there(file: Path) -> None:
    rows = rows_of(a_market(3, length_ms=HOUR_MS), interval="1h") + rows_of(a_market(3), "ETHUSDT")
    message = await refusal(MissingCandlesError, write_sqlite(file, rows), ("BTCUSDT", "5m"))
    assert message.endswith("table candles: no 5m candles of BTCUSDT; there: 1h")


async def test_a_symbol_in_two_spellings_has_to_be_named_as_it_is(file: Path) -> None:
    rows = rows_of(a_market(3), "BTC-USDT") + rows_of(a_market(4), "BTC/USDT") + rows_of(a_market(4), "BTC/USDT:USDT")
    source = SqlTable(write_sqlite(file, rows), "candles", "x")
    assert len(await fetch(source, "BTC-USDT")) == 3
    with pytest.raises(MissingCandlesError, match="'BTCUSDT' may be any of 'BTC-USDT', 'BTC/USDT'; name one"):
        await fetch(source, "BTCUSDT")


async def test_new_rows_and_new_symbols_are_seen(file: Path) -> None:
    url = write_sqlite(file, rows_of(a_market(5)))
    source = SqlTable(url, "candles", "x")
    assert len(await fetch(source)) == 5
    with pytest.raises(MissingCandlesError):
        await fetch(source, "ETHUSDT")
    run_sqlite(file, "INSERT INTO candles SELECT 'ETHUSDT', interval, timestamp, 1, 1, 1, 1, 1 FROM candles")
    assert len(await fetch(source, "ETHUSDT")) == 5


@pytest.mark.parametrize(
    ("column", "value", "problem"),
    [
        ("high", "NULL", "row 3 (2025-01-01 00:02): column high: expected a number, found no value"),
        ("close", "'abc'", "row 3 (2025-01-01 00:02): column close: expected a number, found 'abc'"),
        ("high", "1", "row 3 (2025-01-01 00:02): expected high to be the highest"),
        ("volume", "-1", "row 3 (2025-01-01 00:02): expected a finite volume"),
        (
            "timestamp",
            f"{START + 2 * MINUTE_MS + 1}",
            "row 3 (2025-01-01 00:02:00.001): expected a time that is a mult",
        ),
    ],
)
async def test_a_bad_row_is_named(file: Path, column: str, value: str, problem: str) -> None:
    url = write_sqlite(file, rows_of(a_market(COUNT)))
    run_sqlite(file, f"UPDATE candles SET {column} = {value} WHERE timestamp = {START + 2 * MINUTE_MS}")  # noqa: S608
    message = await refusal(BadCandleError, url)
    assert message.startswith(f"{url}: table candles, BTCUSDT 1m: ")
    assert problem in message


async def test_a_row_twice_is_named(file: Path) -> None:
    url = write_sqlite(file, rows_of(a_market(COUNT)))
    run_sqlite(file, "CREATE TABLE twice AS SELECT * FROM candles UNION ALL SELECT * FROM candles LIMIT 31")
    assert "duplicate candle" in await refusal(BadCandleError, url, table="twice")


@pytest.mark.parametrize("time", ["'yesterday'", "12.5", "x'00'"])
async def test_a_column_of_no_times_is_refused(file: Path, time: str) -> None:
    run_sqlite(file, create("candles", "blob"), f"INSERT INTO candles VALUES ('BTCUSDT','1m',{time},1,1,1,1,1)")  # noqa: S608
    assert "column timestamp: expected Unix seconds" in await refusal(BadCandleError, f"sqlite:///{file}")


async def test_columns_that_are_missing_are_listed_with_what_is_there(file: Path) -> None:
    url = run_sqlite(file, "CREATE TABLE candles (symbol text, interval text, ts integer, open real, high real)")
    message = await refusal(ConfigError, url, columns={"open": "opening"})
    assert (
        "expected the columns 'timestamp', 'opening', 'low', 'close', 'volume', found the columns 'symbol'," in message
    )
    assert "unknown column 'time'; did you mean 'timestamp'?" in await refusal(ConfigError, url, columns={"time": "ts"})
    assert "has a column 'symbol': leave out symbol: BTCUSDT" in await refusal(
        ConfigError, write_sqlite(file.with_name("other.db"), []), symbol="BTCUSDT"
    )


async def test_a_table_that_is_not_there_offers_the_nearest(file: Path, postgres_server: PostgresServer) -> None:
    assert "unknown table 'candels'; did you mean 'candles'?" in await refusal(
        UnknownNameError, write_sqlite(file, []), table="candels"
    )
    schema = postgres_server.new_schema()
    postgres_server.execute(create("candles"), schema=schema)
    assert f"did you mean '{schema}.candles'?" in await refusal(
        UnknownNameError, postgres_server.url, table=f"{schema}.candle"
    )


async def test_an_empty_table_has_no_candles(file: Path) -> None:
    assert "no candles of 'BTCUSDT'; there are none" in await refusal(MissingCandlesError, write_sqlite(file, []))


async def test_prices_and_quantities_follow_the_precision_table_asked_once_a_symbol(
    file: Path, statements: list[str]
) -> None:
    url = write_sqlite(file, rows_of(a_market(COUNT)) + rows_of(a_market(COUNT), "ETHUSDT"))
    run_sqlite(
        file,
        "CREATE TABLE steps (symbol text, tick_size text, lot_size real)",
        "INSERT INTO steps VALUES ('BTC/USDT', '0.01000000', 0.001), ('ETHUSDT', '0.5', NULL)",
    )
    source = SqlTable(url, "candles", "x", precision_table="steps")
    await asyncio.gather(*(fetch(source, symbol) for symbol in ("BTCUSDT", "ETHUSDT") * 3))
    for _ in range(3):
        assert source.format_price("BTCUSDT", 12345.6789) == "12345.68"
        assert source.format_quantity("BTCUSDT", 0.0019999) == "0.001"
        assert source.format_price("ETHUSDT", 1.26) == "1.5"
        assert source.format_quantity("ETHUSDT", 0.123456789) == "0.12345678"
    assert sum("FROM steps" in sent and "WHERE" in sent for sent in statements) == 2
    with pytest.raises(DataError, match="table steps: expected one row with the steps of 'XRPUSDT', found none"):
        source.format_price("XRPUSDT", 1.0)
    await source.close()
    assert len(await fetch(source)) == COUNT


async def test_the_precision_table_of_postgres_may_be_numeric(postgres_server: PostgresServer) -> None:
    url = write_postgres(postgres_server, rows_of(a_market(2)), "bigint", "numeric")
    schema = url.rpartition("%3D")[2]
    postgres_server.execute(
        "CREATE TABLE steps (symbol text, price_step numeric(18, 8), quantity_step numeric, min_cost numeric)",
        "INSERT INTO steps VALUES ('BTCUSDT', 0.10, 0.00001, 5)",
        schema=schema,
    )
    source = SqlTable(url, "candles", "x", precision_table="steps")
    assert source.format_price("BTC/USDT", 12345.6789) == "12345.7"
    assert source.format_quantity("BTC/USDT", 0.000019) == "0.00001"


@pytest.mark.parametrize("step", ["0", "-1", "'wide'", "'NaN'"])
async def test_a_step_that_is_none_is_refused(file: Path, step: str) -> None:
    url = write_sqlite(file, rows_of(a_market(COUNT)))
    run_sqlite(file, "CREATE TABLE steps (symbol, price_step)", f"INSERT INTO steps VALUES ('BTCUSDT', {step})")  # noqa: S608
    message = await refusal(DataError, url, precision_table="steps")
    assert "table steps: BTCUSDT: price_step: expected a positive number, found" in message


async def test_a_precision_table_of_other_columns_is_refused(file: Path) -> None:
    url = write_sqlite(file, rows_of(a_market(COUNT)))
    run_sqlite(file, "CREATE TABLE steps (symbol, digits)")
    assert "expected the columns symbol, price_step and quantity_step, found symbol, digits" in await refusal(
        ConfigError, url, precision_table="steps"
    )


async def test_without_a_precision_table_eight_decimals_are_written(file: Path) -> None:
    source = SqlTable(write_sqlite(file, []), "candles", "x")
    assert source.format_price("BTCUSDT", 1 / 3) == "0.33333333"
    assert source.format_quantity("BTCUSDT", 2 / 3) == "0.66666666"


async def test_a_file_that_is_not_there_is_not_made(file: Path) -> None:
    assert "expected a SQLite file, found none" in await refusal(VenueError, f"sqlite:///{file}")
    assert not file.exists()
    file.write_text("no database at all, but long enough to be looked at" * 20, encoding="utf-8")
    assert "file is not a database" in await refusal(VenueError, f"sqlite:///{file}")


async def test_a_database_that_cannot_be_used_says_so_without_the_password(postgres_server: PostgresServer) -> None:
    wrong = postgres_server.url_of(password="wr0ng-passw0rd")  # noqa: S106
    cases = {
        wrong: f'password authentication failed for user "{USER}"',
        postgres_server.url_of(database="nowhere"): 'database "nowhere" does not exist',
        postgres_server.url.replace(f":{postgres_server.port}/", ":1/"): "Connection refused",
        postgres_server.url + "&nonsense=1": "nonsense",
    }
    for url, problem in cases.items():
        message = await refusal(VenueError, url)
        assert f"postgresql://{USER}:***@127.0.0.1" in message
        assert problem in message
        assert "wr0ng" not in message
        assert PASSWORD not in message
        assert "s3cr" not in message


async def test_what_the_database_refuses_is_an_error_of_one_line(postgres_server: PostgresServer) -> None:
    schema = postgres_server.new_schema()
    postgres_server.execute(
        create("candles"),
        "DO $$ BEGIN CREATE ROLE nobody LOGIN PASSWORD 'x'; EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        f"GRANT USAGE ON SCHEMA {schema} TO nobody",
        schema=schema,
    )
    url = postgres_server.url_of(schema, password="x").replace(f"{USER}:", "nobody:")  # noqa: S106
    assert "permission denied for table candles" in await refusal(VenueError, url)


async def test_credentials_come_from_the_environment(
    postgres_server: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = write_postgres(postgres_server, rows_of(a_market(3)), "bigint", "float8")
    place = url.partition("@")[2]
    monkeypatch.setenv("DB_USER", USER)
    monkeypatch.setenv("DB_PASSWORD", PASSWORD)
    source = SqlTable(f"postgres://${{DB_USER}}:${{DB_PASSWORD}}@{place}", "candles", "x")
    assert len(await fetch(source)) == 3
    assert repr(source) == f"SqlTable('postgres://${{DB_USER}}:${{DB_PASSWORD}}@{place}', 'candles')"
    monkeypatch.setenv("DATABASE_URL", url)
    assert len(await fetch(SqlTable("${DATABASE_URL}", "candles", "x"))) == 3
    monkeypatch.delenv("DB_PASSWORD")
    with pytest.raises(ConfigError, match="expected the environment variable DB_PASSWORD, found it unset"):
        SqlTable(f"postgres://u:${{DB_PASSWORD}}@{place}", "candles", "x")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("host=db password=hidden", r"url \*\*\*: expected a database URL such as"),
        ("postgresql://u:hidden@h:port/db", r"url postgresql://u:\*\*\*@h:port/db: expected a database URL"),
        ("oracel://u:hidden@h/db", "unknown kind of database 'oracel'"),
        ("mssql+pyodbc://?odbc_connect=PWD%3Dhidden", "expected the driver pyodbc, found it not installed"),
        ("mysql+pymysql://u:hidden@h/db", "expected the driver pymysql, found it not installed"),
    ],
)
def test_what_is_no_usable_url_is_refused_at_once(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem) as caught:
        SqlTable(url, "candles", "x")
    assert "hidden" not in str(caught.value)


def test_an_interval_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="unknown interval '7x'"):
        SqlTable("sqlite:///x.db", "candles", "x", symbol="BTCUSDT", interval="7x")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://user:pa:ss@w/o:rd@host/db", "postgresql://user:***@host/db"),
        ("postgresql://user@host/db?sslpassword=x&a=b", "postgresql://user@host/db?sslpassword=***&a=b"),
        ("postgresql://host/db?user=u&password=p", "postgresql://host/db?user=u&password=***"),
        ("postgresql://${U}:${P}@host/db", "postgresql://${U}:${P}@host/db"),
        ("sqlite:///data/a@b:c.db", "sqlite:///data/a@b:c.db"),
        ("${URL}", "${URL}"),
        ("secret", "***"),
    ],
)
def test_a_shown_url_has_no_secret(url: str, shown: str) -> None:
    assert masked(url) == shown


@given(password=st.text(min_size=1).filter(lambda text: "\0" not in text and text.isprintable()))
def test_a_password_from_the_environment_may_hold_anything(password: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DB_PASSWORD", password)
        url = sa.make_url(resolved("postgresql://u:${DB_PASSWORD}@host:1/db"))
    assert (url.username, url.password, url.host, url.database) == ("u", password, "host", "db")


def test_without_sqlalchemy_the_message_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['sqlalchemy'] = None\n"
        "from backtestkit_cli.data.sql.source import SqlTable\n"
        "from backtestkit_cli.errors import ConfigError\n"
        "try: SqlTable('sqlite:///x.db', 'candles', 'x')\n"
        "except ConfigError as error: print(error)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": "."}
    )
    assert ended.stdout.strip().endswith("found it not installed: pip install 'backtestkit-cli[sql]'")

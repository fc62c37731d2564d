"""`btk cache verify`, `import` and `export`: checking the files of the cache, and candles in and out of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.domain.wording import counted
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.data.cache.folder import SeriesKey
    from backtestkit_cli.data.cache.upkeep import FileCheck

Symbol: TypeAlias = Annotated[str | None, typer.Option("--symbol", "-s", metavar="SYMBOL", help="The symbol.")]
Interval: TypeAlias = Annotated[str | None, typer.Option("--interval", "-i", metavar="I", help="The interval.")]


def verify_cache(
    *,
    symbols: options.Symbols = None,
    exchange: options.Exchange = None,
    refetch: Annotated[
        bool, typer.Option("--refetch", help="Move damaged files aside and fetch anew what they held.")
    ] = False,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Check every candle of the cache against its fingerprint, and name the files that are damaged.

    Exit codes: 0 all files are sound, or were fetched anew; 2 wrong input, 3 a file is damaged.
    """
    import asyncio

    from backtestkit_cli.runs.upkeep import verified

    loaded = options.load(config, sets, {"data": data})
    _, wanted = options.cache_of(loaded, exchange, symbols)
    checks = asyncio.run(verified(loaded, wanted, refetch=refetch))
    open_problems = [check for check in checks if check.problem is not None and not check.refetched]
    code = 3 if open_problems else 0
    if json:
        files = [_check_document(check) for check in checks]
        console.out(console.json_text({"files": files, "damaged": len(open_problems), "exit_code": code}))
    else:
        damaged = [check for check in checks if check.problem is not None]
        console.out(
            f"{len(checks):,} files, {sum(check.candles for check in checks):,} candles: {len(damaged)} damaged"
        )
    for check in checks:
        if check.refetched:
            console.note(f"{check.problem}; moved to {check.moved_to}, fetched anew")
        elif check.problem is not None:
            console.error("; ".join(filter(None, [check.problem, _moved(check), check.refetch_problem])))
    raise typer.Exit(code)


def _moved(check: "FileCheck") -> str:
    return "" if check.moved_to is None else f"moved to {check.moved_to}"


def _check_document(check: "FileCheck") -> dict[str, Any]:
    return {
        "exchange": check.key.exchange,
        "symbol": check.key.symbol,
        "interval": check.key.interval,
        "file": str(check.file),
        "candles": check.candles,
        "problem": check.problem,
        "moved_to": None if check.moved_to is None else str(check.moved_to),
        "refetched": check.refetched,
        "refetch_problem": check.refetch_problem,
    }


def import_cache(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of candles: CSV, gzipped CSV or Parquet.")],
    symbol: Symbol = None,
    interval: Interval = None,
    exchange: options.Exchange = None,
    replace: Annotated[bool, typer.Option("--replace", help="Where candles differ, keep those of the file.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Read and check the file, and change nothing.")] = False,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Read a file of candles of any usual form into the cache.

    Header, delimiter, times (seconds to nanoseconds, ISO 8601) and interval are found out; symbol and
    interval may come from the file's name. One bad row, and nothing is imported. `--exchange NAME` is where it
    goes: an exchange of the config or of ccxt, or a new name, which `btk backtest --exchange NAME` then knows.
    """
    import asyncio

    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.data.cache.transfer import import_candles
    from backtestkit_cli.data.files.source import read_candle_file
    from backtestkit_cli.domain.interval import utc_text
    from backtestkit_cli.runs.sources import now_ms
    from backtestkit_cli.runs.upkeep import series_key

    loaded = options.load(config, sets, {"data": data})
    candles, found_interval = read_candle_file(file, interval=interval)
    key = series_key(loaded, exchange, symbol or _symbol_in(file), found_interval)
    folder = CacheFolder(Path(loaded.config.data))
    done = asyncio.run(import_candles(folder, key, candles, now_ms=now_ms(), replace=replace, dry_run=dry_run))
    counts = {"added": done.added, "same": done.same, "replaced": done.replaced, "unclosed": done.unclosed}
    if json:
        document = {**_key_document(key), "span": done.span, **counts, "gaps": done.gaps, "dry_run": dry_run}
        console.out(console.json_text(document))
        return
    first, last = map(utc_text, done.span)
    texts = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    would = "would import: " if dry_run else ""
    console.out(f"{would}{key}, {first} to {last}: {texts}; {counted(len(done.gaps), 'gap')}")


def _symbol_in(file: Path) -> str:
    from backtestkit_cli.data.files.names import file_name

    named = list(dict.fromkeys(file_name(file.name).symbols))
    if len(named) != 1:
        said = f"could be {' or '.join(named)}" if named else "is not in its name"
        raise ConfigError(f"{file}: the symbol {said}: give --symbol")
    return named[0]


def _key_document(key: "SeriesKey") -> dict[str, str]:
    return {"exchange": key.exchange, "symbol": key.symbol, "interval": key.interval}


def export_cache(
    *,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What to write: a name in .csv, .csv.gz or .parquet.")],
    symbol: Annotated[str, typer.Option("--symbol", "-s", metavar="SYMBOL", help="The symbol.")],
    interval: Annotated[str, typer.Option("--interval", "-i", metavar="I", help="The interval; 1m by default.")] = "1m",
    exchange: options.Exchange = None,
    from_: options.From = None,
    to: options.To = None,
    config: options.Config = None,
    sets: options.Sets = None,
    data: options.Data = None,
    json: options.Json = False,
) -> None:
    """Write candles of the cache to a file: all that is there of one series, or what --from and --to bound.

    Exit codes: 0 done, 1 the file cannot be written, 2 wrong input, 3 the cache has no such candles.
    """
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.data.cache.transfer import export
    from backtestkit_cli.domain.door import TIME_LIMIT_MS
    from backtestkit_cli.runs.upkeep import series_key

    if (from_ is None) != (to is None):
        raise ConfigError("btk cache export: expected both --from and --to, or neither")
    loaded = options.load(config, sets, {"data": data, "from": from_, "to": to})
    frame = loaded.config.frame if from_ is not None else None
    span = (0, TIME_LIMIT_MS) if frame is None or isinstance(frame, str) else (frame.start_ms, frame.end_ms)
    key = series_key(loaded, exchange, symbol, interval)
    done = export(CacheFolder(Path(loaded.config.data)), key, span, file)
    if json:
        document = {**_key_document(key), "path": str(file), "candles": done.candles, "gaps": done.gaps}
        console.out(console.json_text(document))
        return
    console.out(f"wrote {file}: {done.candles:,} candles of {key}, {counted(len(done.gaps), 'gap')}")

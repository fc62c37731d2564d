"""The options that commands share, and how they become a config."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from backtestkit_cli.errors import UnknownNameError

if TYPE_CHECKING:
    from backtestkit_cli.config.loader import LoadedConfig
    from backtestkit_cli.data.cache.folder import CacheFolder, SeriesKey

# Values stay the text that was typed: the config checks them together with those of all other sources,
# and says in the same words what is wrong with any of them.
Symbols: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--symbols", "-s", metavar="A,B", help="Symbols, separated by commas; may be given again."),
]
Entry: TypeAlias = Annotated[
    str | None,
    typer.Option("--entry", "-e", metavar="FILE", help="Strategy file, dotted module, or installed entry point."),
]
Strategy: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--strategy", metavar="NAME", help="Strategy of the entry; may be given again, or as A,B."),
]
Exchange: TypeAlias = Annotated[
    str | None, typer.Option("--exchange", metavar="NAME", help="Where candles come from; demo is built in.")
]
Frame: TypeAlias = Annotated[str | None, typer.Option("--frame", metavar="NAME", help="Named time window of the run.")]
From: TypeAlias = Annotated[
    str | None, typer.Option("--from", metavar="DATE", help="First minute, UTC: 2025-05-04 or 2025-05-04T12:00.")
]
To: TypeAlias = Annotated[
    str | None, typer.Option("--to", metavar="DATE", help="End, UTC; the minute itself is not part of the run.")
]
Config: TypeAlias = Annotated[
    str | None,
    typer.Option("--config", "-c", metavar="FILE", help="YAML config; configs/demo.yaml if there is one."),
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Set any key of the config or any setting; may be given again."),
]
FillModel: TypeAlias = Annotated[
    str | None, typer.Option("--fill-model", metavar="MODEL", help="How orders fill: vwap or candle.")
]
Out: TypeAlias = Annotated[
    str | None, typer.Option("--out", "-o", metavar="DIR", help="Folder of all results; dump by default.")
]
Charts: TypeAlias = Annotated[
    str | None,
    typer.Option("--charts", metavar="FORMAT", help="Also write pictures to <out>/charts/<run id>/: png or svg."),
]
MaxConcurrent: TypeAlias = Annotated[
    str | None, typer.Option("--max-concurrent", metavar="N", help="Sessions that run at once; all by default.")
]
Workers: TypeAlias = Annotated[
    str | None, typer.Option("--workers", metavar="N", help="Processes, for symbols that share nothing; 1 by default.")
]
NoCache: TypeAlias = Annotated[
    bool, typer.Option("--no-cache", help="Read the cache, fetch what it lacks, and write nothing to it.")
]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--offline", help="Use no network: what the cache lacks is an error.")
]
Data: TypeAlias = Annotated[
    str | None, typer.Option("--data", metavar="DIR", help="Folder of the cache; BTK_DATA, or .btk/data by default.")
]
SavedRun: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Id of a saved run, the beginning of one, latest, or the path of its folder."),
]
Json: TypeAlias = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
JsonLines: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object a line: every event, and at last the result.")
]
Verbose: TypeAlias = Annotated[
    bool, typer.Option("--verbose", "-v", help="Also show the tracebacks of strategies and listeners.")
]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show results and errors only.")]

LogLevel: TypeAlias = Annotated[
    str | None,
    typer.Option("--log-level", metavar="LEVEL", help="Log from debug, info, warning or error on, on stderr."),
]
LogJson: TypeAlias = Annotated[
    bool,
    typer.Option("--log-json", help="Log as one JSON object a line; notes and errors on stderr are such lines too."),
]
LogFilter: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--log-filter",
        metavar="KEY=VALUE",
        help="Log only records of that strategy, symbol, mode, exchange, frame or run_id; may be given again.",
    ),
]
LogFile: TypeAlias = Annotated[
    str | None, typer.Option("--log-file", metavar="FILE", help="Log to the end of a file instead of stderr.")
]


def load(
    config: str | None, sets: Sequence[str] | None, flags: Mapping[str, object], *, required: Sequence[str] = ()
) -> "LoadedConfig":
    """Return the config of a command, from its flags, the environment, `.env` and its file.

    Raises:
        ConfigError: something is wrong, or one of *required* is missing.
    """
    from backtestkit_cli.config.loader import load_config
    from backtestkit_cli.runs.sources import venue_called

    return load_config(
        None if config is None else Path(config),
        flags=flags,
        sets=sets or (),
        environ=os.environ,
        dotenv=Path(".env"),
        required=required,
        built_in=venue_called,
    )


def out_folder(config: str | None, out: str | None) -> Path:
    """Return the folder of all results, from a flag, the environment or a config.

    Raises:
        ConfigError: something is wrong.
    """
    return Path(load(config, None, {"out": out}).config.out)


def cache_of(
    loaded: "LoadedConfig", exchange: str | None, symbols: Sequence[str] | None
) -> "tuple[CacheFolder, Callable[[SeriesKey], bool]]":
    """Return the cache of a command, and what tells whether a series of it is asked for."""
    from backtestkit_cli.data.cache.folder import CacheFolder
    from backtestkit_cli.runs.upkeep import series_key

    listed = split(symbols)
    folder = CacheFolder(Path(loaded.config.data))
    if exchange is not None and exchange not in folder.exchanges():
        raise UnknownNameError("exchange", exchange, folder.exchanges(), where=f"cache {folder.root}")

    def wanted(key: "SeriesKey") -> bool:
        if exchange not in {None, key.exchange}:
            return False
        return listed is None or any(series_key(loaded, key.exchange, one, "1m").symbol == key.symbol for one in listed)

    return folder, wanted


def reach(*, no_cache: bool, offline: bool) -> dict[str, object]:
    """Return the config keys of two flags; one that was not given says nothing."""
    return {"cache": False if no_cache else None, "offline": True if offline else None}


def joined(values: Sequence[str] | None) -> str | None:
    """Return a list that may be given in parts as one; blanks and doubles stay for the config to find."""
    return None if values is None else ",".join(values)


def split(values: Sequence[str] | None) -> list[str] | None:
    """Return names that may be given in parts, or with commas, one by one."""
    return None if values is None else ",".join(values).split(",")

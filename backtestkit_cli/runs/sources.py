"""Which candle source is real: the adapter for each kind of exchange."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from backtestkit_cli.errors import ConfigError, UnknownNameError
from backtestkit_cli.ports import CandleSource

_OPTIONS = {"demo": {"seed"}, "parquet": {"path"}, "csv": {"path", "symbol"}}


def build_source(name: str, kind: str, options: Mapping[str, Any], where: str) -> CandleSource:
    """Return the source of *kind* with its *options*; *where* names the place that asked for it.

    Raises:
        ConfigError: the kind or an option is unknown, or one is missing.
    """
    if kind not in _OPTIONS:
        raise UnknownNameError("kind of exchange", kind, _OPTIONS, where=where)
    unknown = options.keys() - _OPTIONS[kind]
    if unknown:
        raise UnknownNameError(f"option of a {kind} exchange", min(unknown), _OPTIONS[kind], where=where)
    if kind == "demo":
        from backtestkit_cli.data.demo import DemoMarket

        return DemoMarket(seed=int(options.get("seed", 7)))
    if not options.get("path"):
        raise ConfigError(f"{where}: a {kind} exchange needs a path")
    path = Path(str(options["path"])).expanduser()
    if kind == "parquet":
        from backtestkit_cli.data.parquet_folder import ParquetFolder

        return ParquetFolder(path, name)
    from backtestkit_cli.data.csv_file import CsvFiles

    return CsvFiles(path, name, symbol=options.get("symbol"))

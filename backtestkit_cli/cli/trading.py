"""`btk paper` and `btk live`: their flags."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from backtestkit_cli.cli import options
from backtestkit_cli.cli.trading_run import Shown, trade
from backtestkit_cli.errors import ConfigError

if TYPE_CHECKING:
    from backtestkit_cli.runs.trading.assembly import Replay

_FRAME_KEYS = {"frame", "from", "to"}
_Standby = Annotated[
    bool, typer.Option("--standby", help="Wait while another process trades the same, and take over when it ends.")
]


def paper(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    standby: _Standby = False,
    replay: Annotated[
        bool, typer.Option("--replay", help="Trade on the history of a frame as if its candles closed now.")
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option("--speed", metavar="N", help="With --replay: N minutes a minute; as fast as it goes by default."),
    ] = None,
    frame: options.Frame = None,
    from_: options.From = None,
    to: options.To = None,
    out: options.Out = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    offline: options.Offline = False,
    json: options.JsonLines = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log_level: options.LogLevel = None,
    log_json: options.LogJson = False,
    log_filter: options.LogFilter = None,
    log_file: options.LogFile = None,
) -> None:
    """Trade on candles as they close, with an account of its own and without real orders.

    It goes on until Ctrl-C or SIGTERM, which stop it cleanly; a second one ends it at once. What it holds is saved
    in its `store` before it is said, and the next start takes it up again. `--replay` trades on history instead,
    through the same path, and ends with it. Exit codes: 0 stopped, or the replay is over, 1 failed, 2 wrong input,
    3 candles or saved state missing or bad, 4 some sessions failed, 5 a venue refused or was not reached, 6 a
    portfolio rule stopped it, 130 ended at once.
    """
    from backtestkit_cli.runs.trading.plan import PAPER

    shown = _shown(json, verbose=verbose, quiet=quiet, log=(log_level, log_json, log_file, log_filter))
    frames = {"frame": frame, "from": from_, "to": to}
    how = _replay_of(replay, speed, frames, sets or ())
    flags = _flags(symbols, entry, strategy, exchange, fill_model, out, data)
    flags |= {**frames, **options.reach(no_cache=no_cache, offline=offline)}
    loaded = options.load(config, sets, flags, required=("symbols", "entry", *(["frame"] if how else [])))
    trade(loaded, PAPER, how, shown, stands_by=standby)


def live(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    strategy: options.Strategy = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    fill_model: options.FillModel = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Begin without asking.")] = False,
    standby: _Standby = False,
    out: options.Out = None,
    data: options.Data = None,
    no_cache: options.NoCache = False,
    json: options.JsonLines = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
    log_level: options.LogLevel = None,
    log_json: options.LogJson = False,
    log_filter: options.LogFilter = None,
    log_file: options.LogFile = None,
) -> None:
    """Trade with real orders on a venue, with the keys in the environment.

    Shows what it is about to do and asks for the word `live`; without a terminal it needs --yes. It goes on until
    Ctrl-C or SIGTERM, which stop it cleanly as `trading.on_stop` says; a second one ends it at once. What it holds is
    saved in its `store` before it is said, and the next start takes it up again. Exit codes: 0 stopped, 1
    failed, 2 wrong input or no keys, 3 candles or saved state missing or bad, 4 some sessions failed, 5 the venue
    refused or was not reached, 6 a portfolio rule stopped it, 130 ended at once.
    """
    from backtestkit_cli.runs.trading.plan import LIVE

    shown = _shown(json, verbose=verbose, quiet=quiet, log=(log_level, log_json, log_file, log_filter))
    _refuse_frame({}, sets or (), "it goes on from now")
    flags = _flags(symbols, entry, strategy, exchange, fill_model, out, data)
    flags |= options.reach(no_cache=no_cache, offline=False)
    loaded = options.load(config, sets, flags, required=("symbols", "entry"))
    trade(loaded, LIVE, None, shown, asks=not yes, stands_by=standby)


def _flags(
    symbols: list[str] | None,
    entry: str | None,
    strategy: list[str] | None,
    exchange: str | None,
    fill_model: str | None,
    out: str | None,
    data: str | None,
) -> dict[str, object]:
    """Return what both commands take, by config key."""
    return {
        "symbols": options.joined(symbols),
        "entry": entry,
        "strategy": options.split(strategy),
        "exchange": exchange,
        "fill_model": fill_model,
        "out": out,
        "data": data,
    }


def _shown(
    json: bool, *, verbose: bool, quiet: bool, log: tuple[str | None, bool, str | None, list[str] | None]
) -> Shown:
    from backtestkit_cli.cli.log_lines import log_plan

    if verbose and quiet:
        raise ConfigError("--verbose and --quiet contradict each other: leave out one")
    return Shown(json=json, verbose=verbose, quiet=quiet, log=log_plan(*log))


def _replay_of(
    wanted: bool, speed: float | None, frames: dict[str, str | None], sets: Sequence[str]
) -> "Replay | None":
    from backtestkit_cli.runs.trading.assembly import Replay

    if wanted:
        if speed is not None and not 0 < speed < float("inf"):
            raise ConfigError(f"--speed: expected a number above 0, found {speed:g}")
        return Replay(speed=speed)
    if speed is not None:
        raise ConfigError("--speed is for --replay: without it a minute takes a minute")
    _refuse_frame(frames, sets, "without --replay it goes on from now")
    return None


def _refuse_frame(frames: dict[str, str | None], sets: Sequence[str], why: str) -> None:
    """Raise where a flag asks for a frame; one of the config is for backtests, and says nothing here."""
    given = [f"--{name}" for name, value in frames.items() if value is not None]
    given += [f"--set {text}" for text in sets if text.partition("=")[0].strip().partition(".")[0] in _FRAME_KEYS]
    if given:
        raise ConfigError(f"{', '.join(given)}: expected no frame: {why}")

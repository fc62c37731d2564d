"""The program `btk`: its commands, and what becomes of what goes wrong in them."""

import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command

from backtestkit_cli.cli import console
from backtestkit_cli.cli.backtest import backtest
from backtestkit_cli.cli.broker import try_broker
from backtestkit_cli.cli.cache import list_cache, warm_cache
from backtestkit_cli.cli.cache_files import export_cache, import_cache, verify_cache
from backtestkit_cli.cli.check import check_config
from backtestkit_cli.cli.comparing import compare_saved_runs
from backtestkit_cli.cli.doctor import doctor
from backtestkit_cli.cli.listing import list_names
from backtestkit_cli.cli.report import ABOUT, report_all, report_charts, report_command, report_heatmap
from backtestkit_cli.cli.report_page import report_page
from backtestkit_cli.cli.repro import repro
from backtestkit_cli.cli.saved_runs import delete_runs, list_runs, show_run
from backtestkit_cli.cli.size import size_atr, size_fixed, size_kelly
from backtestkit_cli.cli.status import status
from backtestkit_cli.cli.stopping import STOPPED
from backtestkit_cli.cli.store import list_store, show_records, verify_store
from backtestkit_cli.cli.store_copies import export_store, import_store, migrate_store
from backtestkit_cli.cli.trading import live, paper
from backtestkit_cli.errors import BacktestKitError, UnknownNameError, suggestion


class Commands(TyperGroup):
    """A group that names the nearest command when there is none of the given name."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # noqa: ANN401 - typer keeps these types to itself
        """Return the command that *args* begin with.

        Raises:
            UnknownNameError: there is none.
        """
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise UnknownNameError("command", args[0], self.commands, where=ctx.command_path)
        return super().resolve_command(ctx, args)


# Help is plain text: rich would triple the time it takes, and so would pretty tracebacks of what is a bug.
app = typer.Typer(
    cls=Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
check = typer.Typer(cls=Commands, help="Check what a run is given, without running it.", rich_markup_mode=None)

broker = typer.Typer(cls=Commands, help="The broker of a venue.", rich_markup_mode=None)

cache = typer.Typer(cls=Commands, help="Candles of venues, kept on this machine.", rich_markup_mode=None)

size = typer.Typer(cls=Commands, help="How much an entry would buy, as a calculator.", rich_markup_mode=None)

report = typer.Typer(cls=Commands, help="Reports of saved runs, made anew.", rich_markup_mode=None)

runs = typer.Typer(cls=Commands, help="Runs that were saved.", rich_markup_mode=None)

store = typer.Typer(cls=Commands, help="Records that bots keep.", rich_markup_mode=None)

app.command()(backtest)
app.command()(paper)
app.command()(live)
app.command()(status)
app.command()(repro)
app.command("list")(list_names)
broker.command("test")(try_broker)
app.add_typer(broker, name="broker")
check.command("config")(check_config)
app.add_typer(check, name="check")
app.command()(doctor)
cache.command("warm")(warm_cache)
cache.command("list")(list_cache)
cache.command("verify")(verify_cache)
cache.command("import")(import_cache)
cache.command("export")(export_cache)
app.add_typer(cache, name="cache")
size.command("fixed")(size_fixed)
size.command("kelly")(size_kelly)
size.command("atr")(size_atr)
app.add_typer(size, name="size")
for kind in ABOUT:
    report.command(kind)(report_command(kind))
report.command("heatmap")(report_heatmap)
report.command("html")(report_page)
report.command("charts")(report_charts)
report.command("compare")(compare_saved_runs)
report.command("all")(report_all)
app.add_typer(report, name="report")
runs.command("list")(list_runs)
runs.command("show")(show_run)
runs.command("delete")(delete_runs)
app.add_typer(runs, name="runs")
store.command("list")(list_store)
store.command("show")(show_records)
store.command("verify")(verify_store)
store.command("export")(export_store)
store.command("import")(import_store)
store.command("migrate")(migrate_store)
app.add_typer(store, name="store")


def _show_version(wanted: bool) -> None:
    if wanted:
        from backtestkit_cli.runs.facts import installed_version

        typer.echo(f"btk {installed_version()}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def btk(
    ctx: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Backtest and trade crypto strategies written in Python."""
    _need_command(ctx)


@broker.callback(invoke_without_command=True)
@cache.callback(invoke_without_command=True)
@check.callback(invoke_without_command=True)
@report.callback(invoke_without_command=True)
@runs.callback(invoke_without_command=True)
@size.callback(invoke_without_command=True)
@store.callback(invoke_without_command=True)
def _group(ctx: typer.Context) -> None:
    _need_command(ctx)


def _need_command(ctx: typer.Context) -> None:
    if ctx.invoked_subcommand is None:
        typer.echo(ctx.get_help(), err=True)
        raise typer.Exit(2)


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* name and return the exit code of the process.

    An expected failure is a line on stderr for each problem; what is not in the tree of errors is a bug
    and raised.
    """
    console.prepare(speaks_json="--log-json" in arguments)
    try:
        code = _command().main(args=list(arguments), prog_name="btk", standalone_mode=False)
    except BacktestKitError as error:
        console.fail(error)
        return error.exit_code
    except typer.TyperException as error:
        console.error(_usage_problem(error))
        return error.exit_code
    finally:
        console.finish()
    if code == STOPPED:
        console.say("stopped")
    return int(code or 0)


@lru_cache
def _command() -> Any:  # noqa: ANN401 - typer keeps these types to itself
    """Return all commands as typer runs them; making them takes 30 ms, which a process pays once."""
    return get_command(app)


def _usage_problem(error: typer.TyperException) -> str:
    """Return *error* on one line, with the nearest option where one is unknown."""
    context = getattr(error, "ctx", None)
    where = context.command_path if context else "btk"
    if context is None or not hasattr(error, "possibilities"):
        message = error.format_message()
        return f"{where}: {message[:1].lower()}{message[1:].removesuffix('.')}"
    name = getattr(error, "option_name", "")
    known = [option for part in context.command.get_params(context) for option in part.opts if option[:2] == "--"]
    return f"{where}: unknown option {name!r}{suggestion(name, known)}"


def main() -> None:
    """Run `btk` with the arguments of the process."""
    sys.exit(run(sys.argv[1:]))

"""`btk doctor`: whether everything a run needs is there and works."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from backtestkit_cli.cli import console, options
from backtestkit_cli.cli.console import Heading, Painted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from backtestkit_cli.runs.doctor.findings import Finding

_COLOURS = {"ok": "green", "warning": "yellow", "failed": "red"}


def doctor(
    *,
    symbols: options.Symbols = None,
    entry: options.Entry = None,
    exchange: options.Exchange = None,
    config: options.Config = None,
    sets: options.Sets = None,
    out: options.Out = None,
    data: options.Data = None,
    offline: options.Offline = False,
    alerts: Annotated[
        bool, typer.Option("--alerts", help="Also connect to where alerts go; no message is sent.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Check machine, config, folders, venue, keys and saved state, and say what to do about what is wrong.

    Nothing is changed, and no order is sent. Keys are never shown. Exit codes: 0 all is well, or there are warnings
    only; else that of the first check that failed: 2 the configuration, 3 the saved state, 5 the venue, 1 anything
    else.
    """
    import asyncio

    from backtestkit_cli.runs.doctor.examination import Premises, examine
    from backtestkit_cli.runs.doctor.findings import exit_code

    flags = {
        "symbols": options.joined(symbols),
        "entry": entry,
        "exchange": exchange,
        "out": out,
        "data": data,
        **options.reach(no_cache=False, offline=offline),
    }
    premises = Premises(load=lambda: options.load(config, sets, flags), reaches_alerts=alerts)
    with console.stdout_for_data():
        findings = asyncio.run(examine(premises))
    code = exit_code(findings)
    if json:
        rows = [_document(finding) for finding in findings]
        console.out(console.json_text({"ok": code == 0, "findings": rows, "exit_code": code}))
    else:
        _show(findings)
    raise typer.Exit(code)


def _document(finding: "Finding") -> dict[str, Any]:
    return {
        "check": finding.check,
        "level": finding.level.value,
        "text": console.one_line(finding.text),
        "advice": finding.advice,
    }


def _show(findings: "Sequence[Finding]") -> None:
    rows = [[one.check, Painted(one.level.value, _COLOURS[one.level.value]), one.text, one.advice] for one in findings]
    console.show_table([Heading("Check"), Heading("Result"), Heading("Found"), Heading("What to do")], [rows])

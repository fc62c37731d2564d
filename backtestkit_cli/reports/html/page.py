"""The page of a run: one file with everything in it, which asks the network for nothing."""

import base64
import hashlib
import html
import re
from importlib.resources import files
from typing import Any, Final

import orjson

from backtestkit_cli.reports.html.document import document
from backtestkit_cli.reports.saved.record import RunRecord
from backtestkit_cli.reports.saved.run_part import RunPart

_LIBRARY: Final = "lightweight-charts.standalone.production.js"
_NOTICE: Final = "lightweight-charts.NOTICE"
# In the order in which they need each other.
_SCRIPTS: Final = (
    *("format.js", "packing.js", "theme.js", "tables.js", "summary.js", "equity.js", "heatmap.js"),
    *("trade_marks.js", "candle_chart.js", "trade_list.js", "trade_details.js", "page.js"),
)
# Nothing may be loaded, and only the two scripts of the page itself may run.
_POLICY: Final = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src data:;"
    " base-uri 'none'; form-action 'none'"
)


def html_page(record: RunRecord, part: RunPart | None = None) -> bytes:
    """Return the page of *record* as the bytes of an HTML file; the same record gives the same bytes.

    With *part* its candles and trades are those of that part, and everything else is of the whole run.
    """
    library, script = _asset(_LIBRARY), _script()
    parts = {
        "policy": _POLICY.format(scripts=" ".join(_hash(code) for code in (library, script))),
        "title": html.escape(f"{', '.join(sorted(record.facts.strategies))} · {record.run_id}"),
        "style": _asset("page.css"),
        "document": _json(document(record, part) | {"library": _notice()}),
        "library": library,
        "script": script,
    }
    # One pass, so that a part that holds the name of another stays as it is.
    return re.sub(r"{{(\w+)}}", lambda found: parts[found[1]], _asset("page.html")).encode()


def _json(content: dict[str, Any]) -> str:
    """Return *content* as JSON that no text in it can end: `<` is written by its number."""
    return orjson.dumps(content).decode().replace("<", "\\u003c")


def _script() -> str:
    """Return our scripts as one, in a scope of their own."""
    return '(() => {\n"use strict";\n' + "\n".join(_asset(name) for name in _SCRIPTS) + "})();\n"


def _hash(code: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(code.encode()).digest()).decode('ascii')}'"


def _notice() -> dict[str, str]:
    name, notice = _asset(_NOTICE).splitlines()
    return {"name": name, "notice": notice, "url": notice.split()[-1]}


def _asset(name: str) -> str:
    return (files("backtestkit_cli.reports.html") / "assets" / name).read_text(encoding="utf-8")

"""What is written where a session fails: the error, where it stood, and what it did last."""

from collections.abc import Iterable
from dataclasses import asdict, is_dataclass
from itertools import islice
from typing import Any, Final

import orjson

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.events.facts import ErrorOccurred, Event
from backtestkit_cli.events.rows import event_row

_LAST_EVENTS: Final = 50


def error_report(
    names: tuple[str, str, str], error: str, at_ms: int, memory: SessionMemory, events: Iterable[Event]
) -> str:
    """Return Markdown on the failure of a session.

    *names* are run, strategy and symbol; *events* are those of the session, oldest first.
    """
    run_id, strategy, symbol = names
    newest_first = list(islice(reversed(list(events)), _LAST_EVENTS))
    traceback = next((one.detail for one in newest_first if isinstance(one, ErrorOccurred)), "")
    rows = [orjson.dumps(event_row(event)).decode() for event in reversed(newest_first)]
    state = orjson.dumps(memory._asdict(), default=_plain, option=orjson.OPT_INDENT_2).decode()
    blocks = [
        f"# Failed: {strategy} on {symbol}",
        f"Run `{run_id}`, {utc_text(at_ms)} UTC. The session goes on from its saved state.",
        f"## Error\n\n{_fenced(error)}",
        f"## Traceback\n\n{_fenced(traceback)}",
        f"## State\n\n{_fenced(state)}",
        f"## Last events\n\n{_fenced(chr(10).join(rows))}",
    ]
    return "\n\n".join(blocks) + "\n"


def _fenced(text: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}\n{text.rstrip()}\n{fence}"


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever a state holds
    if hasattr(value, "_asdict"):
        return value._asdict()
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)

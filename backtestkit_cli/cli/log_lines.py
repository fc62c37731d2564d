"""Where the records of a command go: to stderr or a file, as text or JSON, each with what it is about."""

import io
import json
import logging
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from backtestkit_cli.errors import ConfigError, UnknownNameError

# As in api/log_context, which loads numpy.
LOG_KEYS = ("run_id", "mode", "strategy", "exchange", "frame", "symbol", "when")
FILTER_KEYS = LOG_KEYS[:-1]
LEVELS = ("debug", "info", "warning", "error")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_CHATTY = ("asyncio", "ccxt", "urllib3")  # what they say at debug is about them, and ccxt shows keys there
_COMMAND = "btk.cli"
_PRINTED = "btk.print"


@dataclass(frozen=True, slots=True)
class LogPlan:
    """Which records are written, where and how; `filters` are keys with the values of which one must match."""

    level: int
    as_json: bool
    file: str | None
    filters: Mapping[str, tuple[str, ...]]


def log_plan(level: str | None, as_json: bool, file: str | None, filters: Sequence[str] | None) -> LogPlan | None:
    """Return what the flags ask for, None where none of them is given.

    Raises:
        ConfigError: a level or a filter is none.
    """
    if level is None and not as_json and file is None and not filters:
        return None
    name = (level or "info").lower()
    if name not in LEVELS:
        raise UnknownNameError("level", level or "", LEVELS, where="--log-level")
    values: dict[str, tuple[str, ...]] = {}
    for text in filters or ():
        key, sign, value = (part.strip() for part in text.partition("="))
        if not sign or not value:
            raise ConfigError(f"--log-filter: expected key=value such as symbol=BTCUSDT, found {text!r}")
        if key not in FILTER_KEYS:
            raise UnknownNameError("key", key, FILTER_KEYS, where="--log-filter")
        values[key] = (*values.get(key, ()), value)
    return LogPlan(logging.getLevelNamesMapping()[name.upper()], as_json, file, values)


@contextmanager
def written(plan: LogPlan | None) -> Iterator[None]:
    """Write the records made within the block as *plan* says; without one nothing changes.

    Raises:
        ConfigError: the file cannot be written.
    """
    if plan is None:
        yield
        return
    before = {name: logging.getLogger(name).level for name in ("", "btk", *_CHATTY)}
    handler = begin(plan)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        logging.getLogger().removeHandler(handler)
        handler.close()
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)


def begin(plan: LogPlan) -> logging.Handler:
    """Write the records of this process from now on; return what does it.

    Raises:
        ConfigError: the file cannot be written.
    """
    try:
        handler = logging.StreamHandler() if plan.file is None else logging.FileHandler(plan.file, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--log-file: {plan.file}: cannot be written: {error.strerror or error}") from None
    handler.setLevel(plan.level)
    handler.setFormatter(JsonLines() if plan.as_json else TextLines())
    handler.addFilter(_with_context)
    handler.addFilter(lambda record: all(getattr(record, key) in values for key, values in plan.filters.items()))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(plan.level)
    logging.getLogger("btk").setLevel(plan.level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(plan.level, logging.INFO))
    logging.captureWarnings(plan.as_json)
    return handler


def begin_in_worker(plan: LogPlan) -> None:
    """Do the same in a process that runs a share of the symbols."""
    begin(plan)
    if plan.as_json:
        sys.stdout = PrintedLines()


def _with_context(record: logging.LogRecord) -> bool:
    """Put what *record* is about on it; what it says of itself stays."""
    from backtestkit_cli.api.log_context import log_context

    for key, value in log_context().items():
        if not hasattr(record, key):
            setattr(record, key, value)
    return True


class JsonLines(logging.Formatter):
    """One JSON object a record: `time` (real), `level`, `logger`, `message`, `LOG_KEYS`, and what else it has."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line."""
        document: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _message(record),
        }
        document |= {key: getattr(record, key, "") for key in LOG_KEYS}
        document |= {key: value for key, value in vars(record).items() if key not in _STANDARD and key not in LOG_KEYS}
        if record.exc_info:
            document["traceback"] = self.formatException(record.exc_info)
        return _json(document)


class TextLines(logging.Formatter):
    """One line a record for people: level, virtual time, symbol, logger, message; tracebacks follow it."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as text."""
        when = str(getattr(record, "when", ""))[:16].replace("T", " ")
        names = (when, getattr(record, "symbol", ""), getattr(record, "strategy", ""))
        about = "".join(f" {name}" for name in names if name)
        text = " ".join(_message(record).split())
        line = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
        head = f"{record.levelname.lower()}:{about} {record.name}: {line}"
        return f"{head}\n{self.formatException(record.exc_info)}" if record.exc_info else head


class PrintedLines(io.TextIOBase):
    """Stands for stdout where stderr has to stay JSON: each line that is printed becomes a record of its own."""

    def __init__(self) -> None:
        """Start with nothing printed."""
        self._begun = ""

    def writable(self) -> bool:
        """Say yes."""
        return True

    def write(self, text: str) -> int:
        """Take *text*; write what of it is whole lines."""
        *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            print(command_line("info", line, _PRINTED), file=sys.stderr, flush=True)
        return len(text)

    def finish(self) -> None:
        """Write the line that was begun last, if nothing has ended it."""
        if self._begun:
            self.write("\n")


def command_line(level: str, text: str, logger: str = _COMMAND) -> str:
    """Return what a command says beside its data as a JSON line with the keys of any record."""
    record = logging.LogRecord(
        logger, logging.getLevelNamesMapping()[level.upper()], "", 0, "%s", (text,), exc_info=None
    )
    _with_context(record)
    return JsonLines().format(record)


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError):  # the arguments do not fit the text: show the text
        return f"{record.msg} {record.args}"


def _json(document: Mapping[str, object]) -> str:
    try:
        return json.dumps(document, default=str, allow_nan=False)
    except (TypeError, ValueError):  # a number that is none, or a key that is no text: say it as text
        return json.dumps(
            {str(key): value if isinstance(value, str) else repr(value) for key, value in document.items()}
        )

"""A logger of the author's own, for the lines of the internals."""

import logging
from collections.abc import Mapping
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.log_context import context_text
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.api.specs import LogSink
from backtestkit_cli.errors import ConfigError, ContextError

_METHODS = {
    logging.DEBUG: ("debug",),
    logging.INFO: ("info",),
    logging.WARNING: ("warning", "warn"),
    logging.ERROR: ("error",),
}


def set_logger(logger: object | None) -> None:
    """Send every line of the internals to *logger* as well, in the runs of the module that says so; None takes it away.

    It needs `debug`, `info`, `warning` (or `warn`) and `error`, each of one text. What a line is about is
    appended to it, `position opened … strategy=dca symbol=BTCUSDT when=…`. A logger of the standard library gets
    the same names as `extra` too; one with `bind`, as of structlog or loguru, gets them bound instead. A logger
    that fails is not asked again in that run.

    Raises:
        ConfigError: *logger* lacks one of these methods.
        ContextError: called inside a run.
    """
    where = caller()
    if ambient.get(None) is not None:
        raise ContextError(f"{where}: set_logger works before a run only: call it when the module is imported")
    registry().log_sink = None if logger is None else _sink(logger, where)


def _sink(logger: Any, where: str) -> LogSink:  # noqa: ANN401 - whatever the author has
    for names in _METHODS.values():
        if _method(logger, names) is None:
            raise ConfigError(
                f"{where}: set_logger expects an object with debug, info, warning and error, "
                f"found {type(logger).__name__} without {' or '.join(names)}"
            )
    is_standard = isinstance(logger, logging.Logger | logging.LoggerAdapter)
    is_bound = not is_standard and callable(getattr(logger, "bind", None))

    def write(level: int, text: str, context: Mapping[str, str]) -> None:
        names = _METHODS[level]
        if is_bound:
            _method(logger.bind(**context), names)(text)
            return
        line = f"{text} {context_text(context)}".rstrip()
        if is_standard:
            _method(logger, names)("%s", line, extra=context)
        else:
            _method(logger, names)(line)

    return write


def _method(logger: Any, names: tuple[str, ...]) -> Any:  # noqa: ANN401
    found = (getattr(logger, name, None) for name in names)
    return next((method for method in found if callable(method)), None)

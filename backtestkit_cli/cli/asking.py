"""Questions to whoever sits at the terminal."""

import sys

from backtestkit_cli.cli import console
from backtestkit_cli.errors import ConfigError


def require_somebody(who: str, *, else_say: str) -> None:
    """Make sure that there is somebody to ask.

    Raises:
        ConfigError: *who* asks in vain; *else_say* says what to do then.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"{who}: expected somebody to ask, found no terminal: {else_say}")


def asked(question: str) -> str:
    """Return the answer to *question*, nothing where the terminal was closed."""
    print(console.one_line(question), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()

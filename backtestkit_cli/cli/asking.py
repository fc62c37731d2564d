"""Questions to whoever sits at the terminal."""

import sys

from backtestkit_cli.cli import console
from backtestkit_cli.errors import ConfigError


def asked(question: str, *, else_say: str) -> str:
    """Return the answer to *question*.

    Raises:
        ConfigError: nobody is there to answer; *else_say* says what to do then.
    """
    if not sys.stdin.isatty():
        raise ConfigError(f"expected somebody to ask, found no terminal: {else_say}")
    print(console.one_line(question), end=" ", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip()

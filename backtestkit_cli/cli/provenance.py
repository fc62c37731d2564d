"""How a run was asked for, for its manifest."""

import shlex
import sys
from datetime import UTC, datetime


def command_line() -> str:
    """Return the command line, without what may be a secret."""
    from backtestkit_cli.config.secrets import without_secrets

    return shlex.join(["btk", *map(without_secrets, sys.argv[1:])])


def now_text() -> str:
    """Return real time in ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")  # noqa: TID251 - the manifest says when the run was made

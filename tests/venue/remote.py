"""A venue in a process of its own, which outlives what trades at it: started, controlled and ended from a test."""

import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

ROOT = Path(__file__).resolve().parents[2]
_PATIENCE_S = 20.0


class RemoteVenue:
    """The control of a venue at *url*; see `tests.venue.control` for what may be asked."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, what: str, **asked: Any) -> Any:
        """Ask for control.

        Raises:
            urllib.error.HTTPError: the venue could make no sense of it.
        """
        request = urllib.request.Request(f"{self.url}/control/{what}", data=orjson.dumps(asked), method="POST")
        with urllib.request.urlopen(request, timeout=_PATIENCE_S) as answer:
            return orjson.loads(answer.read())

    def advance(self, by_ms: int = 60_000) -> int:
        return int(self.ask("advance", by_ms=by_ms)["now_ms"])

    def advance_to(self, to_ms: int) -> int:
        return int(self.ask("advance", to_ms=to_ms)["now_ms"])

    @property
    def book(self) -> dict[str, Any]:
        """Return orders, trades and balances; amounts are text."""
        found: dict[str, Any] = self.ask("book")
        return found


@contextmanager
def venue_process(*arguments: str) -> Iterator[RemoteVenue]:
    """Run `python -m tests.venue` on a free port, with further *arguments*, and end it."""
    command = [sys.executable, "-m", "tests.venue", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            if not said:
                raise RuntimeError("the venue did not start")
            yield RemoteVenue(said.split()[0])
        finally:
            process.terminate()
            process.communicate(timeout=_PATIENCE_S)
    if process.returncode > 0:
        raise RuntimeError(f"the venue ended with {process.returncode}")

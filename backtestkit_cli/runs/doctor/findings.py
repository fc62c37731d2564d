"""What an examination finds: plain values."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from backtestkit_cli.errors import BacktestKitError, ConfigError


class Level(StrEnum):
    """How bad a finding is."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found, in one line, and what to do about it; `exit_code` is 0 unless it failed."""

    check: str
    level: Level
    text: str
    advice: str = ""
    exit_code: int = 0


def fine(check: str, text: str) -> Finding:
    """Return that nothing is wrong."""
    return Finding(check, Level.OK, text)


def doubtful(check: str, text: str, advice: str) -> Finding:
    """Return what works, and had better be different."""
    return Finding(check, Level.WARNING, text, advice)


def failed(check: str, text: str, advice: str, exit_code: int = 1) -> Finding:
    """Return what keeps a run from working."""
    return Finding(check, Level.FAILED, text, advice, exit_code)


def failures(check: str, error: BacktestKitError, advice: str) -> list[Finding]:
    """Return a finding for each of the problems that *error* reports, with its exit code."""
    problems = error.problems if isinstance(error, ConfigError) else (str(error),)
    return [failed(check, problem, advice, error.exit_code) for problem in problems]


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the exit code of the first check that failed, 0 if none did."""
    return next((one.exit_code for one in findings if one.level is Level.FAILED), 0)

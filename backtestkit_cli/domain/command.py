"""What a position command answers."""

from typing import NamedTuple


class CommandResult(NamedTuple):
    """Whether a command was carried out, and if not, why; true in a condition when it was."""

    ok: bool
    problem: str = ""

    def __bool__(self) -> bool:
        return self.ok


ACCEPTED = CommandResult(ok=True)


def refused(problem: str) -> CommandResult:
    """Return a refusal that says why."""
    return CommandResult(ok=False, problem=problem)

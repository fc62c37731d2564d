"""What a place that takes messages is asked, and what it answers."""

from typing import NamedTuple, Protocol, TypeAlias

from backtestkit_cli.alerts.levels import Interest
from backtestkit_cli.alerts.message import Message


class Delivered(NamedTuple):
    """The message has arrived."""


class Unreached(NamedTuple):
    """The place takes no messages now; `retry_after_s` is how long it wants to be left alone, if it said so."""

    reason: str
    retry_after_s: float | None = None


class Refused(NamedTuple):
    """The place does not want this message, and sending it again would not change that."""

    reason: str


Verdict: TypeAlias = Delivered | Unreached | Refused


class Sink(Protocol):
    """A place that takes messages."""

    @property
    def name(self) -> str:
        """Return what logs and keys call it, such as `webhook`."""
        ...

    @property
    def interest(self) -> Interest:
        """Return what it wants to hear."""
        ...

    @property
    def secrets(self) -> tuple[str, ...]:
        """Return what no log, error or record may hold."""
        ...

    async def send(self, message: Message) -> Verdict:
        """Try once to hand over *message*, within a time limit of its own."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...

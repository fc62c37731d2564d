"""How rows, counts and configs call the kinds of event."""

import re
from functools import lru_cache

from backtestkit_cli.events.facts import Event


def event_kind(kind: type[Event]) -> str:
    """Return how rows and counts call events of *kind*: `PositionOpened` is `position_opened`."""
    return _snake_case(kind.__name__)


@lru_cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

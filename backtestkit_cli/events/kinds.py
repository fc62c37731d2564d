"""How rows, counts and configs call the kinds of event."""

import re
from functools import lru_cache

from backtestkit_cli.events import facts, venue_facts
from backtestkit_cli.events.facts import Event


def event_kind(kind: type[Event]) -> str:
    """Return how rows and counts call events of *kind*: `PositionOpened` is `position_opened`."""
    return _snake_case(kind.__name__)


def kind_names() -> frozenset[str]:
    """Return the kinds of all events that are recorded."""
    recorded = (*vars(facts).values(), *vars(venue_facts).values())
    kinds = (one for one in recorded if isinstance(one, type) and issubclass(one, Event) and one is not Event)
    return frozenset(map(event_kind, kinds))


@lru_cache
def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()

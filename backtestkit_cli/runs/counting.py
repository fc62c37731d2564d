"""Events of a run put in order, and counted."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain

from backtestkit_cli.events.facts import Event
from backtestkit_cli.events.kinds import event_kind


def counts_of(events: Iterable[Event]) -> dict[str, int]:
    """Return how many events of each kind there are, by kind."""
    by_type = Counter(map(type, events))
    return dict(sorted((event_kind(kind), count) for kind, count in by_type.items()))


def as_published(record: Iterable[Event]) -> tuple[Event, ...]:
    """Return the events of sessions in one lockstep as they were told; what was told before the first tick is first."""
    return tuple(sorted(record, key=lambda event: event.at_ms))


def in_run_order(parts: Iterable[Iterable[Event]]) -> tuple[Event, ...]:
    """Return the events of sessions that ran apart in the order of (time, session); each part is in order."""
    lists = list(parts)
    if len(lists) == 1:
        return tuple(lists[0])
    return tuple(sorted(chain.from_iterable(lists), key=_moment))


def _moment(event: Event) -> tuple[int, str, str]:
    return event.at_ms, event.symbol if event.strategy else "", event.strategy

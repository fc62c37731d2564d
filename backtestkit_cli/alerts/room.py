"""Which messages are given up when too many wait for a place that is down."""

from collections.abc import Sequence
from dataclasses import replace

from backtestkit_cli.alerts.levels import RANKS
from backtestkit_cli.alerts.message import Message


def fitted(waiting: Sequence[Message], limit: int, *, is_first_underway: bool) -> list[Message]:
    """Return the messages of *waiting* that stay, in their order: at most *limit*, where that can be.

    The oldest of the least level goes first; the one after it says how many are gone. Errors and ends of positions,
    the newest message and one that is on its way (the first, if *is_first_underway*) stay even beyond the limit.
    """
    kept = list(waiting)
    while len(kept) > limit and (at := _victim(kept, 1 if is_first_underway else 0)) is not None:
        lost = kept.pop(at)
        kept[at] = replace(kept[at], dropped=kept[at].dropped + 1 + lost.dropped)
    return kept


def _victim(waiting: Sequence[Message], first: int) -> int | None:
    """Return the place of the message that goes next, None if none may."""
    candidates = (at for at in range(first, len(waiting) - 1) if not waiting[at].is_precious)
    return min(candidates, key=lambda at: RANKS[waiting[at].level], default=None)

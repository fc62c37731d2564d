"""What must change so that our book says what the venue holds: pure, one symbol of one account at a time.

`reconcile` keeps these promises:

* Twice is once: after its corrections it finds nothing more to correct.
* Orders of others are never touched, and coins beyond ours are the user's own and no business of ours.
* What positions hold afterwards is what is there, at most what they held. Several that must share too few coins keep
  their proportions. Quantities stay as they are only where an order may explain the difference once it is known, and
  where it blocks because nothing does.
* Nothing is opened or enlarged but by fills of our own orders, which the venue has confirmed.
* It depends on nothing but the two books, and not on the order in which they list things.
* Whatever it does it says in one line with the numbers, and above all why it blocks.

Differences up to the venue's smallest quantity are dust and count as none.
"""

from collections.abc import Iterator, Mapping
from math import fsum
from typing import NamedTuple, TypeAlias

from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    Gone,
    Leg,
    OrderState,
    Rejected,
    RestingOrder,
    Transient,
    VenueRules,
)

_ROUNDING = 1e-9
_ADDING = (Leg.ENTRY, Leg.AVERAGE)  # booked first: what was sold must have been there


class ExpectedOrder(NamedTuple):
    """An order that a session has not settled; `booked` is the quantity of its fill that the position holds already.

    `rests` says that the venue has confirmed it before; where not, it was about to be sent.
    """

    client_id: str
    leg: Leg
    is_buy: bool
    quantity: float
    booked: float = 0.0
    rests: bool = True


class OurSession(NamedTuple):
    """What one strategy holds on the symbol, in the base asset; a short owes it."""

    strategy: str
    side: Side
    quantity: float
    orders: tuple[ExpectedOrder, ...] = ()


class OurBook(NamedTuple):
    """All our sessions on one symbol; `held_elsewhere` is what our positions on other symbols hold of its base asset.

    Client ids that begin with one of `id_prefixes` and a dash are ours: those of the sessions, and of all that ever
    traded the symbol on this account. `blocked` says why entries are blocked, if they are.
    """

    symbol: str
    rules: VenueRules
    sessions: tuple[OurSession, ...]
    id_prefixes: frozenset[str]
    held_elsewhere: float = 0.0
    blocked: str = ""


class VenueBook(NamedTuple):
    """What the venue says: all coins of the base asset, also locked ones, the open orders, and its word on ours.

    `answers` are those of `check` by client id. An order that fills between the questions looks like coins that were
    sold by somebody else: who collects this asks `check` again after `coins`, and takes it only if nothing moved.
    An order that may still be on its way is no `Gone`: the answer is left out, as that of one that is not known.
    """

    coins: float
    resting: tuple[RestingOrder, ...]
    answers: Mapping[str, Answer]


class CancelOrphan(NamedTuple):
    """Cancel an order of ours that no session expects."""

    explanation: str
    order: RestingOrder


class NoteAnswer(NamedTuple):
    """Book what the venue says of an order: a fill that was missed, exits that were filled, an order that arrived."""

    explanation: str
    strategy: str
    client_id: str
    answer: Confirmed


class ForgetOrder(NamedTuple):
    """Expect an order no longer, which is not at the venue; if it is still wanted, it must be placed again."""

    explanation: str
    strategy: str
    client_id: str


class ShrinkPosition(NamedTuple):
    """Book that a part of a position was sold outside."""

    explanation: str
    strategy: str
    quantity_before: float
    quantity_after: float


class CloseElsewhere(NamedTuple):
    """Book that a position was sold outside as a whole: it closes as `liquidated_elsewhere`, its orders cancelled."""

    explanation: str
    strategy: str
    quantity_before: float


class BlockEntries(NamedTuple):
    """Open nothing new on the symbol."""

    explanation: str


class AllowEntries(NamedTuple):
    """Open new positions on the symbol again: none of ours is left there that could be wrong."""

    explanation: str


Correction: TypeAlias = (
    CancelOrphan | NoteAnswer | ForgetOrder | ShrinkPosition | CloseElsewhere | BlockEntries | AllowEntries
)


def reconcile(ours: OurBook, theirs: VenueBook) -> tuple[Correction, ...]:
    """Return what brings *ours* to *theirs*, in the order in which it is to be done."""
    sessions = sorted(ours.sessions, key=lambda session: session.strategy)
    return (*_orphans(ours, theirs), *_settled(sessions, theirs), *_quantities(ours, sessions, theirs))


def is_of(client_id: str, order_id: str) -> bool:
    """Say whether a venue's *client_id* is that of the order *order_id*, or of one of two that stand for it."""
    rest = client_id.removeprefix(order_id)
    return client_id.startswith(order_id) and not rest[:1].isdigit()


def _orphans(ours: OurBook, theirs: VenueBook) -> Iterator[CancelOrphan]:
    expected = [order.client_id for session in ours.sessions for order in session.orders]
    for order in sorted(theirs.resting, key=lambda order: (order.client_id, order.venue_id)):
        is_ours = any(order.client_id.startswith(f"{prefix}-") for prefix in ours.id_prefixes)
        if is_ours and not any(is_of(order.client_id, known) for known in expected):
            what = (
                f"{'buy' if order.is_buy else 'sell'} {order.quantity:.12g}, {order.quantity_filled:.12g} of it filled"
            )
            yield CancelOrphan(f"order {order.client_id} ({what}) is ours and no session expects it", order)


def _settled(sessions: list[OurSession], theirs: VenueBook) -> Iterator[NoteAnswer | ForgetOrder]:
    for session in sessions:
        for order in sorted(session.orders, key=lambda order: (order.leg not in _ADDING, order.client_id)):
            answer = _word_on(order, theirs)
            if isinstance(answer, Confirmed):
                yield from _confirmed(session.strategy, order, answer, theirs)
            elif answer is not None:
                explanation = f"order {order.client_id} of {session.strategy} is not at the venue: {answer.reason}"
                yield ForgetOrder(explanation, session.strategy, order.client_id)


def _confirmed(
    strategy: str, order: ExpectedOrder, answer: Confirmed, theirs: VenueBook
) -> Iterator[NoteAnswer | ForgetOrder]:
    name, filled = f"order {order.client_id} of {strategy}", answer.fill.quantity if answer.fill else 0.0
    is_news = filled > order.booked + _ROUNDING * order.quantity
    if is_news or answer.state is OrderState.FILLED or (answer.state is OrderState.RESTING and not order.rests):
        which = f"{answer.exit_side} of " if answer.exit_side else ""
        numbers = f"{filled:.12g} of {order.quantity:.12g} filled, {order.booked:.12g} booked"
        yield NoteAnswer(f"{which}{name} is {answer.state}: {numbers}", strategy, order.client_id, answer)
    if answer.state is OrderState.CANCELLED and not _is_listed(order, theirs):
        numbers = f"{filled:.12g} of {order.quantity:.12g} was filled"
        yield ForgetOrder(f"{name} was cancelled outside: {numbers}", strategy, order.client_id)


def _word_on(order: ExpectedOrder, theirs: VenueBook) -> Confirmed | Rejected | Gone | None:
    """Return what the venue knows of *order*: nothing where it did not say, or denies an order that it lists."""
    answer = theirs.answers.get(order.client_id)
    if isinstance(answer, Confirmed):
        return answer
    return None if isinstance(answer, Transient | None) or _is_listed(order, theirs) else answer


def _is_listed(order: ExpectedOrder, theirs: VenueBook) -> bool:
    return any(is_of(listed.client_id, order.client_id) for listed in theirs.resting)


def _quantities(ours: OurBook, sessions: list[OurSession], theirs: VenueBook) -> Iterator[Correction]:
    held = {session.strategy: held_after(session, theirs.answers) for session in sessions}
    dust = max(ours.rules.quantity_step, ours.rules.min_quantity) + _ROUNDING * sum(map(abs, held.values()))
    held = {strategy: quantity if abs(quantity) > dust else 0.0 for strategy, quantity in held.items()}
    total, coins = sum(held.values()), theirs.coins - ours.held_elsewhere
    unknown = sorted(_unknown(sessions, theirs))
    if not any(held.values()) or total - coins <= dust:
        yield from _allow(ours, is_over=not unknown and not any(held.values()))
        return
    coins = coins if coins > dust else 0.0
    what = f"{ours.symbol}: positions hold {total:.12g} {ours.rules.base}, and the account has {coins:.12g} for them"
    if any(quantity < 0 for quantity in held.values()):
        yield from _block(ours, f"{what}: with a short among them nobody can say which was changed outside")
    elif unknown:
        if total - coins > sum(left for _, left in unknown) + dust:
            names = ", ".join(client_id for client_id, _ in unknown)
            yield from _block(ours, f"{what}: that is more than what is not known yet of {names} can explain")
    else:
        after = {strategy: quantity * (coins / total) for strategy, quantity in held.items()}
        after = {strategy: quantity if quantity > dust else 0.0 for strategy, quantity in after.items()}
        yield from (_shrunk(strategy, held[strategy], after[strategy], what) for strategy in after if held[strategy])
        if not any(after.values()):
            yield from _allow(ours, is_over=True)
        elif ours.held_elsewhere or sum(map(bool, held.values())) > 1:
            yield from _block(ours, f"{what}: nobody can say which of several positions was sold outside")


def _shrunk(strategy: str, before: float, after: float, what: str) -> ShrinkPosition | CloseElsewhere:
    if after:
        return ShrinkPosition(f"{what}: {strategy} keeps {after:.12g} of {before:.12g}", strategy, before, after)
    return CloseElsewhere(f"{what}: {strategy} has lost all of {before:.12g}", strategy, before)


def _allow(ours: OurBook, *, is_over: bool) -> Iterator[AllowEntries]:
    if ours.blocked and is_over:
        yield AllowEntries(f"{ours.symbol}: no position of ours is left, so nothing can be wrong with it any more")


def _block(ours: OurBook, explanation: str) -> Iterator[BlockEntries]:
    if not ours.blocked:
        yield BlockEntries(explanation)


def held_after(session: OurSession, answers: Mapping[str, Answer]) -> float:
    """Return the coins that *session* holds once all that *answers* confirm is booked; below 0 what it owes."""
    parts = [session.side.sign * session.quantity]
    for order in session.orders:
        answer = answers.get(order.client_id)
        if not isinstance(answer, Confirmed) or answer.fill is None:
            continue
        fresh = max(answer.fill.quantity - order.booked, 0.0)
        kept = answer.fill.fee_base * fresh / answer.fill.quantity if fresh else 0.0
        parts += fresh if order.is_buy else -fresh, -kept
    held = fsum(parts)  # whose order does not matter, as that of orders does not
    return held if held * session.side.sign > 0 else 0.0


def _unknown(sessions: list[OurSession], theirs: VenueBook) -> Iterator[tuple[str, float]]:
    """Yield the orders on which the venue has said nothing, and how many coins they may have sold meanwhile."""
    for session in sessions:
        for order in session.orders:
            if _word_on(order, theirs) is None:
                yield order.client_id, 0.0 if order.is_buy else order.quantity - order.booked

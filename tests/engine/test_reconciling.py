"""Our book and the venue's: what is corrected, what is blocked, and that nothing else is touched."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.signal import Side
from backtestkit_cli.domain.venue import (
    Answer,
    Confirmed,
    ExitSide,
    Fill,
    Gone,
    Leg,
    OrderState,
    RefusalKind,
    Rejected,
    RestingOrder,
    Transient,
    VenueRules,
)
from backtestkit_cli.engine.reconciling import (
    AllowEntries,
    BlockEntries,
    CancelOrphan,
    CloseElsewhere,
    Correction,
    ExpectedOrder,
    ForgetOrder,
    NoteAnswer,
    OurBook,
    OurSession,
    ShrinkPosition,
    VenueBook,
    held_after,
    is_of,
    reconcile,
)

STEP = 0.001
RULES = VenueRules("BTC", "USDT", quantity_step=STEP, min_quantity=STEP)
PREFIX = {"one": "0a1b2c3d4e5f", "two": "5f4e3d2c1b0a", "three": "aaaaaaaaaaaa"}


def _order(strategy: str = "one", leg: Leg = Leg.EXITS, quantity: float = 1.0, **given: Any) -> ExpectedOrder:
    client_id = f"{PREFIX[strategy]}-1c2d3e4-{leg.value}1"
    is_buy = leg in (Leg.ENTRY, Leg.AVERAGE)
    return ExpectedOrder(**{"client_id": client_id, "leg": leg, "is_buy": is_buy, "quantity": quantity, **given})


def _listed(client_id: str, **given: Any) -> RestingOrder:
    return RestingOrder(client_id, "77", "BTC/USDT", is_buy=False, **{**_LISTED, **given})


_LISTED: dict[str, Any] = {"quantity": 1.0, "quantity_filled": 0.0, "price_limit": 110.0, "price_stop": None}


def _ours(*sessions: OurSession, **given: Any) -> OurBook:
    return OurBook("BTC/USDT", RULES, sessions, frozenset(PREFIX.values()), **given)


def _theirs(coins: float, answers: dict[str, Answer] | None = None, resting: Iterable[RestingOrder] = ()) -> VenueBook:
    return VenueBook(coins, tuple(resting), answers or {})


def _long(quantity: float = 1.0, *orders: ExpectedOrder, strategy: str = "one") -> OurSession:
    return OurSession(strategy, Side.LONG, quantity, orders)


def test_two_books_that_agree_need_no_correction() -> None:
    order = _order()
    resting = [_listed(f"{order.client_id}s"), _listed(f"{order.client_id}t"), _listed("somebody-else")]
    answers: dict[str, Answer] = {order.client_id: Confirmed(OrderState.RESTING)}
    assert reconcile(_ours(_long(1.0, order)), _theirs(1.0, answers, resting)) == ()


def test_coins_beyond_ours_are_the_users_own() -> None:
    assert reconcile(_ours(_long(1.0)), _theirs(25.0)) == ()


def test_dust_is_no_difference() -> None:
    assert reconcile(_ours(_long(1.0)), _theirs(1.0 - STEP)) == ()


def test_an_order_of_ours_that_no_session_expects_is_cancelled() -> None:
    orphan = _listed(f"{PREFIX['two']}-1c2d3e4-e1", quantity=0.5, quantity_filled=0.25)
    (correction,) = reconcile(_ours(_long()), _theirs(1.0, resting=[orphan]))
    assert correction == CancelOrphan(
        f"order {orphan.client_id} (sell 0.5, 0.25 of it filled) is ours and no session expects it", orphan
    )


@pytest.mark.parametrize(
    ("client_id", "is_it"), [("a-1-x1", True), ("a-1-x1s", True), ("a-1-x12", False), ("a", False)]
)
def test_a_venue_may_list_an_order_as_two_but_not_as_another_one(client_id: str, is_it: bool) -> None:
    assert is_of(client_id, "a-1-x1") is is_it


def test_exits_that_were_filled_are_booked_and_explain_the_coins() -> None:
    order = _order()
    answer = Confirmed(OrderState.FILLED, Fill(1.0, 98.0, 0.1), exit_side=ExitSide.STOP)
    (correction,) = reconcile(_ours(_long(1.0, order)), _theirs(0.0, {order.client_id: answer}))
    explanation = f"stop of order {order.client_id} of one is filled: 1 of 1 filled, 0 booked"
    assert correction == NoteAnswer(explanation, "one", order.client_id, answer)


def test_a_fill_of_an_entry_that_was_missed_is_booked() -> None:
    order = _order(leg=Leg.ENTRY, booked=0.25)
    answer = Confirmed(OrderState.RESTING, Fill(0.75, 98.0, 0.1))
    (correction,) = reconcile(_ours(_long(0.25, order)), _theirs(0.75, {order.client_id: answer}))
    assert isinstance(correction, NoteAnswer)


def test_an_attempt_that_arrived_is_noted_and_one_that_did_not_is_forgotten() -> None:
    order = _order(rests=False)
    for answer, kind in ((Confirmed(OrderState.RESTING), NoteAnswer), (Gone("unknown order"), ForgetOrder)):
        (correction,) = reconcile(_ours(_long(1.0, order)), _theirs(1.0, {order.client_id: answer}))
        assert isinstance(correction, kind)


def test_an_order_that_was_cancelled_outside_is_to_be_placed_again() -> None:
    order = _order()
    found = reconcile(_ours(_long(1.0, order)), _theirs(1.0, {order.client_id: Confirmed(OrderState.CANCELLED)}))
    explanation = f"order {order.client_id} of one was cancelled outside: 0 of 1 was filled"
    assert found == (ForgetOrder(explanation, "one", order.client_id),)


def test_what_was_filled_before_it_was_cancelled_is_booked_first() -> None:
    order = _order(leg=Leg.PARTIAL)
    answer = Confirmed(OrderState.CANCELLED, Fill(0.5, 100.0))
    found = reconcile(_ours(_long(1.0, order)), _theirs(0.5, {order.client_id: answer}))
    assert [type(correction) for correction in found] == [NoteAnswer, ForgetOrder]


def test_a_position_that_was_sold_outside_in_part_shrinks_to_what_is_there() -> None:
    (correction,) = reconcile(_ours(_long(1.0)), _theirs(0.5))
    text = "BTC/USDT: positions hold 1 BTC, and the account has 0.5 for them: one keeps 0.5 of 1"
    assert correction == ShrinkPosition(text, "one", 1.0, 0.5)


def test_a_position_that_was_sold_outside_as_a_whole_is_closed() -> None:
    (correction,) = reconcile(_ours(_long(1.0)), _theirs(STEP / 2))
    text = "BTC/USDT: positions hold 1 BTC, and the account has 0 for them: one has lost all of 1"
    assert correction == CloseElsewhere(text, "one", 1.0)


def test_several_positions_share_what_is_left_and_entries_are_blocked() -> None:
    found = reconcile(_ours(_long(1.0), _long(3.0, strategy="two")), _theirs(2.0))
    *shrunk, block = found
    assert [(one.strategy, one.quantity_after) for one in shrunk if isinstance(one, ShrinkPosition)] == [
        ("one", 0.5),
        ("two", 1.5),
    ]
    assert block == BlockEntries(
        "BTC/USDT: positions hold 4 BTC, and the account has 2 for them: "
        "nobody can say which of several positions was sold outside"
    )


def test_coins_that_other_symbols_hold_are_not_those_of_this_one() -> None:
    found = reconcile(_ours(_long(1.0), held_elsewhere=1.0), _theirs(1.5))
    assert [type(correction) for correction in found] == [ShrinkPosition, BlockEntries]


def test_missing_coins_wait_for_an_order_that_may_have_sold_them_and_block_beyond_that() -> None:
    order = _order(leg=Leg.CLOSE, quantity=0.5)
    answers: dict[str, Answer] = {order.client_id: Transient("timeout", may_have_arrived=True)}
    assert reconcile(_ours(_long(1.0, order)), _theirs(0.5, answers)) == ()
    (block,) = reconcile(_ours(_long(1.0, order)), _theirs(0.25, answers))
    assert isinstance(block, BlockEntries)
    assert order.client_id in block.explanation


def test_an_order_that_the_venue_denies_and_lists_all_the_same_is_not_forgotten() -> None:
    order = _order()
    for answer in (Gone("unknown order"), Confirmed(OrderState.CANCELLED)):
        theirs = _theirs(1.0, {order.client_id: answer}, [_listed(order.client_id)])
        assert reconcile(_ours(_long(1.0, order)), theirs) == ()


def test_shorts_that_do_not_add_up_block() -> None:
    short = OurSession("one", Side.SHORT, 1.0)
    assert reconcile(_ours(short), _theirs(-1.0)) == ()
    (block,) = reconcile(_ours(short), _theirs(-2.0))
    assert isinstance(block, BlockEntries)


def test_a_block_ends_when_no_position_is_left() -> None:
    assert reconcile(_ours(_long(1.0), blocked="x"), _theirs(1.0)) == ()
    (allowed,) = reconcile(_ours(_long(0.0), blocked="x"), _theirs(1.0))
    assert isinstance(allowed, AllowEntries)


# ---- the promises ----

AMOUNTS = st.sampled_from((0.0, STEP / 2, 0.25, 0.5, 1.0, 1 / 3, 3.0))
FILLS = st.builds(
    Fill, st.sampled_from((0.25, 1 / 3, 0.5, 1.0)), st.just(100.0), st.just(0.1), st.sampled_from((0, 1e-4))
)
ANSWERS = st.one_of(
    st.none(),
    st.builds(Confirmed, st.sampled_from((OrderState.RESTING, OrderState.CANCELLED)), st.one_of(st.none(), FILLS)),
    st.builds(Confirmed, st.just(OrderState.FILLED), FILLS),
    st.just(Transient("timeout", may_have_arrived=True)),
    st.just(Rejected(RefusalKind.OTHER, "no")),
    st.just(Gone("unknown order")),
)
ORDERS = st.lists(
    st.tuples(st.sampled_from(Leg), st.sampled_from((0.0, 0.25)), st.booleans(), ANSWERS, st.booleans()),
    max_size=2,
    unique_by=lambda order: order[0],
)
SESSIONS = st.lists(st.tuples(st.sampled_from((Side.LONG, Side.LONG, Side.SHORT)), AMOUNTS, ORDERS), max_size=3)
STRAYS = st.lists(
    st.sampled_from(("manual", "0a1b2c3d4e5fx-1-e1", f"{PREFIX['one']}-9-e1", f"{PREFIX['two']}-9-x1s")),
    max_size=3,
    unique=True,
)


@st.composite
def _books(draw: st.DrawFn) -> tuple[OurBook, VenueBook]:
    sessions, answers, resting = [], dict[str, Answer](), [_listed(stray) for stray in draw(STRAYS)]
    for strategy, (side, quantity, orders) in zip(PREFIX, draw(SESSIONS), strict=False):
        expected = []
        for leg, booked, rests, answer, is_listed in orders:
            is_buy = (leg in (Leg.ENTRY, Leg.AVERAGE)) is (side is Side.LONG)
            order = _order(strategy, leg, booked=booked, rests=rests, is_buy=is_buy)
            expected.append(order)
            if answer is not None:
                answers[order.client_id] = answer
            if is_listed:
                resting.append(_listed(order.client_id))
        sessions.append(OurSession(strategy, side, quantity, tuple(expected)))
    elsewhere, blocked = draw(st.sampled_from((0.0, 0.0, 0.5))), draw(st.sampled_from(("", "before")))
    ours = _ours(*sessions, held_elsewhere=elsewhere, blocked=blocked)
    return ours, _theirs(draw(AMOUNTS) * draw(st.sampled_from((1, 1, 1, -1))), answers, resting)


@dataclass
class Books:
    """Both books while corrections are carried out, each as its class says."""

    ours: OurBook
    theirs: VenueBook

    def apply(self, correction: Correction) -> None:
        match correction:
            case CancelOrphan(order=order):
                self._cancel(order.client_id)
            case NoteAnswer(strategy=strategy, client_id=client_id, answer=answer):
                self._note(strategy, client_id, answer)
            case ForgetOrder(strategy=strategy, client_id=client_id):
                session = self._session(strategy)
                self._put(session._replace(orders=_without(session.orders, client_id)))
            case ShrinkPosition(strategy=strategy, quantity_after=quantity):
                self._put(self._session(strategy)._replace(quantity=quantity))
            case CloseElsewhere(strategy=strategy):
                for expected in self._session(strategy).orders:
                    self._cancel(expected.client_id)
                self._put(self._session(strategy)._replace(quantity=0.0, orders=()))
            case BlockEntries(explanation=explanation):
                self.ours = self.ours._replace(blocked=explanation)
            case AllowEntries():
                self.ours = self.ours._replace(blocked="")

    def _note(self, strategy: str, client_id: str, answer: Confirmed) -> None:
        session = self._session(strategy)
        (order,) = (one for one in session.orders if one.client_id == client_id)
        held = abs(held_after(session._replace(orders=(order,)), {client_id: answer}))
        others = _without(session.orders, client_id)
        if answer.state is OrderState.FILLED:
            self._cancel(client_id)  # a list that still has it is old
        else:
            filled = answer.fill.quantity if answer.fill else 0.0
            others = (*others, order._replace(booked=max(filled, order.booked), rests=True))
        self._put(session._replace(quantity=held, orders=others))

    def _session(self, strategy: str) -> OurSession:
        return next(session for session in self.ours.sessions if session.strategy == strategy)

    def _put(self, session: OurSession) -> None:
        sessions = tuple(session if one.strategy == session.strategy else one for one in self.ours.sessions)
        self.ours = self.ours._replace(sessions=sessions)

    def _cancel(self, client_id: str) -> None:
        kept = tuple(order for order in self.theirs.resting if not is_of(order.client_id, client_id))
        self.theirs = self.theirs._replace(resting=kept)


def _without(orders: tuple[ExpectedOrder, ...], client_id: str) -> tuple[ExpectedOrder, ...]:
    return tuple(order for order in orders if order.client_id != client_id)


def _applied(ours: OurBook, theirs: VenueBook) -> Books:
    books = Books(ours, theirs)
    for correction in reconcile(ours, theirs):
        books.apply(correction)
    return books


@given(_books())
def test_reconciling_twice_changes_nothing_more(both: tuple[OurBook, VenueBook]) -> None:
    books = _applied(*both)
    assert reconcile(books.ours, books.theirs) == ()


@given(_books())
def test_orders_of_others_are_never_touched(both: tuple[OurBook, VenueBook]) -> None:
    ours, theirs = both
    touched = {one.order.client_id for one in reconcile(ours, theirs) if isinstance(one, CancelOrphan)}
    assert not touched & {"manual", "0a1b2c3d4e5fx-1-e1"}
    assert not touched & {order.client_id for session in ours.sessions for order in session.orders}


@given(_books())
def test_positions_hold_what_is_there_afterwards_unless_it_waits_or_blocks(both: tuple[OurBook, VenueBook]) -> None:
    ours, theirs = both
    before = {session.strategy: held_after(session, theirs.answers) for session in ours.sessions}
    books = _applied(ours, theirs)
    after = {session.strategy: session.side.sign * session.quantity for session in books.ours.sessions}
    is_known = all(
        isinstance(theirs.answers.get(order.client_id), Confirmed | Rejected | Gone)
        and not any(is_of(listed.client_id, order.client_id) for listed in theirs.resting)
        for session in ours.sessions
        for order in session.orders
    )
    for strategy, quantity in after.items():
        assert abs(quantity) <= abs(before[strategy]) + 1e-9  # never enlarged but by confirmed fills
    if is_known and all(quantity >= 0 for quantity in before.values()):
        there = max(theirs.coins - ours.held_elsewhere, 0.0)
        expected = min(sum(before.values()), there)
        assert sum(after.values()) == pytest.approx(expected, abs=(len(after) + 1) * STEP)


@given(_books(), st.integers(0, 2**16))
def test_the_order_of_the_books_does_not_matter(both: tuple[OurBook, VenueBook], seed: int) -> None:
    ours, theirs = both
    random = Random(seed)
    sessions = [one._replace(orders=tuple(random.sample(one.orders, len(one.orders)))) for one in ours.sessions]
    resting = tuple(random.sample(theirs.resting, len(theirs.resting)))
    answers = dict(random.sample(sorted(theirs.answers.items()), len(theirs.answers)))
    shuffled = ours._replace(sessions=tuple(random.sample(sessions, len(sessions))))
    assert reconcile(shuffled, VenueBook(theirs.coins, resting, answers)) == reconcile(ours, theirs)


@given(_books())
def test_every_correction_says_why_in_one_line_and_a_block_with_the_numbers(both: tuple[OurBook, VenueBook]) -> None:
    for correction in reconcile(*both):
        assert len(correction.explanation.splitlines()) == 1
        if isinstance(correction, BlockEntries):
            assert re.search(r"positions hold \S+ BTC, and the account has \S+ for them", correction.explanation)

"""What is saved of the engine comes back as it was, to the last bit, or is refused before it is saved."""

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtestkit_cli.domain.position import Position, Trade
from backtestkit_cli.domain.signal import Side, Signal
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import SessionMemory
from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.codec import Codec
from backtestkit_cli.persistence.parts import ShapeError, UnknownFieldError
from backtestkit_cli.policies.orders.limit import Limit
from tests.builders import a_position, a_trade
from tests.persistence import engine_values as values
from tests.persistence.engine_values import OwnOrder, found

CODEC = Codec(found)
LONG = Signal(position="long", take_profit=110.0, stop_loss=90.0)


def again(value: Any, kind: Any, codec: Codec = CODEC) -> Any:
    """Return *value* after it was JSON, by way of the bytes that a store keeps."""
    return codec.decoded(orjson.loads(orjson.dumps(codec.encoded(value, kind))), kind)


def waiting_for(order: Any, signal: Signal = LONG) -> Waiting:
    return Waiting("id", signal, Side.LONG, order, 100.0, 0)


@given(values.memories)
def test_the_memory_of_a_session_comes_back_to_the_last_bit(memory: SessionMemory) -> None:
    """By what it shows, which tells -0.0 from 0.0, 1 from 1.0 and a member from its text, and knows NaN again."""
    assert repr(again(memory, SessionMemory)) == repr(memory)


@given(values.trades)
def test_a_trade_comes_back_to_the_last_bit(trade: Trade) -> None:
    assert repr(again(trade, Trade)) == repr(trade)


@given(values.waiting)
def test_entry_orders_come_back_ours_and_those_of_authors(waiting: Waiting) -> None:
    assert repr(again(waiting, Waiting)) == repr(waiting)


@given(st.floats())
def test_numbers_that_json_does_not_have_come_back_too(number: float) -> None:
    order = again(waiting_for(OwnOrder(number, (number,))), Waiting).order
    dust = again(SessionMemory(dust=number), SessionMemory).dust
    assert [repr(one) for one in (order.price, order.steps[0], dust)] == [repr(number)] * 3


def test_numbers_of_an_author_s_own_kinds_come_back_as_plain_ones_of_the_same_worth() -> None:
    exits: dict[str, Any] = {"take_profit": np.float64(90.1), "stop_loss": np.float32(110.1)}
    signal = Signal(position="short", minutes=np.int64(5), cost=Fraction(1, 4), **exits)  # type: ignore[arg-type]
    level: Any = np.float32(0.1)
    back = again(waiting_for(Limit(level), signal), Waiting)
    assert back.signal.take_profit == 90.1
    assert back.signal.stop_loss == float(np.float32(110.1))
    assert [type(one) for one in (back.signal.minutes, back.signal.cost, back.order.price)] == [int, float, float]
    assert back.order.price == float(np.float32(0.1))
    assert back.signal.position is Side.SHORT


def test_what_is_saved_can_be_read_by_people() -> None:
    content: Any = CODEC.encoded(SessionMemory(state=waiting_for(Limit(99.5))), SessionMemory)
    assert content["state"]["Waiting"]["order"] == {"kind": "limit", "fields": {"price": 99.5}}
    assert content["state"]["Waiting"]["signal"]["position"] == "long"
    content = CODEC.encoded(waiting_for(OwnOrder(99.5, (1.0,))), Waiting)
    assert content["order"]["class"] == f"{OwnOrder.__module__}:OwnOrder"
    assert content["order"]["fields"]["steps"] == {"tuple": [1.0]}


class NoDataclass(OwnOrder):
    """Still one, by inheritance, but with a state of its own."""

    def __init__(self, price: float) -> None:
        super().__init__(price * 2)


class Plain:
    kind = "plain"
    levels = OwnOrder.levels
    placement = OwnOrder.placement
    first_touch = OwnOrder.first_touch
    price = 1.0


@dataclass(frozen=True)
class Changing(OwnOrder):
    kind: ClassVar[str] = "changing"

    def __post_init__(self) -> None:
        object.__setattr__(self, "price", self.price + 1)


@pytest.mark.parametrize(
    ("order", "complaint"),
    [
        (Plain(), "expected a dataclass (make it a dataclass of numbers and texts at the top level"),
        (
            OwnOrder(1.0, notes=Plain()),
            "expected a dataclass (make it a dataclass of numbers and texts at the top level",
        ),
        (OwnOrder(1.0, notes={1: 2}), "expected a list, a tuple or a dict of texts, found {1: 2}"),
        (OwnOrder(1.0, notes=OwnOrder), "class builtins.type: cannot be saved: expected a dataclass"),
        (NoDataclass(1.0), "cannot be read back"),
        (Changing(1.0), "does not come back as it was; make it a dataclass"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_order_that_would_not_come_back_is_refused_when_it_is_saved(order: Any, complaint: str) -> None:
    with pytest.raises(StoreError) as refused:
        Codec().encoded(SessionMemory(state=waiting_for(order)), SessionMemory)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith("SessionMemory.state.order")
    assert type(order).__name__ in str(refused.value) or "notes" in str(refused.value)


def test_an_order_of_a_class_that_is_not_at_the_top_of_its_module_is_refused_by_name() -> None:
    @dataclass(frozen=True)
    class Local(OwnOrder):
        pass

    with pytest.raises(StoreError, match=r"class .*<locals>\.Local cannot be saved: it is not found by its name"):
        CODEC.encoded(waiting_for(Local(1.0)), Waiting)


def test_an_order_whose_class_is_gone_is_an_error_that_names_it_and_what_to_do() -> None:
    content = CODEC.encoded(waiting_for(OwnOrder(1.0)), Waiting)
    with pytest.raises(StoreError, match=r"class .*:OwnOrder is in the record, and is not found; load the strategy"):
        Codec(lambda module, name: None).decoded(content, Waiting)


def test_an_order_whose_class_has_changed_is_an_error_that_names_it() -> None:
    content: Any = CODEC.encoded(waiting_for(OwnOrder(1.0)), Waiting)
    content["order"]["fields"]["renamed"] = content["order"]["fields"].pop("price")
    with pytest.raises(StoreError, match=r"class .*:OwnOrder cannot be made of what was saved: .*renamed"):
        CODEC.decoded(content, Waiting)


def test_a_record_of_before_a_field_was_added_has_the_default_of_that_field() -> None:
    content: Any = CODEC.encoded(SessionMemory(revision=4), SessionMemory)
    del content["dust"]
    assert CODEC.decoded(content, SessionMemory) == SessionMemory(revision=4)


def test_a110_a_field_that_is_not_known_is_refused_rather_than_passed_over() -> None:
    content: Any = CODEC.encoded(SessionMemory(state=a_position()), SessionMemory)
    content["state"]["Position"]["funding"] = 1.0
    with pytest.raises(
        UnknownFieldError, match=r"SessionMemory\.state\.Position: has funding, which this version does not know"
    ):
        CODEC.decoded(content, SessionMemory)


@pytest.mark.parametrize(
    ("path", "wrong", "complaint"),
    [
        (("cost_left",), "100", "Position.cost_left: expected a number, found '100'"),
        (("cost_left",), True, "Position.cost_left: expected a number, found True"),
        (("cost_left",), None, "Position.cost_left: expected a number, found None"),
        (("side",), "up", "Position.side: expected one of long, short, found 'up'"),
        (("opened_at_ms",), 1.5, "Position.opened_at_ms: expected a whole number, found 1.5"),
        (("entries",), {}, "Position.entries: expected a list, found {}"),
        (("entries", 0), [], "Position.entries[0]: expected a Entry, found []"),
        (("entries", 0, "price"), "x", "Position.entries[0].price: expected a number, found 'x'"),
        (("plan", "note"), 5, "Position.plan.note: expected a text, found 5"),
        (("plan", "note"), {"surrogates": "zz"}, "Position.plan.note: expected hex digits of a text"),
        (("plan", "has_policies"), 1, "Position.plan.has_policies: expected true or false, found 1"),
    ],
)
def test_what_has_been_tampered_with_is_named(path: tuple[Any, ...], wrong: Any, complaint: str) -> None:
    content: Any = CODEC.encoded(a_position(), Position)
    *way, last = path
    place = content
    for step in way:
        place = place[step]
    place[last] = wrong
    with pytest.raises(ShapeError) as refused:
        CODEC.decoded(content, Position)
    assert complaint in str(refused.value)


def test_a_record_without_a_field_it_needs_is_named() -> None:
    content: Any = CODEC.encoded(a_trade(), Trade)
    del content["gain"], content["invested"]
    with pytest.raises(ShapeError, match="Trade: has no gain, invested"):
        CODEC.decoded(content, Trade)


@pytest.mark.parametrize("state", [{"Trade": {}}, {}, [], "Position", {"Position": {}, "Waiting": {}}], ids=repr)
def test_a_state_of_no_known_class_is_named(state: Any) -> None:
    content: Any = CODEC.encoded(SessionMemory(), SessionMemory)
    with pytest.raises(ShapeError, match=r"SessionMemory.state: expected one of Waiting, Position, found"):
        CODEC.decoded(content | {"state": state}, SessionMemory)


@pytest.mark.parametrize(
    "order",
    [
        {"kind": "iceberg", "fields": {}},
        {"kind": "limit", "fields": []},
        {"kind": "limit", "fields": {"prise": 1}},
        5,
        None,
    ],
    ids=repr,
)
def test_an_order_that_is_none_is_named(order: Any) -> None:
    content: Any = CODEC.encoded(waiting_for(Limit(1.0)), Waiting)
    with pytest.raises(ShapeError, match=r"Waiting.order"):
        CODEC.decoded(content | {"order": order}, Waiting)


def test_values_of_the_wrong_type_are_refused_when_they_are_saved() -> None:
    for memory in (
        SessionMemory(dust="1"),  # type: ignore[arg-type]
        SessionMemory(legs=1.5),  # type: ignore[arg-type]
        SessionMemory(orders=[]),  # type: ignore[arg-type]
        SessionMemory(state=a_trade()),  # type: ignore[arg-type]
        SessionMemory(blocked=None),  # type: ignore[arg-type]
    ):
        with pytest.raises(StoreError, match=r"SessionMemory\.\w+: cannot be saved: expected"):
            CODEC.encoded(memory, SessionMemory)


def test_infinity_is_no_obstacle_to_equality_of_what_comes_back() -> None:
    assert again(SessionMemory(dust=-math.inf), SessionMemory).dust == -math.inf

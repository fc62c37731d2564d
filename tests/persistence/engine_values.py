"""Random values of the engine, for Hypothesis: as wild as their types allow."""

import sys
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from hypothesis import strategies as st

from backtestkit_cli.domain.ladder import Ladder
from backtestkit_cli.domain.money import Gain
from backtestkit_cli.domain.order import EntryMarket, EntryTouch, Placement
from backtestkit_cli.domain.position import Entry, Partial, Plan, Position, Progress, Trade
from backtestkit_cli.domain.signal import CancelReason, CloseReason, Side, Signal
from backtestkit_cli.domain.venue import Fill, Leg, OrderKind, VenueOrder
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import Decided, OpenOrder, PendingClose, SessionMemory, Stage
from backtestkit_cli.policies.orders.conditional import Above, Below
from backtestkit_cli.policies.orders.limit import Limit
from backtestkit_cli.policies.orders.market import Market
from backtestkit_cli.policies.orders.stop import Stop
from backtestkit_cli.policies.orders.stop_limit import StopLimit


class Mood(StrEnum):
    CALM = "calm"


@dataclass(frozen=True)
class Zone:
    low: float
    name: str = ""


@dataclass(frozen=True)
class OwnOrder:
    """An entry order of an author, with everything that one may hold."""

    price: float
    steps: tuple[float, ...] = ()
    notes: object = None
    zone: Zone | None = None
    mood: Mood = Mood.CALM
    kind: ClassVar[str] = "own"

    def levels(self) -> dict[str, float]:
        return {"price": self.price}

    def placement(self, _sign: int, _price: float) -> Placement:
        return False, self.price

    def first_touch(self, market: EntryMarket, start: int, stop: int) -> EntryTouch | None:
        return None


numbers = st.floats(allow_nan=False) | st.integers(-(2**63), 2**63 - 1)
floats = st.floats(allow_nan=False)
ints = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(), max_size=8) | st.just("\ud83d\ude80\udc00")
json_like = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(texts.filter(str.isascii), below, max_size=3)
    | st.lists(below, max_size=3).map(tuple),
    max_leaves=5,
)  # fmt: skip
own_orders = st.builds(
    OwnOrder, numbers, st.lists(floats, max_size=2).map(tuple), json_like, st.none() | st.builds(Zone, numbers, texts)
)
built_in = (
    st.builds(Limit, numbers)
    | st.builds(Stop, numbers)
    | st.builds(StopLimit, numbers, numbers)
    | st.builds(Above, numbers)
    | st.builds(Below, numbers)
    | st.just(Market())
)
orders = built_in | own_orders
ladders = st.builds(Ladder, step_pct=numbers, entries=ints, cost=st.none() | numbers)
signals = st.builds(
    Signal,
    position=st.sampled_from(Side),
    take_profit=numbers,
    stop_loss=numbers,
    minutes=st.none() | ints,
    price_open=st.none() | numbers,
    note=texts,
    trailing_stop_pct=st.none() | numbers,
    ladder=st.none() | ladders,
    entry=st.none() | orders,
    post_only=st.booleans(),
)
waiting = st.builds(Waiting, texts, signals, st.sampled_from(Side), orders, floats, ints)
entries = st.lists(st.builds(Entry, ints, floats, floats), max_size=3).map(tuple)
partials = st.lists(st.builds(Partial, ints, floats, floats, floats, ints), max_size=2).map(tuple)
gains = st.builds(Gain, floats, floats, floats)
plans = st.builds(Plan, floats, floats, st.none() | ints, texts, ladder=st.none() | ladders, has_policies=st.booleans())
progress = st.builds(Progress, ints, ints, st.booleans(), st.booleans(), st.none() | ints, st.none() | floats)
positions = st.builds(
    Position,
    texts,
    st.sampled_from(Side),
    floats,
    floats,
    plans,
    ints,
    ints,
    entries,
    partials,
    floats,
    floats,
    floats,
    floats,
    gains,
    progress,
)
fills = st.builds(Fill, floats, floats, st.none() | floats, floats)
venue_orders = st.builds(
    VenueOrder,
    texts,
    texts,
    texts,
    texts,
    st.sampled_from(Leg),
    st.sampled_from(OrderKind),
    st.booleans(),
    floats,
    floats,
    ints,
    st.none() | floats,
)
open_orders = st.builds(OpenOrder, venue_orders, st.sampled_from(Stage), ints, ints, st.none() | fills)
closings = st.builds(PendingClose, ints, st.sampled_from(CloseReason), floats, texts)
memories = st.builds(
    SessionMemory,
    revision=st.integers(0, 2**62),
    tick_ms=ints,
    slot=ints,
    state=st.none() | waiting | positions,
    orders=st.lists(open_orders, max_size=2).map(tuple),
    legs=ints,
    closing=st.none() | closings,
    blocked=texts,
    dust=floats,
    decided=st.none() | st.builds(Decided, ints, st.booleans(), st.booleans()),
    cancelling=st.none() | st.sampled_from(CancelReason),
    is_lost=st.booleans(),
)
trades = st.builds(
    Trade,
    texts.filter(bool),
    texts,
    texts,
    st.sampled_from(Side),
    st.sampled_from(CloseReason),
    ints,
    ints,
    ints,
    *[floats] * 5,
    entries,
    partials,
    floats,
    gains,
    texts,
)


def found(module: str, qualname: str) -> object:
    """Return a class of this module, whatever else it was imported as."""
    return getattr(sys.modules.get(module), qualname, None) or (globals().get(qualname) if module == __name__ else None)

"""What is asked of a venue that executes orders, and what it answers: the language of the `Broker` port."""

from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Leg(StrEnum):
    """What an order does to the position of its signal; the value is part of its client order id."""

    ENTRY = "e"
    AVERAGE = "a"
    PARTIAL = "p"
    CLOSE = "c"
    EXITS = "x"


class OrderKind(StrEnum):
    """How an order is executed: at once at the market, resting at a limit, or resting as the exits of a position."""

    MARKET = "market"
    LIMIT = "limit"
    EXITS = "exits"


class VenueOrder(NamedTuple):
    """One order; `quantity` is in the base asset, prices are in the quote asset, `at_ms` is the tick that decided it.

    `client_id` is derived from the signal and the leg, so that the same decision has the same id after a crash.
    `price_expected` is the price the decision was made at: nothing but a simulated venue fills there.
    `price_limit` is the limit of an entry, or the target of exits; `price_stop` the stop of exits.
    `signal_id` names the position, of `strategy`.
    """

    client_id: str
    signal_id: str
    strategy: str
    symbol: str
    leg: Leg
    kind: OrderKind
    is_buy: bool
    quantity: float
    price_expected: float
    at_ms: int
    price_limit: float | None = None
    price_stop: float | None = None
    post_only: bool = False
    reduce_only: bool = False


class Fill(NamedTuple):
    """What was traded of an order so far: `quantity` of the base asset at the average `price`.

    `fee_quote` is what was paid in the quote asset (or in a third one, at its worth in quote), `fee_base` what the
    venue kept of the base asset. A `fee_quote` of None means: as the settings state.
    """

    quantity: float
    price: float
    fee_quote: float | None = None
    fee_base: float = 0.0


class OrderState(StrEnum):
    """Where an order stands at the venue; one that ended early may have been filled in part."""

    RESTING = "resting"
    FILLED = "filled"
    CANCELLED = "cancelled"


class ExitSide(StrEnum):
    """Which of the two exits was filled."""

    STOP = "stop"
    TARGET = "target"


EXIT_SUFFIXES = {ExitSide.STOP: "-s", ExitSide.TARGET: "-t"}
"""What the client id of exits is followed by, to name the order of each of the two at the venue."""


class Confirmed(NamedTuple):
    """The word of the venue on an order: its state, all that was filled of it so far, and the id it has there.

    `exit_side` is of exits that were filled, in whole or in part. `has_target` says that both exits rest there, and
    not the stop alone. `client_id` names the order where it is not the one that was asked for.
    """

    state: OrderState
    fill: Fill | None = None
    venue_id: str = ""
    exit_side: ExitSide | None = None
    has_target: bool = False
    client_id: str = ""


class Transient(NamedTuple):
    """Nothing is known: the venue was not reached, or did not answer.

    `may_have_arrived` says that it may have taken the order all the same: it must be asked by `check` before
    anything is sent again. `retry_after_s` is what the venue asked for, if anything.
    """

    reason: str
    may_have_arrived: bool
    retry_after_s: float | None = None


class RefusalKind(StrEnum):
    """Why a venue refuses an order for good, as far as it matters what is done next."""

    BALANCE = "balance"
    BELOW_MINIMUM = "below_minimum"
    WOULD_TRIGGER = "would_trigger"
    SYMBOL = "symbol"
    PERMISSION = "permission"
    OTHER = "other"


class Rejected(NamedTuple):
    """The venue does not want this order, and asking again would not change that."""

    kind: RefusalKind
    reason: str


class Gone(NamedTuple):
    """The venue knows no such order: it never arrived, or was forgotten."""

    reason: str


Answer: TypeAlias = Confirmed | Transient | Rejected | Gone


class Balance(NamedTuple):
    """An asset of the account; `locked` is bound in orders."""

    free: float
    locked: float

    @property
    def total(self) -> float:
        """Return what there is of it."""
        return self.free + self.locked


class RestingOrder(NamedTuple):
    """An open order as the venue lists it; of exits each of the two stands for itself."""

    client_id: str
    venue_id: str
    symbol: str
    is_buy: bool
    quantity: float
    quantity_filled: float
    price_limit: float | None
    price_stop: float | None


class VenueRules(NamedTuple):
    """What a venue lets be done with a symbol; quantities in base, money in quote, 0 where nothing is demanded.

    `rests_limits` and `rests_exits` say that entries at a limit, and exits, wait at the venue; where not, the engine
    watches the price itself. `quantity_step` is the grid of quantities, 0 for none.
    """

    base: str
    quote: str
    quantity_step: float = 0.0
    min_quantity: float = 0.0
    min_cost: float = 0.0
    can_short: bool = False
    rests_limits: bool = False
    rests_exits: bool = False

"""A second, simple model of sections 4 and 5 of the design: one minute after the other, plain floats, no engine.

It is slow, looks at one row at a time and shares nothing with what it is compared with: neither the search for the
next act, nor the ledger, nor the policies. Formulas are restated from the design. A fact is a tuple of the row, the
kind of event and what the event says.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Fact: TypeAlias = tuple[Any, ...]
Command: TypeAlias = tuple[str, float | None]
"""A command by its name, and its argument."""


@dataclass(frozen=True, kw_only=True)
class World:
    """What happens outside: candles by column, what the strategy wants and commands, by row; `settings` are plain."""

    open: Sequence[float]
    high: Sequence[float]
    low: Sequence[float]
    close: Sequence[float]
    volume: Sequence[float]
    first_row: int
    settings: Mapping[str, Any]
    wish: Callable[[int, float], Mapping[str, Any] | None]
    commands: Mapping[int, Sequence[Command]]
    hears: str
    reactions: Mapping[str, Sequence[Command]]


@dataclass
class Held:
    """A position: its fills in order, and the levels in force."""

    sign: int
    wish: Mapping[str, Any]
    opened_row: int
    take_profit: float
    stop: float
    fills: list[tuple[str, float, float]]
    trail_best: float | None = None
    is_breakeven_done: bool = False
    profit: set[int] = field(default_factory=set)
    loss: set[int] = field(default_factory=set)

    @property
    def buys(self) -> list[float]:
        """Return the prices paid."""
        return [price for kind, price, _ in self.fills if kind == "buy"]

    def effective(self) -> float:
        """Return money over quantity, added up from the fills; a sale does not move it."""
        cost = quantity = effective = 0.0
        for kind, price, amount in self.fills:
            if kind == "buy":
                effective = (cost + amount) / (quantity + amount / price) if cost else price
                cost, quantity = cost + amount, quantity + amount / price
            else:
                cost, quantity = cost * (1 - amount / 100), quantity * (1 - amount / 100)
        return effective


@dataclass
class Waits:
    """A wish whose entry has not been reached; `is_triggered` is for a stop-limit whose stop was."""

    wish: Mapping[str, Any]
    row: int
    is_triggered: bool = False


def net_of(fills: Sequence[tuple[str, float, float]], sign: int, fee: float, slippage: float) -> float:
    """Return the net gain of *fills*, leg by leg: `c(i-o)/o - c·f - c·f·i/o` (design 5)."""
    cost = quantity = net = 0.0
    for kind, price, amount in fills:
        if kind == "buy":
            cost, quantity = cost + amount, quantity + amount / price
            continue
        effective, c = cost / quantity, cost * amount / 100
        o, i = effective * (1 + sign * slippage), price * (1 - sign * slippage)
        net += sign * c * (i - o) / o - c * fee - c * fee * i / o
        cost, quantity = cost * (1 - amount / 100), quantity * (1 - amount / 100)
    return net


class Naive:
    """Lives through a world; `facts` and `trades` are what became of it."""

    def __init__(self, world: World) -> None:
        """Start flat."""
        self.w = world
        self.is_candle = world.settings["fill_model"] == "candle"
        self.fee: float = world.settings["fee_pct"] / 100
        self.slippage: float = world.settings["slippage_pct"] / 100
        self.last = len(world.close) - 1
        self.state: Held | Waits | None = None
        self.facts: list[Fact] = []
        self.trades: list[tuple[Held, str, float]] = []
        self.queue: list[Fact] = []
        self.row, self.slot, self.price = 0, -1, 0.0

    def live(self) -> "Naive":
        """Take every minute from the first to the last."""
        for row in range(self.w.first_row, self.last + 1):
            self.row, self.price = row, self.price_at(row)
            self.minute()
        return self

    def price_at(self, row: int) -> float:
        """Return the close, or the average price of the newest candles."""
        w = self.w
        n: int = w.settings["avg_price_candles"]
        if self.is_candle:
            return w.close[row]
        rows = range(row - n + 1, row + 1)
        volume = sum(w.volume[k] for k in rows)
        if volume == 0:
            return sum(w.close[k] for k in rows) / n
        return sum((w.high[k] + w.low[k] + w.close[k]) / 3 * w.volume[k] for k in rows) / volume

    def minute(self) -> None:
        """Take the branch of the state, then let listeners speak."""
        was_held, may_ask = isinstance(self.state, Held), self.state is None
        if isinstance(self.state, Held):
            ending = self.ending(self.state)
            if ending is None:
                self.policies()
            else:
                self.end(*ending)
                may_ask = self.is_candle and ending[0] in ("take_profit", "stop_loss")
        elif isinstance(self.state, Waits):
            self.entry(self.state)
        if self.state is None and may_ask and self.row < self.last:
            self.ask()
        elif was_held and isinstance(self.state, Held) and self.w.hears == "active":
            self.obey(self.w.commands.get(self.row, ()))
        if self.w.hears == "tick":
            self.obey(self.w.commands.get(self.row, ()))

    def ending(self, held: Held) -> tuple[str, float] | None:
        """Return how *held* ends at this row, in the order of the fill model."""
        w, row, sign, price = self.w, self.row, held.sign, self.price
        minutes = held.wish["minutes"]
        is_old = minutes is not None and row - held.opened_row >= minutes
        if self.is_candle:
            worst, best = (w.low[row], w.high[row]) if sign > 0 else (w.high[row], w.low[row])
            if sign * worst <= sign * held.stop:
                return "stop_loss", sign * min(sign * held.stop, sign * w.open[row])
            if sign * best >= sign * held.take_profit:
                return "take_profit", held.take_profit
        if is_old:
            return "time_expired", price
        if not self.is_candle:
            if sign * price >= sign * held.take_profit:
                return "take_profit", held.take_profit
            if sign * price <= sign * held.stop:
                return "stop_loss", held.stop
        return ("frame_end", price) if row == self.last else None

    def policies(self) -> None:
        """Let partial levels, ladder, breakeven and trailing act, in this order, each before the next looks.

        A stop that follows already has followed the price of this row by then.
        """
        begun = self.state
        while isinstance(self.state, Held) and self.state is begun:
            held = self.state
            self.follow(held)
            if not (self.reach_levels(held) or self.buy_rung(held) or self.go_even(held) or self.begin_trail(held)):
                return
            self.publish()

    def follow(self, held: Held) -> None:
        """Let a trailing stop follow the price of this row."""
        if held.trail_best is not None and held.sign * self.price > held.sign * held.trail_best:
            held.trail_best = self.price
            self.tighten(held, self.price * (1 - held.sign * held.wish["trailing_stop_pct"] / 100))

    def tighten(self, held: Held, stop: float) -> None:
        """Move the stop of *held* to *stop* where that keeps more."""
        if held.sign * stop > held.sign * held.stop:
            held.stop = stop

    def begin_trail(self, held: Held) -> bool:
        """Begin to trail where the price is activated and its stop would be the tighter one."""
        distance, activation = held.wish["trailing_stop_pct"], held.wish["trailing_activation_pct"]
        if distance is None or held.trail_best is not None:
            return False
        sign, factor = held.sign, 1 - held.sign * distance / 100
        if activation is not None:
            effective = held.effective()
            if sign * self.price < sign * (effective + sign * effective * activation / 100):
                return False
        if sign * self.price <= sign * (held.stop / factor):
            return False
        held.trail_best = self.price
        self.tighten(held, self.price * factor)
        self.tell("stop_moved", "trailing", held.stop)
        return True

    def go_even(self, held: Held) -> bool:
        """Move the stop to breakeven, once."""
        percent = held.wish["breakeven_at_pct"]
        if percent is None or held.is_breakeven_done:
            return False
        sign, effective, level = held.sign, held.effective(), self.breakeven_level(held)
        is_there = sign * self.price >= sign * (effective + sign * effective * percent / 100)
        if not is_there or sign * self.price <= sign * level or sign * level <= sign * held.stop:
            return False
        held.is_breakeven_done, held.stop = True, level
        self.tell("stop_moved", "breakeven", level)
        return True

    def breakeven_level(self, held: Held) -> float:
        """Return the price where `net_of` of the rest is 0."""
        sign, fee, slippage = held.sign, self.fee, self.slippage
        fees = (1 + sign * fee) / (1 - sign * fee)
        return held.effective() * (1 + sign * slippage) / (1 - sign * slippage) * fees

    def buy_rung(self, held: Held) -> bool:
        """Buy the next rung of the ladder."""
        ladder = held.wish["ladder"]
        if ladder is None or len(held.buys) >= ladder["entries"]:
            return False
        sign = held.sign
        furthest = min(held.buys) if sign > 0 else max(held.buys)
        if sign * self.price > sign * (furthest * (1 - sign * ladder["step_pct"] / 100)):
            return False
        cost = held.fills[0][2] if ladder["cost"] is None else ladder["cost"]
        held.fills.append(("buy", self.price, cost))
        self.tell("position_averaged", self.price, cost)
        if ladder["take_profit_pct"] is not None:
            target = held.effective() * (1 + sign * ladder["take_profit_pct"] / 100)
            if sign * target > sign * self.price:
                held.take_profit = target
                self.tell("target_moved", "ladder", target)
        return True

    def reach_levels(self, held: Held) -> bool:
        """Tell the partial levels that the price reaches for the first time."""
        sign, effective = held.sign, held.effective()
        is_progress = self.w.settings["partial_basis"] == "progress"
        told = False
        for name, known, way in (("profit", held.profit, sign), ("loss", held.loss, -sign)):
            for level in range(10, 101, 10):
                if is_progress:
                    end = held.wish["take_profit"] if way == sign else held.wish["stop_loss"]
                    at = effective + (end - effective) * level / 100
                else:
                    at = effective + way * effective * level / 100
                if level not in known and way * self.price >= way * at:
                    known.add(level)
                    self.tell(f"{name}_level_reached", level)
                    told = True
        return told

    def entry(self, waits: Waits) -> None:
        """Decide a waiting entry: fill or reject, time out, or end with the frame, in the order of the model."""
        is_over = self.row - waits.row >= self.w.settings["schedule_await_minutes"]
        if is_over and not self.is_candle:
            self.drop("timeout")
            return
        touch = self.touch(waits)
        if touch == "reject":
            self.drop("price_reject")
        elif isinstance(touch, tuple) and self.row < self.last:
            price, stopped_at = touch
            self.begin(waits.wish, price)
            if stopped_at is not None:
                self.end("stop_loss", stopped_at, is_told=False)
            self.publish()
        elif is_over:
            self.drop("timeout")
        elif self.row == self.last:
            self.drop("frame_end")

    def touch(self, waits: Waits) -> tuple[float, float | None] | str | None:
        """Return `(price, stopped at)` where the entry fills at this row, `reject` or None."""
        wish = waits.wish
        kind, sign = wish["kind"], wish["sign"]
        if kind in ("above", "below"):
            is_there = self.price >= wish["level"] if kind == "above" else self.price <= wish["level"]
            inside = (
                min(wish["stop_loss"], wish["take_profit"]) < self.price < max(wish["stop_loss"], wish["take_profit"])
            )
            return None if not is_there else (self.price, None) if inside else "reject"
        if kind == "limit" or waits.is_triggered:
            return self.limit_touch(wish, wish["limit" if kind == "stop_limit" else "level"])
        found = self.stop_touch(wish, wish["level"])
        if kind == "stop_limit" and isinstance(found, tuple) and sign * found[0] > sign * wish["limit"]:
            waits.is_triggered = True
            return None
        return found

    def wicks(self, sign: int) -> tuple[float, float]:
        """Return how far this candle went against a position, and for it."""
        return (
            (self.w.low[self.row], self.w.high[self.row]) if sign > 0 else (self.w.high[self.row], self.w.low[self.row])
        )

    def limit_touch(self, wish: Mapping[str, Any], level: float) -> tuple[float, float | None] | str | None:
        """Return what a resting limit at *level* does at this row."""
        sign, stop = wish["sign"], wish["stop_loss"]
        worst, _ = self.wicks(sign)
        if sign * worst > sign * level:
            return None
        is_stopped = sign * worst <= sign * stop
        if self.is_candle:
            return level, stop if is_stopped else None
        return "reject" if is_stopped else (level, None)

    def stop_touch(self, wish: Mapping[str, Any], level: float) -> tuple[float, float | None] | str | None:
        """Return what a breakout order at *level* does at this row."""
        sign, stop = wish["sign"], wish["stop_loss"]
        worst, best = self.wicks(sign)
        is_stopped, is_reached = sign * worst <= sign * stop, sign * best >= sign * level
        if not self.is_candle:
            return "reject" if is_stopped else (level, None) if is_reached else None
        if not is_reached:
            return None
        opened = self.w.open[self.row]
        return sign * max(sign * level, sign * opened), sign * min(sign * stop, sign * opened) if is_stopped else None

    def ask(self) -> None:
        """Ask for a signal once a slot."""
        slot = (self.row + 1) // self.w.settings["interval"]
        if slot == self.slot:
            return
        self.slot = slot
        wish = self.w.wish(self.row, self.price)
        if wish is None:
            return
        kind, sign, price = wish["kind"], wish["sign"], self.price
        waits = Waits(wish, self.row)
        opens_at: float | None = None
        if kind == "market":
            opens_at = price
        elif kind == "limit":
            opens_at = wish["level"] if sign * price <= sign * wish["level"] else None
        elif kind in ("above", "below"):
            opens_at = price if (price >= wish["level"] if kind == "above" else price <= wish["level"]) else None
        elif sign * price >= sign * wish["level"]:
            is_within = kind == "stop" or sign * price <= sign * wish["limit"]
            opens_at, waits.is_triggered = (price if is_within else None), True
        if opens_at is not None:
            self.begin(wish, opens_at)
        else:
            self.state = waits
            expected = wish["level"]
            if kind == "stop_limit" and (waits.is_triggered or sign * wish["level"] > sign * wish["limit"]):
                expected = wish["limit"]
            self.tell("signal_scheduled", expected)
        self.publish()

    def begin(self, wish: Mapping[str, Any], price: float) -> None:
        """Open at *price*."""
        fills = [("buy", price, wish["cost"])]
        self.state = Held(wish["sign"], wish, self.row, wish["take_profit"], wish["stop_loss"], fills)
        self.tell("position_opened", price)

    def end(self, reason: str, price: float, *, is_told: bool = True) -> None:
        """Close at *price*."""
        held = self.state
        assert isinstance(held, Held)
        held.fills.append(("sell", price, 100.0))
        self.trades.append((held, reason, price))
        self.state = None
        net = net_of(held.fills, held.sign, self.fee, self.slippage)
        self.tell("position_closed", reason, price, held.stop, held.take_profit, net)
        if is_told:
            self.publish()

    def drop(self, reason: str) -> None:
        """Cancel what waits."""
        self.state = None
        self.tell("signal_cancelled", reason)
        self.publish()

    def tell(self, kind: str, *says: Any) -> None:
        """Put a fact in the queue."""
        self.queue.append((self.row, kind, *says))

    def publish(self) -> None:
        """Record what is in the queue, and let who listens react to each."""
        while self.queue:
            fact = self.queue.pop(0)
            self.facts.append(fact)
            for command in self.w.reactions.get(fact[1], ()):
                self.command(*command)

    def obey(self, commands: Sequence[Command]) -> None:
        """Carry out *commands*, then tell what they did."""
        for command in commands:
            self.command(*command)
        self.publish()

    def command(self, name: str, argument: float | None) -> None:
        """Carry out one command or refuse it; what is relative is relative to the close of this row."""
        if argument is not None and name.startswith("move_"):
            argument *= self.w.close[self.row]
        if name in ("cancel", "activate"):
            is_done = isinstance(self.state, Waits) and self.on_waiting(name, self.state)
        else:
            if isinstance(self.state, Held):
                self.follow(self.state)
            is_done = isinstance(self.state, Held) and self.on_held(name, argument, self.state)
        if not is_done:
            self.tell("command_refused", name)

    def on_waiting(self, name: str, waits: Waits) -> bool:
        """Cancel or activate."""
        if name == "cancel":
            self.state = None
            self.tell("signal_cancelled", "user")
            return True
        low, high = sorted((waits.wish["stop_loss"], waits.wish["take_profit"]))
        if low < self.price < high:
            self.begin(waits.wish, self.price)
            return True
        return False

    def on_held(self, name: str, argument: float | None, held: Held) -> bool:  # noqa: PLR0911 - a branch a command
        """Carry out a command of an open position; say whether it was."""
        match name:
            case "close_position":
                self.end("closed", self.price, is_told=False)
                return True
            case "breakeven":
                level = self.breakeven_level(held)
                return held.sign * self.price > held.sign * level and self.moved_stop(held, level)
            case "move_stop":
                return self.moved_stop(held, argument)
            case "move_take_profit":
                if argument is None or not argument > 0 or held.sign * argument <= held.sign * self.price:
                    return False
                held.take_profit = argument
                self.tell("target_moved", "command", argument)
                return True
            case "partial_close":
                return self.sold(held, argument)
            case _:
                return self.averaged(held, argument)

    def moved_stop(self, held: Held, stop: float | None) -> bool:
        """Tighten the stop, not beyond the price, and this side of the target."""
        if stop is None or not stop > 0 or not held.sign * held.stop < held.sign * stop < held.sign * self.price:
            return False
        if held.sign * stop >= held.sign * held.take_profit:
            return False
        held.stop = stop
        self.tell("stop_moved", "command", stop)
        return True

    def sold(self, held: Held, percent: float | None) -> bool:
        """Sell a part, or all."""
        if percent is None or not 0 < percent <= 100:
            return False
        if percent == 100:
            self.end("closed", self.price, is_told=False)
            return True
        held.fills.append(("sell", self.price, percent))
        self.tell("position_reduced", self.price, percent)
        return True

    def averaged(self, held: Held, cost: float | None) -> bool:
        """Buy more where the policy allows it."""
        cost = held.fills[0][2] if cost is None else cost
        sign, policy = held.sign, self.w.settings["averaging"]
        if not 0 < cost < float("inf"):
            return False
        furthest = min(held.buys) if sign > 0 else max(held.buys)
        limit = {"below_lowest": furthest, "below_effective": held.effective(), "any": None}[policy]
        if limit is not None and sign * self.price >= sign * limit:
            return False
        held.fills.append(("buy", self.price, cost))
        self.tell("position_averaged", self.price, cost)
        return True

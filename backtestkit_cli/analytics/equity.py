"""The equity curve of a session: what it has won so far, and what it would win if it sold at the mark."""

from collections.abc import Iterator
from typing import NamedTuple

from backtestkit_cli.analytics.outcome import RunOutcome, SessionOutcome
from backtestkit_cli.domain.money import Costs
from backtestkit_cli.domain.position import Plan, Position, Trade, average_in, enter, sell_part


class EquityRow(NamedTuple):
    """One session at one mark; money is in the quote asset and starts at 0.

    `realised_quote` is the net of the trades closed at or before the mark and of the parts already sold
    of the position open at it, `unrealised_quote` the net if the rest of that position were sold at the
    price of the mark, `equity_quote` their sum.
    """

    timestamp: int
    strategy: str
    symbol: str
    realised_quote: float
    unrealised_quote: float
    equity_quote: float


class Held(NamedTuple):
    """A session at a mark: the net of its closed trades in quote money, and its open position if any."""

    timestamp: int
    price: float
    closed_net: float
    position: Position | None


def equity_of(outcome: RunOutcome) -> list[EquityRow]:
    """Return the equity of every session at its marks (each midnight UTC and the frame's end), session by session."""
    settings = outcome.facts.settings
    return [
        row for session in outcome.sessions for row in session_equity(session, Costs.of(settings[session.strategy]))
    ]


def session_equity(session: SessionOutcome, costs: Costs) -> Iterator[EquityRow]:
    """Yield a row a mark, oldest first.

    At the last mark of a session that reached the frame's end all trades are closed, so its equity is
    the sum of their net. A position that was open when a strategy failed is no trade and counts nothing.
    """
    for at_ms, price, closed_net, position in held_at_marks(session, costs):
        realised, unrealised = closed_net, 0.0
        if position is not None:
            realised += position.realised.net
            unrealised = position.value_at(price, costs).net - position.realised.net
        yield EquityRow(at_ms, session.strategy, session.symbol, realised, unrealised, realised + unrealised)


def held_at_marks(session: SessionOutcome, costs: Costs) -> Iterator[Held]:
    """Yield what the trades of *session* say of each of its marks, oldest first."""
    trades = session.trades
    closed, closed_net = 0, 0.0
    for at_ms, price in session.marks:
        while closed < len(trades) and trades[closed].closed_at_ms <= at_ms:
            closed_net += trades[closed].gain.net
            closed += 1
        is_open = closed < len(trades) and trades[closed].opened_at_ms <= at_ms
        yield Held(at_ms, price, closed_net, position_at(trades[closed], at_ms, costs) if is_open else None)


def position_at(trade: Trade, at_ms: int, costs: Costs) -> Position:
    """Return the ledger of *trade* after everything that was bought and sold up to *at_ms*, not before it opened."""
    fills = ledger_of(trade, costs)
    _, _, position = next(fills)
    for filled_ms, _, after in fills:
        if filled_ms > at_ms:
            break
        position = after
    return position


def ledger_of(trade: Trade, costs: Costs) -> Iterator[tuple[int, float, Position]]:
    """Yield time and price of each fill of *trade* but the closing one, and the ledger after it.

    The levels are those that the trade ended with, and it has no limit of minutes: a trade does not say.
    """
    first, *entries = trade.entries
    plan = Plan(trade.take_profit, trade.stop_loss, note=trade.note)
    position = enter(trade.id, trade.side, plan, trade.scheduled_at_ms, first)
    yield first.at_ms, first.price, position
    partials = list(trade.partials)
    while entries or partials:
        if partials and (not entries or partials[0].entries_before == len(position.entries)):
            sold = partials.pop(0)
            position = sell_part(position, sold.at_ms, sold.price, sold.percent, costs)
            yield sold.at_ms, sold.price, position
        else:
            bought = entries.pop(0)
            position = average_in(position, bought)
            yield bought.at_ms, bought.price, position

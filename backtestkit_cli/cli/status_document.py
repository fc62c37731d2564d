"""What bots hold, as JSON shows it; times are Unix milliseconds."""

from typing import Any

from backtestkit_cli.domain.position import Position
from backtestkit_cli.engine.lifecycle import Waiting
from backtestkit_cli.engine.memory import OpenOrder
from backtestkit_cli.persistence.holders import Presence
from backtestkit_cli.runs.trading.held import HeldBot, HeldSession


def document(bot: HeldBot, now_ms: int) -> dict[str, Any]:
    """Return *bot* as plain values; `age` is that of its newest tick, in milliseconds."""
    return {
        "mode": bot.mode,
        "exchange": bot.exchange,
        "is_running": any(one.presence is Presence.RUNNING for one in bot.holders),
        "processes": [
            {"pid": one.pid, "machine": one.node, "since": one.since_ms, "state": one.presence.value}
            for one in bot.holders
        ],
        "run_id": None if bot.run is None else bot.run.run_id,
        "tick": bot.tick_ms,
        "age": None if bot.tick_ms is None else now_ms - bot.tick_ms,
        "portfolio_stop": None if bot.stop is None else {**bot.stop._asdict(), "action": bot.stop.action.value},
        "alerts_waiting": bot.alerts,
        "sessions": [_session(session) for session in bot.sessions],
        "problems": list(bot.problems),
    }


def _session(session: HeldSession) -> dict[str, Any]:
    memory = session.memory
    told: dict[str, Any] = {"strategy": session.strategy, "symbol": session.symbol, "trades": session.trades}
    if memory is None:
        return {**told, "error": session.problem}
    closing = memory.closing
    return {
        **told,
        "error": None,
        "tick": memory.tick_ms if memory.tick_ms >= 0 else None,
        "position": _position(memory.state) if isinstance(memory.state, Position) else None,
        "waiting": _waiting(memory.state) if isinstance(memory.state, Waiting) else None,
        "orders": [_order(order) for order in memory.orders],
        "closing": None if closing is None else {"since": closing.at_ms, "reason": closing.reason.value},
        "blocked": memory.blocked or None,
        "dust": memory.dust,
    }


def _position(position: Position) -> dict[str, Any]:
    return {
        "id": position.id,
        "side": position.side.value,
        "quantity": position.quantity_left,
        "price_effective": position.price_effective,
        "cost_left": position.cost_left,
        "stop_loss": position.stop_loss,
        "take_profit": position.take_profit,
        "opened_at": position.opened_at_ms,
        "entries": [entry._asdict() for entry in position.entries],
    }


def _waiting(waiting: Waiting) -> dict[str, Any]:
    return {
        "id": waiting.id,
        "side": waiting.side.value,
        "price_open": waiting.price_open,
        "stop_loss": waiting.signal.stop_loss,
        "take_profit": waiting.signal.take_profit,
        "scheduled_at": waiting.scheduled_at_ms,
    }


def _order(open_order: OpenOrder) -> dict[str, Any]:
    order = open_order.order
    return {
        "client_id": order.client_id,
        "leg": order.leg.name.lower(),
        "kind": order.kind.value,
        "is_buy": order.is_buy,
        "quantity": order.quantity,
        "price_limit": order.price_limit,
        "price_stop": order.price_stop,
        "stage": open_order.stage.value,
        "sent": open_order.sent_ms,
        "attempts": open_order.attempts,
    }

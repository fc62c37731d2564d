"""What becomes of a strategy's answer: a position, a signal that waits, or what is wrong with it."""

from functools import partial

from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.domain.signal_rules import problems_of
from backtestkit_cli.engine.desk import Desk
from backtestkit_cli.engine.lifecycle import id_prefix, signal_id
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.engine.vetoes import vetoes
from backtestkit_cli.events.facts import SignalInvalid


class Judge:
    """Judges the answers of one session at the price its desk is at."""

    def __init__(self, desk: Desk, plan: SessionPlan) -> None:
        """Judge for *desk*."""
        self._desk = desk
        self._plan = plan
        self._id_prefix = id_prefix(plan.mode, plan.exchange, plan.strategy.name, plan.symbol)

    def __call__(self, answer: object) -> None:
        """Act on what the strategy returned: open, wait, or say what is wrong with it."""
        desk, settings = self._desk, self._plan.settings
        if isinstance(answer, Signal):
            problems = problems_of(answer, desk.price, settings)
            if not problems and (validators := self._plan.strategy.validators):
                problems = desk.judged(partial(vetoes, validators, answer, desk.price, settings.max_handler_seconds))
            if not problems:
                desk.accept(answer, signal_id(self._id_prefix, desk.when_ms))
        else:
            problems = [f"get_signal must return a Signal or None, was {type(answer).__name__}"]
        if problems:
            desk.outbox.append(SignalInvalid(*desk.stamp(), answer, desk.price, tuple(problems)))

"""Asking the author's validators about a signal that keeps the rules."""

from collections.abc import Iterable
from functools import partial

from backtestkit_cli.api.specs import Validator
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.engine.failures import answer_of, one_line


def vetoes(validators: Iterable[Validator], signal: Signal, price: float, handler_seconds: float) -> list[str]:
    """Return what *validators* have against *signal* at *price*, each text behind the name of who says it."""
    answers = [(validator, _answer(validator, signal, price, handler_seconds)) for validator in validators]
    return [f"{_name(validator)}: {problem}" for validator, problem in answers if problem]


def _answer(validator: Validator, signal: Signal, price: float, handler_seconds: float) -> str | None:
    problem, failure = answer_of(partial(validator, signal, price), handler_seconds, one_line)
    if failure is not None or problem is None or isinstance(problem, str):
        return failure or problem
    return f"expected a text or None, found {problem!r}"


def _name(validator: Validator) -> str:
    return getattr(validator, "__name__", type(validator).__name__)

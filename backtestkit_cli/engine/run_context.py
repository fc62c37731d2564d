"""What the author's code sees outside any session, in a job or when the run itself has news: data cut at now."""

from typing import Any, NoReturn

from backtestkit_cli.engine.ambient import MarketContext
from backtestkit_cli.errors import ContextError


def _without_position(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - takes what any command takes
    raise ContextError("there is no position here: call this from a callback or a listener of a strategy")


def _without_indicators(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - takes what either function takes
    raise ContextError("there are no indicators here: get_indicator belongs to the code of a strategy")


class RunContext(MarketContext):
    """The ambient context of a run at one instant; it stays what it is for a task that outlives the call.

    `symbol` is empty for what concerns the whole run.
    """

    indicator = indicator_values = staticmethod(_without_indicators)
    position = move_stop = move_take_profit = breakeven = staticmethod(_without_position)
    average_buy = partial_close = close_position = cancel = activate = staticmethod(_without_position)

"""What the author's code sees outside any session, in a job or when the run itself has news: data cut at now."""

from typing import Any, NoReturn

from backtestkit_cli.domain.candle import Candles
from backtestkit_cli.engine.ambient import Markets
from backtestkit_cli.errors import ContextError
from backtestkit_cli.events.bus import Bus


def _without_position(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - takes what any command takes
    raise ContextError("there is no position here: call this from a callback or a listener of a strategy")


def _without_indicators(*_: Any, **__: Any) -> NoReturn:  # noqa: ANN401 - takes what either function takes
    raise ContextError("there are no indicators here: get_indicator belongs to the code of a strategy")


class RunContext:
    """The ambient context of a run at one instant; it stays what it is for a task that outlives the call."""

    strategy: str = ""

    def __init__(  # noqa: PLR0913 - the names a context carries
        self,
        *,
        run_id: str,
        mode: str,
        exchange: str,
        frame: str,
        symbol: str,
        when_ms: int,
        bus: Bus,
        markets: Markets,
    ) -> None:
        """Bind the names and the data; *symbol* is empty for what concerns the whole run."""
        self.run_id = run_id
        self.mode = mode
        self.exchange = exchange
        self.frame = frame
        self.symbol = symbol
        self.when_ms = when_ms
        self.bus = bus
        self._market = markets.market
        self.format_price = markets.format_price
        self.format_quantity = markets.format_quantity

    def candles(self, symbol: str, interval: str, n: int) -> Candles:
        """Return the last *n* candles of *interval* closed before now."""
        return self._market(symbol).visible(interval, n, self.when_ms)

    def average_price(self, symbol: str) -> float:
        """Return the VWAP known now."""
        market = self._market(symbol)
        market.series("1m").last(1, self.when_ms, symbol)
        return market.average_price.item(market.row_at(self.when_ms))

    indicator = indicator_values = staticmethod(_without_indicators)
    position = move_stop = move_take_profit = breakeven = staticmethod(_without_position)
    average_buy = partial_close = close_position = cancel = activate = staticmethod(_without_position)

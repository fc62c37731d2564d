"""What the author's code sees of a session: data cut at now, and the commands of its position."""

from typing import Any, Protocol

from backtestkit_cli.domain.candle import Candles, Floats
from backtestkit_cli.domain.command import CommandResult
from backtestkit_cli.domain.position_view import PositionView
from backtestkit_cli.engine.columns import Indicators
from backtestkit_cli.engine.market import Market
from backtestkit_cli.events.bus import Bus


class Markets(Protocol):
    """The candles of every symbol a run may read, and how its venue writes numbers."""

    def market(self, symbol: str) -> Market:
        """Return the market of *symbol*, loading it if the run does not hold it yet."""
        ...

    def format_price(self, symbol: str, price: float) -> str:
        """Return *price* as the venue takes it."""
        ...

    def format_quantity(self, symbol: str, quantity: float) -> str:
        """Return *quantity* as the venue takes it, never more."""
        ...


class Commands(Protocol):
    """The commands of a session."""

    def position(self) -> PositionView | None:
        """Return what is open."""
        ...

    def move_stop(self, price: float) -> CommandResult:
        """Tighten the stop."""
        ...

    def move_take_profit(self, price: float) -> CommandResult:
        """Move the target."""
        ...

    def breakeven(self) -> CommandResult:
        """Move the stop to where nothing is lost."""
        ...

    def average_buy(self, cost: float | None) -> CommandResult:
        """Buy more."""
        ...

    def partial_close(self, percent: float) -> CommandResult:
        """Sell a part."""
        ...

    def close_position(self, note: str) -> CommandResult:
        """Sell the rest."""
        ...

    def cancel(self) -> CommandResult:
        """Drop what waits."""
        ...

    def activate(self) -> CommandResult:
        """Open what waits."""
        ...


class MarketContext:
    """What every ambient context has: the names of a run, and its data cut at `when_ms`."""

    def __init__(  # noqa: PLR0913 - the names a context carries
        self,
        *,
        run_id: str,
        mode: str,
        exchange: str,
        frame: str,
        symbol: str,
        bus: Bus,
        markets: Markets,
        strategy: str = "",
        when_ms: int = 0,
    ) -> None:
        """Bind names and data."""
        self.run_id = run_id
        self.mode = mode
        self.strategy = strategy
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


class SessionContext(MarketContext):
    """The ambient context of one session; the session moves `when_ms` forward."""

    def __init__(self, *, indicators: Indicators, commands: Commands, **names: Any) -> None:  # noqa: ANN401 - as above
        """Bind *names* and data, and what belongs to one session."""
        super().__init__(**names)
        self._indicators = indicators
        self.position = commands.position
        self.move_stop = commands.move_stop
        self.move_take_profit = commands.move_take_profit
        self.breakeven = commands.breakeven
        self.average_buy = commands.average_buy
        self.partial_close = commands.partial_close
        self.close_position = commands.close_position
        self.cancel = commands.cancel
        self.activate = commands.activate

    def renew(self) -> None:
        """Let what is derived from candles be derived again where a new one has closed."""
        self._indicators.renew(self.when_ms)

    def indicator(self, name: str) -> float:
        """Return the newest visible value of *name*."""
        return self._indicators.value(name, self.when_ms)

    def indicator_values(self, name: str, n: int) -> Floats:
        """Return the last *n* visible values of *name*."""
        return self._indicators.values(name, n, self.when_ms)

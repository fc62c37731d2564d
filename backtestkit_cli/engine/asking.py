"""Asking a strategy for its signal: by its function, or by the table of a batch strategy."""

from collections.abc import Coroutine
from types import CoroutineType
from typing import Any, Protocol

from backtestkit_cli.analytics.timings import ENTRIES, GET_SIGNAL, Meter
from backtestkit_cli.api.specs import Columns, GetSignal
from backtestkit_cli.domain.interval import to_datetime
from backtestkit_cli.domain.signal import Signal
from backtestkit_cli.engine.columns import EntryTable
from backtestkit_cli.engine.growing_market import GrowingMarket
from backtestkit_cli.engine.market import Market
from backtestkit_cli.engine.session_plan import SessionPlan
from backtestkit_cli.engine.time_limits import resume, within


class SignalSource(Protocol):
    """Where the signals of a session come from; who asks counts it on `meter`."""

    meter: Meter

    def ask(self, when_ms: int, price: float) -> Any:  # noqa: ANN401 - whatever the author's code returns
        """Return what the strategy says at *when_ms*, or something that awaits it."""
        ...

    def next_ms(self, when_ms: int) -> int | None:
        """Return the first tick from *when_ms* on at which asking may bring a signal, None for never."""
        ...


class AskFunction:
    """A `get_signal` function, which may have something to say at any slot."""

    def __init__(self, get_signal: GetSignal, symbol: str, meter: Meter) -> None:
        """Ask *get_signal* about *symbol*."""
        self.meter = meter
        self._get_signal = get_signal
        self._symbol = symbol

    def ask(self, when_ms: int, price: float) -> Any:  # noqa: ANN401
        """Call the function; of an async one, the value where it did not have to wait, else what awaits the rest."""
        answer = self._get_signal(self._symbol, to_datetime(when_ms), price)
        if type(answer) is not CoroutineType:
            return answer
        # Stepped by hand: a strategy on history hardly ever waits, and a timer costs more than the call.
        try:
            awaited = answer.send(None)
        except StopIteration as done:
            return done.value
        return _rest(answer, awaited)

    def next_ms(self, when_ms: int) -> int:
        """Return *when_ms*: only the function knows."""
        return when_ms


class AskColumns:
    """The entries of a batch strategy whose candles are still to come: computed again when one has closed."""

    def __init__(self, fn: Columns, interval: str, market: Market, meter: Meter) -> None:
        """Ask *fn* about the candles of *interval*."""
        self.meter = meter
        self._fn = fn
        self._interval = interval
        self._market = market
        self._size = -1
        self._table: EntryTable | None = None

    def ask(self, when_ms: int, price: float) -> Signal | None:
        """Return the entry of the newest closed candle, if it has one."""
        series = self._market.series(self._interval)
        if self._table is None or series.size != self._size:
            self._table, self._size = EntryTable(self._fn, series), series.size
        return self._table.ask(when_ms, price)

    def next_ms(self, when_ms: int) -> int:
        """Return *when_ms*: what comes is not known."""
        return when_ms


def signal_source(plan: SessionPlan, market: Market) -> SignalSource:
    """Return what to ask in the session of *plan*; the table of a batch strategy is computed from *market*."""
    spec = plan.strategy
    if spec.get_signal is not None:
        return AskFunction(spec.get_signal, plan.symbol, plan.timings.meter(GET_SIGNAL, spec.name))
    assert spec.entries is not None  # noqa: S101 - registration sees to it
    if isinstance(market, GrowingMarket):
        return AskColumns(spec.entries, spec.interval, market, plan.timings.meter(ENTRIES, spec.name))
    with plan.timings.meter(ENTRIES, spec.name).timing():
        return EntryTable(spec.entries, market.series(spec.interval))


async def awaited(answer: Any, seconds: float) -> Any:  # noqa: ANN401 - as above
    """Await *answer* if it can be awaited, within *seconds*."""
    return await within(answer, seconds) if hasattr(answer, "__await__") else answer


async def _rest(coroutine: Coroutine[Any, Any, Any], awaited: object) -> Any:  # noqa: ANN401
    return await resume(coroutine, awaited)

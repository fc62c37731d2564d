"""What the names in a config stand for, as far as the config itself says."""

from backtestkit_cli.config.exchanges import CcxtExchange, DemoExchange, ExchangeConfig
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.errors import ConfigError


def exchange_name(config: RunConfig) -> str:
    """Return how reports and ids call the exchange of the run."""
    exchange = config.exchange
    if isinstance(exchange, str):
        return exchange
    if exchange.name is None and isinstance(exchange, CcxtExchange):
        return exchange.id if exchange.market == "spot" else f"{exchange.id}-{exchange.market}"
    return exchange.name or exchange.kind


def exchange_of(config: RunConfig, name: str) -> ExchangeConfig | None:
    """Return the exchange called *name*, described in the config or built in; None if it is neither."""
    if not isinstance(config.exchange, str) and name == exchange_name(config):
        return config.exchange
    if name in config.exchanges:
        return config.exchanges[name]
    return DemoExchange(kind="demo") if name == "demo" else None


def frame_of(config: RunConfig) -> tuple[str, int, int] | str:
    """Return name, start and end of the run's frame, or only a name that the config does not describe.

    Raises:
        ConfigError: no frame is given.
    """
    frame = config.frame
    if frame is None:
        raise ConfigError("frame: expected a frame, found none: give --from and --to, or --frame")
    if not isinstance(frame, str):
        return frame.name, frame.start_ms, frame.end_ms
    if frame in config.frames:
        return frame, config.frames[frame].start_ms, config.frames[frame].end_ms
    return frame

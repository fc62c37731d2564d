"""An exchange from its kind and its options, such as those of `add_exchange`."""

from collections.abc import Mapping

from pydantic import ValidationError

from backtestkit_cli.config.complaints import complaints
from backtestkit_cli.config.exchanges import ExchangeConfig
from backtestkit_cli.config.origins import dotted
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.errors import ConfigError


def exchange_from(kind: str, options: Mapping[str, object], *, where: str) -> ExchangeConfig:
    """Return the exchange of *kind* that *options*, given at *where*, describe.

    Raises:
        ConfigError: the kind or an option is unknown, one is missing, or a value is wrong; all are named.
    """
    try:
        exchange = RunConfig.model_validate({"exchange": {**options, "kind": kind}}).exchange
    except ValidationError as error:
        raise ConfigError([f"{where}: {dotted(key)}: {text}" for key, text in complaints(error)]) from None
    assert not isinstance(exchange, str)  # noqa: S101 - a mapping was given
    return exchange

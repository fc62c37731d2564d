"""An exchange or a sizing from its parts, such as those that a strategy file gives."""

from collections.abc import Mapping
from dataclasses import asdict, fields

from pydantic import ValidationError

from backtestkit_cli.config.complaints import complaints
from backtestkit_cli.config.exchanges import ExchangeConfig
from backtestkit_cli.config.origins import dotted
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.sizings import OurSizing, method_name
from backtestkit_cli.errors import ConfigError
from backtestkit_cli.policies.sizing.correlation import Correlation


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


def sizing_from(values: Mapping[str, object], *, where: str) -> OurSizing:
    """Return the sizing that *values*, given at *where*, describe.

    Raises:
        ConfigError: a key is unknown, one is missing, or a value is wrong; all are named.
    """
    try:
        return RunConfig.model_validate({"sizings": {"one": dict(values)}}).sizings["one"]
    except ValidationError as error:
        raise ConfigError([f"{where}: {dotted(key[2:])}: {text}" for key, text in complaints(error)]) from None


def checked_sizing(sizing: OurSizing, *, where: str) -> OurSizing:
    """Return *sizing*, which a strategy file made at *where*, if a config could say the same.

    Raises:
        ConfigError: a value is wrong; all are named.
    """
    values = {field.name: getattr(sizing, field.name) for field in fields(sizing)}
    if isinstance(sizing.correlation, Correlation):
        values["correlation"] = asdict(sizing.correlation)
    return sizing_from({"method": method_name(sizing), **values}, where=where)

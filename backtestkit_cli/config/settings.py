"""Engine settings from a mapping of some of them, such as the defaults of a strategy."""

from collections.abc import Mapping

from pydantic import ValidationError

from backtestkit_cli.config.complaints import complaints
from backtestkit_cli.config.origins import dotted
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import ConfigError


def settings_from(values: Mapping[str, object], *, where: str) -> Settings:
    """Return the settings that *values*, given at *where*, make with the defaults of the rest.

    Raises:
        ConfigError: a name is unknown or a value is wrong; all of them are named.
    """
    try:
        return RunConfig.model_validate({"settings": dict(values)}).settings
    except ValidationError as error:
        raise ConfigError([f"{where}: {dotted(key)}: {text}" for key, text in complaints(error)]) from None

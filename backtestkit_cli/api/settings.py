"""Settings of all runs of a module, said in the module itself."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from backtestkit_cli.api.context import ambient
from backtestkit_cli.api.registry import caller, registry
from backtestkit_cli.api.specs import GivenSetting
from backtestkit_cli.domain.settings import Settings
from backtestkit_cli.errors import ConfigError, ContextError, UnknownNameError


def set_config(values: Mapping[str, Any] | None = None, /, **settings: Any) -> None:  # noqa: ANN401 - one type a setting
    """Give settings of the run other defaults: `set_config(fee_pct=0.05)` or `set_config({"fee_pct": 0.05})`.

    Called in a strategy module, as often as wanted: what is not named stays, and of two values for one name
    the later holds. What the strategy itself, a config, the environment or a flag says goes before it.
    Values are checked together with those of all other sources, before the run.

    Raises:
        ConfigError: there is no setting of that name; the message names the nearest.
        ContextError: called inside a run, whose settings are in force already.
    """
    where = caller()
    if ambient.get(None) is not None:
        raise ContextError(f"{where}: set_config works before a run only: call it when the module is imported")
    if values is not None and not isinstance(values, Mapping):
        raise ConfigError(f"{where}: set_config expects a mapping of settings, found {type(values).__name__}")
    given = {**(values or {}), **settings}
    known = {field.name for field in fields(Settings)}
    for name in given:
        if name not in known:
            raise UnknownNameError("setting", str(name), known, where=where)
    registry().settings.update({name: GivenSetting(value, where) for name, value in given.items()})

"""A config as one list of dotted keys."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass

from pydantic import BaseModel

from backtestkit_cli.config.origins import Key
from backtestkit_cli.config.risks import RiskProfile, rules_of
from backtestkit_cli.config.schema import RunConfig
from backtestkit_cli.config.sizings import sizing_values
from backtestkit_cli.config.stores import keys_of
from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.policies.risk.catalogue import spelled
from backtestkit_cli.policies.sizing.methods import Atr, FixedPct, Kelly


def flat(config: RunConfig) -> dict[Key, object]:
    """Return every value of *config* by its key, defaults included, in the order in which people read them."""
    values: dict[Key, object] = {}
    for name in RunConfig.model_fields:
        values.update(_parts((name,), getattr(config, name)))
    return values


def _parts(key: Key, value: object) -> Iterator[tuple[Key, object]]:
    if isinstance(value, FixedPct | Kelly | Atr):
        yield from (((*key, *place), part) for place, part in sizing_values(value).items())
    elif isinstance(value, RiskProfile):
        for rule in rules_of(value):
            yield from _parts((*key, rule.name), spelled(rule))
    elif is_dataclass(value):
        names = keys_of(value) if isinstance(value, PlaceOptions) else [field.name for field in fields(value)]
        for name in names:
            yield from _parts((*key, name), getattr(value, name))
    elif isinstance(value, BaseModel):
        yield from (
            ((*key, field.alias or name), getattr(value, name)) for name, field in type(value).model_fields.items()
        )
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _parts((*key, name), part)
    else:
        yield key, value

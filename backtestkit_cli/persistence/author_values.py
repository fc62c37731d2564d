"""What the entry order of an author may hold, as JSON that says what it is: numbers, texts, dataclasses of them."""

import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import reduce
from numbers import Real
from typing import Any, TypeAlias

from backtestkit_cli.errors import StoreError
from backtestkit_cli.persistence.parts import Number, ShapeError, Text, misshapen, unsavable

Resolver: TypeAlias = Callable[[str, str], object]
"""Returns the class of a module and a qualified name, None where there is none."""

MEND = "make it a dataclass of numbers and texts at the top level of the strategy's module"


def loaded_class(module: str, qualname: str) -> object:
    """Return what an imported *module* has under *qualname*, None where there is none; nothing is imported."""
    found: object = sys.modules.get(module)
    return reduce(lambda owner, name: getattr(owner, name, None), qualname.split("."), found)


def class_of(value: object) -> str:
    """Return what messages call the class of *value*."""
    return f"class {type(value).__module__}.{type(value).__qualname__}"


class AuthorValue:
    """Any value that can be told from all others in JSON; a mapping there always says what it stands for."""

    def __init__(self, resolver: Resolver) -> None:
        """Find the classes of authors by *resolver*."""
        self._resolver = resolver

    def encoded(self, value: object, at: str) -> object:
        """Return *value* as JSON."""
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, Enum):
            return {"member": value.name, "of": self._findable(value, at)}
        if is_dataclass(value) and not isinstance(value, type):
            return {"class": self._findable(value, at), "fields": self.fields(value, at)}
        if isinstance(value, list | tuple | dict):
            return self._encoded_all(value, at)
        if isinstance(value, Real):
            number = Number().encoded(value, at)
            return {"number": number} if isinstance(number, str) else number
        if isinstance(value, str):
            return Text().encoded(value, at)
        raise unsavable(value, f"a dataclass ({MEND})", f"{at}: {class_of(value)}")

    def decoded(self, content: object, at: str) -> object:
        """Return the value."""
        if isinstance(content, list):
            return [self.decoded(one, f"{at}[{index}]") for index, one in enumerate(content)]
        return self._decoded_mapping(content, at) if isinstance(content, dict) else content

    def fields(self, value: Any, at: str) -> dict[str, object]:  # noqa: ANN401 - a dataclass
        """Return what *value*, a dataclass, is made of."""
        return {
            one.name: self.encoded(getattr(value, one.name), f"{at}.{one.name}") for one in fields(value) if one.init
        }

    def made(self, kind: Any, given: object, at: str) -> object:  # noqa: ANN401 - a dataclass
        """Return the *kind* that is made of *given*."""
        if not isinstance(given, dict):
            raise misshapen(given, "the fields of an entry order", at)
        try:
            return kind(**self._decoded_all(given, at))
        except TypeError as error:
            raise ShapeError(f"{at}: {error}") from error

    def _encoded_all(self, values: Any, at: str) -> object:  # noqa: ANN401 - a list, a tuple or a dict
        kind = type(values)
        if kind is dict and all(isinstance(name, str) for name in values):
            return {"dict": {name: self.encoded(one, f"{at}.{name}") for name, one in values.items()}}
        if kind not in (list, tuple):
            raise unsavable(values, "a list, a tuple or a dict of texts", at)
        many = [self.encoded(one, f"{at}[{index}]") for index, one in enumerate(values)]
        return many if kind is list else {"tuple": many}

    def _decoded_all(self, named: dict[str, object], at: str) -> dict[str, object]:
        return {name: self.decoded(one, f"{at}.{name}") for name, one in named.items()}

    def _decoded_mapping(self, content: dict[str, object], at: str) -> object:
        match content:
            case {"class": str(name), "fields": given}:
                return self._made_by_author(name, given, at)
            case {"member": str(member), "of": str(name)}:
                return getattr(self._class(name, at), member, None)
            case {"tuple": list(many)}:
                return tuple(self.decoded(one, f"{at}[{index}]") for index, one in enumerate(many))
            case {"dict": dict(named)}:
                return self._decoded_all(named, at)
            case {"number": number}:
                return Number().decoded(number, at)
            case _:
                return Text().decoded(content, at)

    def _made_by_author(self, name: str, given: object, at: str) -> object:
        kind = self._class(name, at)
        try:
            return self.made(kind, given, at)
        except Exception as error:  # its code may do anything, and may have changed since
            raise StoreError(f"{at}: class {name} cannot be made of what was saved: {error}") from error

    def _findable(self, value: object, at: str) -> str:
        """Return the name that the class of *value* is found again by."""
        kind = type(value)
        if self._resolver(kind.__module__, kind.__qualname__) is not kind:
            raise StoreError(f"{at}: {class_of(value)} cannot be saved: it is not found by its name; {MEND}")
        return f"{kind.__module__}:{kind.__qualname__}"

    def _class(self, name: str, at: str) -> object:
        module, _, qualname = name.partition(":")
        found = self._resolver(module, qualname)
        if not isinstance(found, type):
            text = "is in the record, and is not found; load the strategy that it belongs to"
            raise StoreError(f"{at}: class {name} {text}")
        return found

"""Values of the engine as JSON and back, exact to the last bit: how is read off the annotations of their fields."""

import dataclasses
from collections.abc import Mapping
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, TypeAlias, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from backtestkit_cli.domain.order import EntryOrder
from backtestkit_cli.persistence.author_values import Resolver, loaded_class
from backtestkit_cli.persistence.entry_orders import Order
from backtestkit_cli.persistence.parts import (
    ByName,
    Choice,
    Flag,
    Many,
    Number,
    OneOf,
    Optional,
    Part,
    Row,
    Text,
    Whole,
)

T = TypeVar("T")
_Annotation: TypeAlias = Any
_PLAIN: Mapping[object, Part] = {float: Number(), int: Whole(), bool: Flag(), str: Text()}


class Codec:
    """Writes and reads NamedTuples, dataclasses and what their fields hold; *resolver* finds classes of authors."""

    def __init__(self, resolver: Resolver = loaded_class) -> None:
        """Learn a class when it is first met."""
        self._resolver = resolver
        self._rows: dict[type, Part] = {}

    def encoded(self, value: object, kind: type) -> object:
        """Return *value*, a *kind*, as JSON.

        Raises:
            StoreError: something in it cannot be saved; the message says where and why.
        """
        return self._part(kind).encoded(value, kind.__name__)

    def decoded(self, content: object, kind: type[T]) -> T:
        """Return the *kind* that *content* stands for.

        Raises:
            ShapeError: it stands for none; an `UnknownFieldError` where it is of a newer version.
            StoreError: it needs a class of an author that is not there any more.
        """
        return cast("T", self._part(kind).decoded(content, kind.__name__))

    def _part(self, kind: _Annotation) -> Part:
        if kind in _PLAIN:
            return _PLAIN[kind]
        if kind is EntryOrder:
            return Order(self._resolver)
        origin: object = get_origin(kind)
        arguments = get_args(kind)
        if origin in (Union, UnionType):
            members = tuple(one for one in arguments if one is not NoneType)
            part = self._part(members[0]) if len(members) == 1 else self._choice(members)
            return Optional(part) if NoneType in arguments else part
        if origin is tuple:
            return Many(self._part(arguments[0]))
        if origin is Mapping:
            return ByName(self._part(arguments[1]))
        return Choice(kind) if issubclass(kind, StrEnum) else self._row(kind)

    def _choice(self, members: tuple[type, ...]) -> Part:
        if str in members:
            (enum,) = (one for one in members if one is not str)
            return Choice(enum, or_text=True)
        return OneOf({one: self._row(one) for one in members})

    def _row(self, kind: type) -> Part:
        if kind not in self._rows:
            fields = {name: self._part(hint) for name, hint in get_type_hints(kind).items() if name in _names(kind)}
            self._rows[kind] = Row(kind, fields, frozenset(_names(kind) - _defaults(kind)))
        return self._rows[kind]


def _names(kind: _Annotation) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set(kind._fields)


def _defaults(kind: _Annotation) -> set[str]:
    if dataclasses.is_dataclass(kind):
        return {field.name for field in dataclasses.fields(kind) if field.default is not dataclasses.MISSING}
    return set(kind._field_defaults)

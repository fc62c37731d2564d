"""How single values are written as JSON and read back: numbers, texts, choices, and rows of them.

A number comes back as it was, bit for bit: a whole one as an int, any other as a float, also where the author gave
one of numpy's. What JSON or UTF-8 cannot hold is text or a mapping that nothing else looks like.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from numbers import Integral, Real
from typing import Protocol

from backtestkit_cli.domain.wording import shown
from backtestkit_cli.errors import StoreError

_ODD = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_SURROGATES = "surrogates"


class ShapeError(Exception):
    """JSON is not of the shape that was asked for; the message says where."""


class UnknownFieldError(ShapeError):
    """JSON has a field that this version does not know, so a newer one wrote it."""


class Part(Protocol):
    """One kind of value; `at` is where the value stands, for messages."""

    def encoded(self, value: object, at: str) -> object:
        """Return *value* as JSON.

        Raises:
            StoreError: it is not of this kind.
        """
        ...

    def decoded(self, content: object, at: str) -> object:
        """Return the value that *content* stands for.

        Raises:
            ShapeError: it stands for none of this kind.
        """
        ...


def unsavable(value: object, expected: str, at: str) -> StoreError:
    """Return the error that says that *value* at *at* cannot be saved."""
    return StoreError(f"{at}: cannot be saved: expected {expected}, found {shown(value)}")


def misshapen(content: object, expected: str, at: str) -> ShapeError:
    """Return the error that says that *content* at *at* cannot be read."""
    return ShapeError(f"{at}: expected {expected}, found {shown(content)}")


class Number:
    """A float, or a whole number where one was given."""

    def encoded(self, value: object, at: str) -> object:
        """Return a number, or its name where it is not finite."""
        if isinstance(value, bool) or not isinstance(value, Real):
            raise unsavable(value, "a number", at)
        if isinstance(value, Integral):
            return int(value)
        number = float(value)
        return number if math.isfinite(number) else str(number)

    def decoded(self, content: object, at: str) -> object:
        """Return the number."""
        if isinstance(content, str) and content in _ODD:
            return _ODD[content]
        if type(content) not in (int, float):
            raise misshapen(content, "a number", at)
        return content


class Whole:
    """An int."""

    def encoded(self, value: object, at: str) -> object:
        """Return a plain int."""
        if isinstance(value, bool) or not isinstance(value, Integral):
            raise unsavable(value, "a whole number", at)
        return int(value)

    def decoded(self, content: object, at: str) -> object:
        """Return the int."""
        if type(content) is not int:
            raise misshapen(content, "a whole number", at)
        return content


class Flag:
    """A bool."""

    def encoded(self, value: object, at: str) -> object:
        """Return true or false."""
        if type(value) is not bool:
            raise unsavable(value, "true or false", at)
        return value

    def decoded(self, content: object, at: str) -> object:
        """Return the bool."""
        if type(content) is not bool:
            raise misshapen(content, "true or false", at)
        return content


class Text:
    """Any text, also one with halves of a surrogate pair, which no UTF-8 can hold."""

    def encoded(self, value: object, at: str) -> object:
        """Return the text, or its bytes as hex digits."""
        if not isinstance(value, str):
            raise unsavable(value, "a text", at)
        try:
            value.encode()
        except UnicodeEncodeError:
            return {_SURROGATES: value.encode("utf-8", "surrogatepass").hex()}
        return str(value)

    def decoded(self, content: object, at: str) -> object:
        """Return the text."""
        if isinstance(content, str):
            return content
        if isinstance(content, dict) and list(content) == [_SURROGATES]:
            try:
                return bytes.fromhex(content[_SURROGATES]).decode("utf-8", "surrogatepass")
            except (TypeError, ValueError) as error:
                raise misshapen(content, "hex digits of a text", at) from error
        raise misshapen(content, "a text", at)


@dataclass(frozen=True, slots=True)
class Choice:
    """A member of an enum of texts; with `or_text` any other text as well, as where an author may say either."""

    members: type[StrEnum]
    or_text: bool = False

    def encoded(self, value: object, at: str) -> object:
        """Return the text of the member."""
        if self.or_text or isinstance(value, self.members):
            return Text().encoded(value, at)
        raise unsavable(value, f"a {self.members.__name__}", at)

    def decoded(self, content: object, at: str) -> object:
        """Return the member."""
        text = Text().decoded(content, at)
        for member in self.members:
            if text == member:
                return member
        if self.or_text:
            return text
        raise misshapen(content, "one of " + ", ".join(self.members), at)


@dataclass(frozen=True, slots=True)
class Optional:
    """A value or None."""

    part: Part

    def encoded(self, value: object, at: str) -> object:
        """Return the value, or null."""
        return None if value is None else self.part.encoded(value, at)

    def decoded(self, content: object, at: str) -> object:
        """Return the value, or None."""
        return None if content is None else self.part.decoded(content, at)


@dataclass(frozen=True, slots=True)
class OneOf:
    """A value of one of several classes, which is named: `{"Position": ...}`."""

    parts: Mapping[type, Part]

    def encoded(self, value: object, at: str) -> object:
        """Return the value under the name of its class."""
        part = self.parts.get(type(value))
        if part is None:
            raise unsavable(value, self._expected, at)
        return {type(value).__name__: part.encoded(value, at)}

    def decoded(self, content: object, at: str) -> object:
        """Return the value."""
        if isinstance(content, dict) and len(content) == 1:
            for kind, part in self.parts.items():
                if kind.__name__ in content:
                    return part.decoded(content[kind.__name__], f"{at}.{kind.__name__}")
        raise misshapen(content, self._expected, at)

    @property
    def _expected(self) -> str:
        return "one of " + ", ".join(kind.__name__ for kind in self.parts)


@dataclass(frozen=True, slots=True)
class Many:
    """A tuple of values of one kind."""

    part: Part

    def encoded(self, value: object, at: str) -> object:
        """Return a list."""
        if not isinstance(value, tuple):
            raise unsavable(value, "a tuple", at)
        return [self.part.encoded(one, f"{at}[{index}]") for index, one in enumerate(value)]

    def decoded(self, content: object, at: str) -> object:
        """Return the tuple."""
        if not isinstance(content, list):
            raise misshapen(content, "a list", at)
        return tuple(self.part.decoded(one, f"{at}[{index}]") for index, one in enumerate(content))


@dataclass(frozen=True, slots=True)
class ByName:
    """Values of one kind by name."""

    part: Part

    def encoded(self, value: object, at: str) -> object:
        """Return a mapping."""
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            raise unsavable(value, "a mapping of names", at)
        return {name: self.part.encoded(one, f"{at}.{name}") for name, one in value.items()}

    def decoded(self, content: object, at: str) -> object:
        """Return a dict."""
        if not isinstance(content, dict):
            raise misshapen(content, "a mapping", at)
        return {name: self.part.decoded(one, f"{at}.{name}") for name, one in content.items()}


class Row:
    """A NamedTuple or dataclass, field by field.

    A field that is not there has its default, as what was saved before the field was added means; one that is not
    known is refused.
    """

    def __init__(self, kind: type, fields: Mapping[str, Part], required: frozenset[str]) -> None:
        """Read and write *kind*, of whose *fields* those *required* have no default."""
        self._kind = kind
        self._fields = fields
        self._required = required

    def encoded(self, value: object, at: str) -> object:
        """Return a mapping of all fields."""
        if type(value) is not self._kind:
            raise unsavable(value, f"a {self._kind.__name__}", at)
        return {name: part.encoded(getattr(value, name), f"{at}.{name}") for name, part in self._fields.items()}

    def decoded(self, content: object, at: str) -> object:
        """Return the value."""
        if not isinstance(content, dict):
            raise misshapen(content, f"a {self._kind.__name__}", at)
        if unknown := content.keys() - self._fields.keys():
            raise UnknownFieldError(f"{at}: has {', '.join(sorted(unknown))}, which this version does not know")
        if missing := self._required - content.keys():
            raise ShapeError(f"{at}: has no {', '.join(sorted(missing))}")
        given = {name: self._fields[name].decoded(one, f"{at}.{name}") for name, one in content.items()}
        return self._kind(**given)

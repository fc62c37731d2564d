"""Where values come from, and what is said about a value that is wrong."""

from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

Key: TypeAlias = tuple[str | int, ...]
"""The place of a value: names of keys, and positions in lists."""


class Rank(IntEnum):
    """The sources of values; a higher one wins."""

    DEFAULT = 0
    FILE = 1
    DOTENV = 2
    ENVIRONMENT = 3
    SET = 4
    FLAG = 5


@dataclass(frozen=True, slots=True)
class Origin:
    """One source of values, such as `configs/demo.yaml:7` or `flag --symbols`; line 0 stands for none."""

    rank: Rank
    source: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


DEFAULT = Origin(Rank.DEFAULT, "default")


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing that is wrong: where, at which key, and what was expected and found."""

    origin: Origin
    key: Key
    text: str

    def __str__(self) -> str:
        return ": ".join(part for part in (str(self.origin), dotted(self.key), self.text) if part)


def dotted(key: Key) -> str:
    """Return *key* as people write it, `settings.fee_pct`; positions in lists are left to the text."""
    names = (part for part in key if isinstance(part, str))
    return ".".join(name if name.isprintable() else repr(name) for name in names)

"""When positions may open: a window of the day in UTC, on all or some days of the week."""

import re
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

from annotated_types import Ge, Le, MinLen

from backtestkit_cli.domain.interval import DAY_MS, MINUTE_MS
from backtestkit_cli.domain.risk import RiskCheck
from backtestkit_cli.policies.risk.rule import BuiltInRule

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_EVERY_DAY = tuple(range(7))
_MINUTES = 24 * 60
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday
_TEXT = re.compile(r"(?:(?P<days>[a-z]{3}(?:[-,][a-z]{3})*)\s+)?(?P<start>\d?\d:\d\d)\s*-\s*(?P<end>\d?\d:\d\d)")
A_WINDOW = "hours in UTC such as 09:00-17:00, mon-fri 09:00-17:00 or 22:00-02:00"


@dataclass(frozen=True, slots=True, kw_only=True)
class TradingHours(BuiltInRule):
    """Positions open within `[start, end)` of the day in UTC, which may go on past midnight, to the next `end`.

    `weekdays` are those on which a window starts, Monday is 0. `from_text` reads `mon-fri 09:00-17:00`.
    """

    name: ClassVar[str] = "trading_hours"
    start_minute: Annotated[int, Ge(0), Le(_MINUTES - 1)]
    end_minute: Annotated[int, Ge(0), Le(_MINUTES)]
    weekdays: Annotated[tuple[int, ...], MinLen(1)] = _EVERY_DAY

    def __post_init__(self) -> None:
        """Refuse an empty window, and days that are none."""
        BuiltInRule.__post_init__(self)
        if self.start_minute == self.end_minute:
            raise ValueError(f"{self.name}: start_minute and end_minute must differ, were both {self.start_minute}")
        if self.weekdays != tuple(sorted(set(self.weekdays) & set(_EVERY_DAY))):
            raise ValueError(f"{self.name}: weekdays must be distinct, 0 to 6 in order, was {self.weekdays!r}")

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the window that *text* describes: `09:00-17:00`, `mon-fri 09:00-17:00`, `sat,sun 22:00-02:00`.

        Raises:
            ValueError: it is written in another way.
        """
        parts = _TEXT.fullmatch(text.strip().lower())
        start, end = (_minute_of(parts[name]) for name in ("start", "end")) if parts else (None, None)
        days = _days_of(parts["days"]) if parts else None
        if start is None or end is None or days is None or start in {end, _MINUTES}:
            raise ValueError(f"expected {A_WINDOW}, found {text!r}")
        return cls(start_minute=start, end_minute=end, weekdays=days)

    def refusal(self, check: RiskCheck) -> str | None:
        """Look at the tick."""
        minute = check.at_ms // MINUTE_MS % _MINUTES
        weekday = (check.at_ms // DAY_MS + _EPOCH_WEEKDAY) % 7
        wraps = self.end_minute < self.start_minute
        if minute >= self.start_minute and (wraps or minute < self.end_minute):
            opened_on = weekday
        elif wraps and minute < self.end_minute:
            opened_on = (weekday - 1) % 7
        else:
            opened_on = -1
        if opened_on in self.weekdays:
            return None
        found = clock_text(minute) if self.weekdays == _EVERY_DAY else f"{_DAYS[weekday]} {clock_text(minute)}"
        return f"positions open {self} UTC, found {found}"

    def __str__(self) -> str:
        window = f"{clock_text(self.start_minute)}-{clock_text(self.end_minute)}"
        if self.weekdays == _EVERY_DAY:
            return window
        first, last = self.weekdays[0], self.weekdays[-1]
        is_span = len(self.weekdays) > 2 and self.weekdays == tuple(range(first, last + 1))
        days = f"{_DAYS[first]}-{_DAYS[last]}" if is_span else ",".join(_DAYS[day] for day in self.weekdays)
        return f"{days} {window}"


def clock_text(minute: int) -> str:
    """Return a minute of the day as `09:05`."""
    return f"{minute // 60:02}:{minute % 60:02}"


def _minute_of(text: str) -> int | None:
    hours, minutes = map(int, text.split(":"))
    minute = hours * 60 + minutes
    return minute if minutes < 60 and minute <= _MINUTES else None


def _days_of(text: str | None) -> tuple[int, ...] | None:
    """Return the days that *text* names in the order of the week, None where one is no day."""
    if text is None:
        return _EVERY_DAY
    days: set[int] = set()
    for part in text.split(","):
        ends = part.split("-")
        if len(ends) > 2 or not set(ends) <= set(_DAYS):
            return None
        first, last = _DAYS.index(ends[0]), _DAYS.index(ends[-1])
        days.update((first + offset) % 7 for offset in range((last - first) % 7 + 1))
    return tuple(sorted(days))

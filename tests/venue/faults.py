"""What can go wrong between a venue and its client, and scripts that say when."""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import TypeAlias

from tests.venue.calls import KLINES
from tests.venue.klines import Row
from tests.venue.matching.matcher import Matcher


@dataclass(frozen=True, slots=True)
class ErrorAnswer:
    """An error instead of the answer; the request has had no effect."""

    name: str
    status: int
    body: str
    content_type: str = "application/json"
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class OddRows:
    """An answer whose rows are not as they should be; only answers of rows are touched."""

    name: str
    change: Callable[[list[Row]], list[Row]]


class Breakage(StrEnum):
    """Ways in which an answer gets lost."""

    STALL = "stall"
    """it comes late, if anybody still waits"""
    RESET = "reset"
    """the connection ends with a TCP reset and no answer"""
    CUT_BODY = "cut body"
    """the connection ends in the middle of the body, which its length tells"""
    CUT_JSON = "cut JSON"
    """half the JSON comes, and nothing of HTTP tells so"""


@dataclass(frozen=True, slots=True)
class BrokenWire:
    """An answer that gets lost on its way; the request has had its effect where it `reaches` the venue."""

    name: str
    breakage: Breakage
    seconds: float = 0.0
    reaches: bool = True


@dataclass(frozen=True, slots=True)
class TakenLate:
    """An order that is taken only `delay_ms` of the market's clock later, and whose answer gets lost."""

    name: str
    delay_ms: int
    breakage: Breakage = Breakage.RESET


@dataclass(frozen=True, slots=True)
class StaleAnswer:
    """What the same question was answered the last time; nothing happens where it was never asked before."""

    name: str = "stale"


@dataclass(frozen=True, slots=True)
class Meddling:
    """Something that happens to the account just before, or just after, a request has its effect.

    The functions are given the symbol of the request, and say whether they did anything.
    """

    name: str
    before: Callable[[Matcher, str], bool] | None = None
    after: Callable[[Matcher, str], bool] | None = None


Fault: TypeAlias = ErrorAnswer | OddRows | BrokenWire | TakenLate | StaleAnswer | Meddling


def error_body(code: int, message: str) -> str:
    return json.dumps({"code": code, "msg": message})


def too_many_requests(retry_after_s: int | None = 1) -> Fault:
    text = "Too much request weight used; current limit is 6000 request weight per 1 MINUTE."
    return ErrorAnswer("429", 429, error_body(-1003, text), retry_after_s=retry_after_s)


def banned(retry_after_s: int | None = 2) -> Fault:
    text = "Way too much request weight used; IP banned until 1735689600000."
    return ErrorAnswer("418", 418, error_body(-1003, text), retry_after_s=retry_after_s)


def server_error(status: int = 500) -> Fault:
    text = "An unknown error occurred while processing the request."
    return ErrorAnswer(str(status), status, error_body(-1000, text))


def html_page(status: int = 503) -> Fault:
    page = f"<html><head><title>{status}</title></head><body><center><h1>{status}</h1></center></body></html>"
    return ErrorAnswer(f"{status} HTML", status, page, "text/html")


def stall(seconds: float = 30.0) -> Fault:
    return BrokenWire("stall", Breakage.STALL, seconds)


def lost_before(breakage: Breakage = Breakage.RESET, seconds: float = 30.0) -> Fault:
    """Let the request itself get lost; nobody can tell that from a lost answer."""
    return BrokenWire(f"lost before, {breakage}", breakage, seconds, reaches=False)


def taken_late(delay_ms: int = 2_000) -> Fault:
    return TakenLate("taken late", delay_ms)


def rejected(code: int = -2010, message: str = "Account has insufficient balance for requested action.") -> Fault:
    return ErrorAnswer(f"rejected {code}", 400, error_body(code, message))


def late(rows: int = 1) -> Fault:
    """Leave out the newest *rows*."""
    return OddRows("late", lambda all_rows: all_rows[: max(len(all_rows) - rows, 0)])


RESET = BrokenWire("reset", Breakage.RESET)  # of a GET it takes two: ccxt's aiohttp sends it once more by itself
CUT_BODY = BrokenWire("cut body", Breakage.CUT_BODY)
CUT_JSON = BrokenWire("cut JSON", Breakage.CUT_JSON)
DUPLICATED = OddRows("duplicated", lambda rows: [*rows[: len(rows) // 2 + 1], *rows[len(rows) // 2 :]])
UNSORTED = OddRows("unsorted", lambda rows: [*rows[len(rows) // 2 :], *rows[: len(rows) // 2]])

ERRORS: Sequence[Fault] = (
    too_many_requests(), banned(), server_error(), html_page(502), html_page(503), RESET, CUT_BODY, CUT_JSON
)  # fmt: skip
ODD_ROWS: Sequence[Fault] = (late(), DUPLICATED, UNSORTED)


class Faults:
    """Decides for each request whether something goes wrong, and counts by name what did."""

    def __init__(
        self, choose: Callable[[int, str], Fault | None], by_call: Mapping[str, Iterable[Fault | None]] | None = None
    ) -> None:
        """Ask *choose* with the number of a request, from 1, and its path.

        A request that *by_call* names, such as `POST /api/v3/order`, meets those faults in turn, and then none.
        """
        self.choose = choose
        self.happened: Counter[str] = Counter()
        self._by_call = {call: iter(faults) for call, faults in (by_call or {}).items()}

    def of(self, number: int, method: str, path: str) -> Fault | None:
        """Return what happens to a request."""
        script = self._by_call.get(f"{method} {path}")
        return self.choose(number, path) if script is None else next(script, None)

    @classmethod
    def none(cls) -> "Faults":
        return cls(lambda _, __: None)

    @classmethod
    def script(cls, faults: Iterable[Fault | None], path: str = KLINES) -> "Faults":
        """Let the requests of *path* meet *faults* in turn, and all goes well once they are used up."""
        return cls.scripts({path: faults})

    @classmethod
    def scripts(cls, by_path: Mapping[str, Iterable[Fault | None]]) -> "Faults":
        """Let the requests of each path meet its faults in turn; a path may have its method before it."""
        running = {path: iter(faults) for path, faults in by_path.items() if " " not in path}
        by_call = {call: faults for call, faults in by_path.items() if " " in call}
        return cls(lambda _, path: next(running[path], None) if path in running else None, by_call)

    @classmethod
    def random(
        cls,
        seed: int,
        share: float = 0.1,
        kinds: Sequence[Fault] = (*ERRORS, *ODD_ROWS),
        paths: Collection[str] | None = None,
    ) -> "Faults":
        """Let a *share* of all requests meet one of *kinds*; which, and which, is a matter of seed and number.

        Where *paths* are given, it is a share of theirs.
        """

        def choose(number: int, path: str) -> Fault | None:
            if paths is not None and path not in paths:
                return None
            draws = Random(f"{seed} {number}")
            return draws.choice(kinds) if draws.random() < share else None

        return cls(choose)

"""Signals that came to nothing before they opened: refused by a rule, or invalid, counted by what was against them."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from backtestkit_cli.domain.risk import Stage

REFUSED: Final = "signal_refused"
INVALID: Final = "signal_invalid"

_NUMBER = re.compile(r"\d+(\.\d+)?(e[+-]?\d+)?")


class RuleCount(NamedTuple):
    """How many signals `rule` of `profile` refused: as they appeared, and as those that waited would open."""

    profile: str
    rule: str
    appears: int
    opens: int

    @property
    def total(self) -> int:
        """Return the refusals of both stages."""
        return self.appears + self.opens


class ProblemCount(NamedTuple):
    """How often a problem made a signal invalid; `problem` is the first of those that differ in numbers only.

    A veto of an author's function begins with the name of that function.
    """

    problem: str
    signals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalStatistics:
    """Refused and invalid signals.

    Attributes:
        by_rule: What refused them, most refusals first; its totals add up to the number of `refused`.
        refused: Every refusal as a row, in the order of the events.
        invalid_signals: How many signals were invalid; one may have several problems.
        by_problem: What was wrong with them, most frequent first.
    """

    by_rule: tuple[RuleCount, ...]
    refused: tuple[Mapping[str, Any], ...]
    invalid_signals: int
    by_problem: tuple[ProblemCount, ...]


def refusal_statistics(rows_of_events: Iterable[Mapping[str, Any]]) -> RefusalStatistics:
    """Return the refusals among *rows_of_events*, which are of the kinds `REFUSED` and `INVALID`."""
    rows = list(rows_of_events)
    refused = tuple(row for row in rows if row["event"] == REFUSED)
    invalid = [row for row in rows if row["event"] == INVALID]
    return RefusalStatistics(
        by_rule=_by_rule(refused),
        refused=refused,
        invalid_signals=len(invalid),
        by_problem=_by_problem(problem for row in invalid for problem in row["problems"]),
    )


def _by_rule(refused: Iterable[Mapping[str, Any]]) -> tuple[RuleCount, ...]:
    counts = Counter((row["profile"], row["rule"], row["stage"]) for row in refused)
    rules = {(profile, rule) for profile, rule, _ in counts}
    rows = [RuleCount(*names, counts[*names, Stage.APPEARS], counts[*names, Stage.OPENS]) for names in rules]
    return tuple(sorted(rows, key=lambda row: (-row.total, row.profile, row.rule)))


def _by_problem(problems: Iterable[str]) -> tuple[ProblemCount, ...]:
    """Count *problems* by their words: the numbers in them differ from signal to signal."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for problem in problems:
        words = _NUMBER.sub("0", problem)
        first.setdefault(words, problem)
        counts[words] += 1
    return tuple(ProblemCount(first[words], count) for words, count in counts.most_common())

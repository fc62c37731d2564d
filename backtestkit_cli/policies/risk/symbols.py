"""Which symbols may open, and which symbols are the same."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar

from annotated_types import MinLen

from backtestkit_cli.domain.risk import RiskCheck
from backtestkit_cli.policies.risk.rule import BuiltInRule


@dataclass(frozen=True, slots=True)
class ListedSymbols(BuiltInRule):
    """A rule that is a list of symbols."""

    symbols: Annotated[tuple[str, ...], MinLen(1)]

    def __post_init__(self) -> None:
        """Take a list or a set of symbols as well."""
        given: object = self.symbols
        if isinstance(given, list | set | frozenset):
            in_order = given if isinstance(given, list) else sorted(given)
            object.__setattr__(self, "symbols", tuple(in_order))
        BuiltInRule.__post_init__(self)


@dataclass(frozen=True, slots=True)
class AllowSymbols(ListedSymbols):
    """Only these symbols open."""

    name: ClassVar[str] = "allow_symbols"

    def refusal(self, check: RiskCheck) -> str | None:
        """Refuse a symbol that is not listed."""
        if unslashed(check.symbol) in unslashed_all(self.symbols):
            return None
        return f"only {', '.join(self.symbols)} may open, found {check.symbol}"


@dataclass(frozen=True, slots=True)
class BlockSymbols(ListedSymbols):
    """These symbols never open."""

    name: ClassVar[str] = "block_symbols"

    def refusal(self, check: RiskCheck) -> str | None:
        """Refuse a symbol that is listed."""
        if unslashed(check.symbol) not in unslashed_all(self.symbols):
            return None
        return f"{', '.join(self.symbols)} may not open, found {check.symbol}"


def unslashed(symbol: str) -> str:
    """Return what two spellings of one symbol share: BTCUSDT is BTC/USDT."""
    return symbol.replace("/", "")


def unslashed_all(symbols: Iterable[str]) -> frozenset[str]:
    """Return *symbols* without slashes."""
    return frozenset(map(unslashed, symbols))


def groups_of(check: RiskCheck) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each group that holds the symbol of *check*, with all its symbols without slashes."""
    symbol = unslashed(check.symbol)
    for group, symbols in check.groups.items():
        members = unslashed_all(symbols)
        if symbol in members:
            yield group, members

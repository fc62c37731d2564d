"""The six columns of a candle under the names that files give them."""

import re
from collections.abc import Sequence

from backtestkit_cli.domain.candle import COLUMNS

# Compared without case, blanks and underscores; where a file has several, the first one counts.
_ALIASES = {
    "timestamp": ("timestamp", "opentime", "unix", "unixtimestamp", "ts", "datetime", "time", "date"),
    "open": ("open", "o"),
    "high": ("high", "h"),
    "low": ("low", "l"),
    "close": ("close", "c"),
    "volume": ("volume", "vol", "v", "basevolume"),
}


def places_of(names: Sequence[str]) -> dict[str, int]:
    """Return where among *names* each column is; one that is not there is left out.

    A volume may name its asset, `Volume BTC`; the first such column is taken, as sites write that of the base first.
    """
    plain = [_plain(name) for name in names]
    found = {column: plain.index(alias) for column, alias in _first_aliases(plain).items()}
    if "volume" not in found:
        assets = [place for place, name in enumerate(names) if re.match(r"volume[ _(]", name.strip().lower())]
        found |= {"volume": assets[0]} if assets else {}
    return found


def problem_of(names: Sequence[str]) -> str | None:
    """Return what keeps *names* from being the columns of candles: some missing, or one there twice."""
    places = places_of(names)
    missing = [column for column in COLUMNS if column not in places]
    if missing:
        return f"{', '.join(missing)} missing"
    plain = [_plain(name) for name in names]
    twice = [column for column, place in places.items() if plain.count(plain[place]) > 1]
    return f"{', '.join(twice)} twice" if twice else None


def _first_aliases(plain: list[str]) -> dict[str, str]:
    there = {column: [alias for alias in aliases if alias in plain] for column, aliases in _ALIASES.items()}
    return {column: aliases[0] for column, aliases in there.items() if aliases}


def _plain(name: str) -> str:
    return re.sub(r"[\s_]+", "", name).lower()

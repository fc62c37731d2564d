"""`CC_` variables and `BTK_DATA`, from the environment and from a `.env` file."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from backtestkit_cli.config.layers import Override
from backtestkit_cli.config.origins import Mistake, Origin, Rank
from backtestkit_cli.config.schema import VALUES, settings_names
from backtestkit_cli.domain.stores import PlaceOptions
from backtestkit_cli.errors import suggestion

_PREFIX = "CC_"
_NULLS = frozenset({"null", "Null", "NULL", "~"})
_PLAIN_KEYS = ("entry", "strategy", "exchange", "frame", "out", "workers", "max_concurrent", "cache", "offline")
_SYMBOLS = f"{_PREFIX}SYMBOL_LIST"
_SECOND_NAMES = {f"{_PREFIX}AVG_PRICE_CANDLES_COUNT": ("settings", "avg_price_candles")}
_DATA = "BTK_DATA"  # the folder that several programs may share
_DOTENV_LINE = re.compile(r"\s*(?:export\s+)?(?P<name>CC_\w*|BTK_DATA)\s*(?P<rest>.*)")
_DOTENV_REST = re.compile(r"""=\s*(?:'(?P<a>[^']*)'|"(?P<b>[^"]*)"|(?P<c>[^'"#\s].*?))?(?:\s+#.*)?\s*""")


def variables() -> dict[str, tuple[str, ...]]:
    """Return the key that each variable sets."""
    settings = {f"{_PREFIX}{name.upper()}": ("settings", name) for name in settings_names()}
    plain = {f"{_PREFIX}{name.upper()}": (name,) for name in _PLAIN_KEYS}
    in_sections = {
        f"{_PREFIX}{section}_{name}".upper(): (section, name)
        for section, names in _section_names().items()
        for name in names
    }
    return {_SYMBOLS: ("symbols",), _DATA: ("data",), **plain, **settings, **in_sections, **_SECOND_NAMES}


def _section_names() -> dict[str, tuple[str, ...]]:
    sections = {**{name: VALUES[name] for name in ("trading", "paper")}, "store": PlaceOptions}
    names = {name: tuple(field.name for field in fields(kind)) for name, kind in sections.items()}
    return {**names, "store": (*names["store"], "lease_seconds")}


def from_environment(environ: Mapping[str, str], dotenv: Path | None) -> Iterator[Override | Mistake]:
    """Yield what the variables set, and what is wrong with them.

    A variable of the environment hides one of *dotenv*; one that is empty sets nothing, but for the list of
    symbols: whoever empties that does not mean the symbols of the config. Lines of *dotenv* that are not
    about one of ours belong to other programs.
    """
    known = variables()
    given: dict[str, tuple[str, Origin]] = {}
    for found in _read_dotenv(dotenv) if dotenv else ():
        if isinstance(found, Mistake):
            yield found
        else:
            given[found[0]] = found[1:]
    given |= {
        name: (value, Origin(Rank.ENVIRONMENT, f"environment {name}"))
        for name, value in environ.items()
        if name.startswith(_PREFIX) or name == _DATA
    }
    said: dict[tuple[tuple[str, ...], Rank], str] = {}
    for name, (value, origin) in given.items():
        if name in known:
            other = said.setdefault((known[name], origin.rank), name) if value else name
            if other != name:
                yield Mistake(origin, (), f"expected one of {other} and {name}, which are the same setting, found both")
            elif value or name == _SYMBOLS:
                yield Override(known[name], None if value in _NULLS else value, origin)
        # Rust's build tools read CC_x86_64_unknown_linux_gnu and the like; ours are in capitals.
        elif name.isupper() or name.upper() in known:
            yield Mistake(origin, (), f"unknown variable {name!r}{suggestion(name, known)}")


def _read_dotenv(file: Path) -> Iterator[tuple[str, str, Origin] | Mistake]:
    if not file.is_file():
        return
    try:
        lines = file.read_bytes().decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        bad_line = error.object.count(b"\n", 0, error.start) + 1
        yield Mistake(Origin(Rank.DOTENV, str(file), bad_line), (), "expected text in UTF-8")
        return
    except OSError as error:
        yield Mistake(Origin(Rank.DOTENV, str(file)), (), f"cannot be read: {error.strerror or error}")
        return
    for number, text in enumerate(lines, start=1):
        line = _DOTENV_LINE.fullmatch(text.rstrip("\r"))
        if line is None:
            continue
        origin = Origin(Rank.DOTENV, str(file), number)
        rest = _DOTENV_REST.fullmatch(line["rest"])
        if rest is None:
            yield Mistake(origin, (), f"expected {line['name']}=value, found {text.strip()!r}")
        else:
            yield line["name"], next((part for part in rest.groups() if part is not None), ""), origin

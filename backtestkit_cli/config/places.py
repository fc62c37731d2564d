"""Which values are paths, and what they are relative to."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from backtestkit_cli.config.values import is_one_line


def is_file_path(entry: str) -> bool:
    """Say whether an entry is a file, rather than a dotted module or the name of an entry point."""
    return entry.endswith(".py") or "/" in entry or os.sep in entry


def change_paths(tree: dict[str, object], change: Callable[[str], str]) -> None:
    """Apply *change* to every path in a tree of raw values; what cannot be one is left for the check of values."""
    entry = tree.get("entry")
    if isinstance(entry, str) and is_file_path(entry):
        tree["entry"] = _changed(entry, change)
    named = tree.get("exchanges")
    for exchange in (tree.get("exchange"), *(named.values() if isinstance(named, dict) else ())):
        if isinstance(exchange, dict) and "path" in exchange:
            exchange["path"] = _changed(exchange["path"], change)


def spell_out_home(tree: dict[str, object]) -> None:
    """Spell out a leading `~` in every path of a tree of raw values."""
    change_paths(tree, from_home)
    # these are relative to where the program runs, whoever gives them
    for part, name in ((tree, "out"), (tree, "data"), *((place, "folder") for place in _mappings(tree.get("store")))):
        if name in part:
            part[name] = _changed(part[name], from_home)


def _mappings(value: object) -> Iterator[dict[str, object]]:
    """Yield all mappings in *value*, itself included."""
    if isinstance(value, dict):
        yield value
        for part in value.values():
            yield from _mappings(part)


def _changed(path: object, change: Callable[[str], str]) -> object:
    return change(path.strip()) if isinstance(path, str) and path.strip() and is_one_line(path) else path


def beside(folder: Path) -> Callable[[str], str]:
    """Return what makes a path relative to *folder* one that can be opened from here."""

    def change(path: str) -> str:
        if path.startswith("~"):
            return path
        joined = folder / path
        tidy = os.path.normpath(joined)
        # Where a folder on the way is a link, leaving out `..` would lead elsewhere.
        return tidy if os.path.realpath(tidy) == os.path.realpath(joined) else str(joined)

    return change


def from_home(path: str) -> str:
    """Return *path* with a leading `~` spelled out."""
    return str(Path(path).expanduser()) if path == "~" or path.startswith("~/") else path

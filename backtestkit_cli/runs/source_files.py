"""The source files of a strategy: its own, and every module of the project that it imports."""

import ast
import hashlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

_OUR_PACKAGE = Path(__file__).parents[1]
_STANDARD_LIBRARY = Path(os.__file__).parent
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def source_files(file: Path, package: str = "") -> dict[str, str]:
    """Return the SHA-256 of *file* and of what it imports, and so on, by path from the folder of *file*.

    Imports within functions count as well, as they may be carried out later. What belongs to the project lies
    below the folder of *file* (of its topmost package), or below the working folder, and is not installed. A module
    imported by a name that is computed is not found, nor is a file that is read rather than imported.

    Args:
        file: The module that registers the strategy.
        package: The package it is a module of, which its relative imports start from.
    """
    file = file.resolve()
    roots = _roots(file, package)
    hashes: dict[str, str] = {}
    waiting = [(file, package), *_of_project(_with_parents(package), roots)]
    while waiting:
        path, within = waiting.pop()
        name = relative_name(path, file.parent)
        if name in hashes:
            continue
        source = path.read_bytes()
        hashes[name] = hashlib.sha256(source).hexdigest()
        waiting += _of_project(_imported(source, within), roots)
    return dict(sorted(hashes.items()))


def relative_name(path: Path, folder: Path) -> str:
    """Return *path* as seen from *folder*, the same on every machine."""
    return Path(os.path.relpath(path, folder)).as_posix()


def _roots(file: Path, package: str) -> list[Path]:
    topmost = file.parents[package.count(".")]
    return [root for root in (topmost, Path.cwd()) if root.name not in _INSTALLED]


@lru_cache(maxsize=1024)
def _imported(source: bytes, package: str) -> tuple[str, ...]:
    """Return the dotted name of everything that *source*, a module of *package*, may import, parents first."""
    return tuple(sorted(set(_names(source, package))))


def _names(source: bytes, package: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # it will say so itself, if ever it is imported
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    yield from _with_parents(alias.name)
            case ast.ImportFrom(module=module, names=names, level=level):
                origin = _absolute(module or "", level, package)
                yield from _with_parents(origin)
                yield from (f"{origin}.{alias.name}" for alias in names)
            case _:
                pass


def _absolute(module: str, level: int, package: str) -> str:
    above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
    return ".".join(filter(None, (*above, module)))


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".") if name else []
    yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def _of_project(names: Iterable[str], roots: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """Yield file and package of those modules in *names*, parents first, that belong to the project below *roots*."""
    foreign: set[str] = set()
    for name in names:
        parent = name.rpartition(".")[0]
        spec = None if parent in foreign else _spec(name)
        if spec is None:
            foreign.add(name)  # and what is in a foreign package is foreign
        elif spec.origin is not None:  # a folder without __init__.py has none, and may be part of the project
            path = Path(spec.origin)
            if is_of_project(path, roots):
                yield path.resolve(), name if spec.submodule_search_locations else parent
            else:
                foreign.add(name)


def _spec(name: str) -> ModuleSpec | None:
    """Return where the module *name* is or would be loaded from, without importing anything."""
    loaded = getattr(sys.modules.get(name), "__spec__", None)
    if isinstance(loaded, ModuleSpec):
        return loaded
    parent, _, last = name.rpartition(".")
    if not parent:
        return PathFinder.find_spec(name)
    above = _spec(parent)
    folders = above.submodule_search_locations if above else None
    # By its last name alone: a folder without __init__.py would look for its parent among what is imported.
    return PathFinder.find_spec(last, folders) if folders else None


def is_of_project(path: Path, roots: Sequence[Path]) -> bool:
    """Say whether *path* is a source file below one of *roots* that is neither ours, nor Python's, nor installed."""
    if path.suffix != ".py" or path.is_relative_to(_OUR_PACKAGE) or path.is_relative_to(_STANDARD_LIBRARY):
        return False
    real = path.resolve()
    above = (root for root in roots if real.is_relative_to(root))
    return real.is_file() and any(_INSTALLED.isdisjoint(real.relative_to(root).parts) for root in above)

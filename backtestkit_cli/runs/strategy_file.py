"""A strategy from a file, a dotted module or an installed entry point, with errors that point into it."""

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

from backtestkit_cli.api.registry import Registry, registering_in
from backtestkit_cli.engine.failures import named_text_of, text_of
from backtestkit_cli.errors import BacktestKitError, ConfigError, StrategyError, suggestion
from backtestkit_cli.runs.source_files import is_of_project, source_files

ENTRY_POINT_GROUP = "btk.strategies"

_NEIGHBOURS: dict[
    Path, set[str]
] = {}  # the modules that strategy files imported from below their own folder, by folder


@dataclass(frozen=True, slots=True)
class LoadedStrategies:
    """What a module registered, and the files of each strategy by its name.

    `source_hashes` have the SHA-256 of the file that it came from, `source_files` those of `source_files()`.
    """

    registry: Registry
    origin: str
    source_hashes: Mapping[str, str]
    source_files: Mapping[str, Mapping[str, str]]


def load_strategies(entry: str, *, where: str = "--entry") -> LoadedStrategies:
    """Import *entry* and return what it registers; each time its code runs anew, in a module of its own.

    Args:
        entry: `strategies/dca.py`, `package.module`, or the name of an entry point of the group
            `btk.strategies`.
        where: What names it, for the message when it is not there.

    Raises:
        StrategyError: it is not there, does not import, or registers no strategy.
    """
    registry = Registry()
    with registering_in(registry), _errors_of(entry):
        module = _import(entry, where)
    if not registry.strategies:
        raise StrategyError(f"{entry}: registers no strategy; call add_strategy(...) when it is imported")
    file = Path(module.__file__ or "").resolve()
    files = source_files(file, module.__package__ or "") if file.is_file() else {}
    digest = files.get(file.name, "")
    names = registry.strategies
    return LoadedStrategies(registry, entry, dict.fromkeys(names, digest), dict.fromkeys(names, files))


def _import(entry: str, where: str) -> ModuleType:
    if entry.endswith(".py") or "/" in entry or "\\" in entry:
        return _import_file(Path(entry), where)
    if importlib.util.find_spec(entry.partition(".")[0]) is not None and _exists(entry):
        return _import_module(entry)
    installed = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if entry in installed:
        return _import_module(installed[entry].module)
    known = suggestion(entry, installed) if installed else ""
    raise StrategyError(
        f"{where}: {entry}: expected a .py file, a module that can be imported, "
        f"or an installed entry point of {ENTRY_POINT_GROUP}, found none{known}"
    )


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _import_module(name: str) -> ModuleType:
    """Run the code of *name* in a new module: reloading would change the one that another run uses."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.loader is None:
        raise StrategyError(f"{name}: expected a module with code, found a folder")
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get(name)
    sys.modules[name] = module  # where its own code and its dataclasses look for it
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        if before is not None:
            sys.modules[name] = before
    return module


def _import_file(path: Path, where: str) -> ModuleType:
    if not path.is_file():
        folder = path.parent
        there = [p.name for p in folder.glob("*.py")] if folder.is_dir() else []
        hint = suggestion(path.name, there) if there else ""
        raise StrategyError(
            f"{where}: {path}: expected a strategy file, found {'a folder' if path.is_dir() else 'nothing'}{hint}"
        )
    resolved = path.resolve()
    name = f"btk_strategy_{hashlib.blake2b(str(resolved).encode(), digest_size=6).hexdigest()}"
    module = ModuleType(name)
    module.__file__ = str(resolved)
    sys.modules[name] = module
    if str(resolved.parent) not in sys.path:
        sys.path.insert(0, str(resolved.parent))  # a strategy may import its neighbours, also later
    # What it imports from beside it is imported anew too: its registrations belong to this load.
    for neighbour in _NEIGHBOURS.pop(resolved.parent, ()):
        sys.modules.pop(neighbour, None)
    before = set(sys.modules)
    # Compiled under the path as it was given: errors and reports name it so, on every machine alike.
    try:
        exec(compile(path.read_bytes(), str(path), "exec", dont_inherit=True), module.__dict__)  # noqa: S102
    finally:
        new = sys.modules.keys() - before
        _NEIGHBOURS[resolved.parent] = {name for name in new if _is_below(resolved.parent, name)}
    return module


def _is_below(folder: Path, module: str) -> bool:
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and is_of_project(Path(file), [folder])


@contextmanager
def _errors_of(entry: str) -> Iterator[None]:
    """Turn whatever a module raises while it is imported into one line that names the place in it."""
    try:
        yield
    except (StrategyError, ConfigError):
        raise
    except SyntaxError as error:
        raise StrategyError(f"{error.filename or entry}:{error.lineno}: does not import: {error.msg}") from error
    except (Exception, SystemExit) as error:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if _is_theirs(f.filename)]
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else entry
        words = text_of(error) if isinstance(error, BacktestKitError) else named_text_of(error)
        raise StrategyError(f"{place}: does not import: {words}") from error


def _is_theirs(filename: str) -> bool:
    package = __name__.partition(".")[0]
    return not filename.startswith("<") and f"/{package}/" not in filename.replace("\\", "/")

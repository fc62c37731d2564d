"""A plug-in for pytest that checks a store without a line of test code.

pytest -p backtestkit_cli.testing.plugin --btk-store my_package.stores:make --pyargs backtestkit_cli.testing.check

`make(place)` returns a store, or a shelf of one, that keeps everything in *place*: the path of an empty folder, whose
name is no other's and can be a prefix or a schema. Called twice with one place it returns two objects of the same
records, also in another process. Its attribute `cannot`, if it has one, says what no place of it has, and why.
"""

import sys
from importlib import import_module

import pytest

from backtestkit_cli.testing.places import Factory

FACTORY = pytest.StashKey[Factory]()
"""What the option named, kept in the config of pytest."""

_SUITES = ("damage", "fault", "fencing", "keys", "ownership", "records", "writers")

pytest.register_assert_rewrite(*(f"backtestkit_cli.testing.{suite}_contract" for suite in _SUITES))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says which store is checked."""
    group = parser.getgroup("btk", "checks of stores")
    group.addoption("--btk-store", metavar="MODULE:FACTORY", help="what makes the store that is checked, of a path")


def pytest_configure(config: pytest.Config) -> None:
    """Import what the option names; it may be in the folder where pytest was started."""
    named = config.getoption("--btk-store")
    if named is not None:
        here = str(config.invocation_params.dir)
        if here not in sys.path:
            sys.path.insert(0, here)
        config.stash[FACTORY] = _imported(named)


def _imported(named: str) -> Factory:
    module, _, name = named.partition(":")
    try:
        found: Factory = getattr(import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(f"--btk-store {named}: expected module:factory, found: {error}") from error
    return found

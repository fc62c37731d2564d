"""A plug-in for pytest that checks a store without a line of test code.

pytest -p backtestkit_cli.testing.plugin --btk-store my_package.stores:make --pyargs backtestkit_cli.testing.check

`make(place)` returns a store, or a shelf of one, that keeps everything in *place*: the path of an empty folder, whose
name is no other's and can be a prefix or a schema. Called twice with one place it returns two objects of the same
records, also in another process. Its attribute `cannot`, if it has one, says what no place of it has, and why.
"""

import pytest

pytest.register_assert_rewrite(
    *(
        f"backtestkit_cli.testing.{module}"
        for module in (
            "damage_contract",
            "fault_contract",
            "fencing_contract",
            "keys_contract",
            "ownership_contract",
            "records_contract",
            "writers_contract",
        )
    )
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says which store is checked."""
    group = parser.getgroup("btk", "checks of stores")
    group.addoption("--btk-store", metavar="MODULE:FACTORY", help="what makes the store that is checked, of a path")

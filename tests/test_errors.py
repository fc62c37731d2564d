"""Errors cross to other processes as what they say."""

import pickle

import pytest

from backtestkit_cli import errors
from backtestkit_cli.errors import BacktestKitError, ConfigError, UnknownNameError

KINDS = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, BacktestKitError)]


@pytest.mark.parametrize(
    "kind", [kind for kind in KINDS if kind is not UnknownNameError], ids=lambda kind: kind.__name__
)
def test_an_error_of_the_tree_survives_the_way(kind: type[BacktestKitError]) -> None:
    again = pickle.loads(pickle.dumps(kind("a line")))  # noqa: S301 - our own bytes
    assert (type(again), str(again), again.exit_code) == (kind, "a line", kind.exit_code)


def test_an_unknown_name_arrives_as_its_line() -> None:
    error = UnknownNameError("table", "candels", ["candles"], where="a.yaml:3")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(again, ConfigError)
    assert again.problems == error.problems

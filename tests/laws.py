"""How many examples a law is tried on: few in each run of all tests, many where somebody asks for all laws."""

import os

import pytest
from hypothesis import settings

ALL_LAWS = bool(os.environ.get("BTK_ALL_LAWS"))
"""Whether laws, and tests like them, are tried in their full width, as `make laws` does."""
takes_long = pytest.mark.timeout(1800 if ALL_LAWS else 60)


def tried(few: int, many: int) -> settings:
    """Let a law of which each example is a whole run take *few* of them, and *many* by `make laws`."""
    return settings(max_examples=many if ALL_LAWS else few)

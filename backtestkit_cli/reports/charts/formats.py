"""The formats of pictures, checked before a run that is to be drawn begins."""

from importlib.util import find_spec
from typing import Final

from backtestkit_cli.errors import ConfigError, UnknownNameError

FORMATS: Final = ("png", "svg")
HOW_TO_DRAW: Final = "pip install 'backtestkit-cli[charts]'"


def require_charts(chart_format: str, *, where: str = "--charts") -> None:
    """See to it that pictures in *chart_format* can be drawn here.

    Raises:
        UnknownNameError: there is no such format.
        ConfigError: matplotlib is not installed.
    """
    if chart_format not in FORMATS:
        raise UnknownNameError("format", chart_format, FORMATS, where=where)
    if not can_draw():
        raise ConfigError(f"{where}: expected matplotlib to draw with, found none; {HOW_TO_DRAW}")


def can_draw() -> bool:
    """Say whether there is what pictures are drawn with."""
    return find_spec("matplotlib") is not None

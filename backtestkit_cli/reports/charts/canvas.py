"""What all pictures share: their look, whatever the settings of the user's matplotlib, and their bytes."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from backtestkit_cli.domain.interval import utc_text
from backtestkit_cli.reports.saved.record import RunRecord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

INK: Final = "#1f2328"
FAINT: Final = "#6b7178"
GRID: Final = "#e4e6e9"
WINS: Final = "#1f68b2"
LOSSES: Final = "#c85812"
NO_FIGURE: Final = "#dcdee1"
SMALL_LETTER_IN: Final = 0.062
"""How wide a letter of 8 points is, in inches, on average and a little more."""

_DPI: Final = 130
_LOOK: Final = {
    "font.family": ["DejaVu Sans"],  # matplotlib brings it: the picture does not depend on the machine's fonts
    "text.parse_math": False,  # a symbol may hold dollar signs
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GRID,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": False,
    "grid.color": GRID,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "date.converter": "concise",
    "timezone": "UTC",
    "svg.hashsalt": "btk",
    "savefig.dpi": _DPI,
}
_METADATA: Final = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


@contextmanager
def own_look() -> Iterator[None]:
    """Draw within the block as btk does; neither a matplotlibrc nor what a strategy has set counts."""
    import matplotlib as mpl  # noqa: PLC0415 - an extra, and only who draws has it

    look: dict[Any, Any] = {name: value for name, value in mpl.rcParamsDefault.items() if name != "backend"}
    with mpl.rc_context(look | _LOOK):
        yield


def picture(figure: "Figure", chart_format: str) -> bytes:
    """Return *figure* as the bytes of a file, the same for the same figure."""
    content = io.BytesIO()
    figure.savefig(content, format=chart_format, metadata=_METADATA[chart_format], facecolor="white")
    return content.getvalue()


def heading(record: RunRecord, title: str, strategy: str | None) -> tuple[str, str]:
    """Return the first two lines of a picture: what it shows, and of which run."""
    facts = record.facts
    names = ", ".join(sorted(facts.strategies)) if strategy is None else strategy
    span = f"{utc_text(facts.start_ms)} to {utc_text(facts.end_ms)} UTC"
    synthetic = " · SYNTHETIC candles" if facts.is_synthetic else ""
    return drawable(f"{title}: {names}"), drawable(f"{facts.exchange}{synthetic} · {span} · run {record.run_id}")


def drawable(text: str, longest: int = 120) -> str:
    """Return *text* on one line with a code in place of each letter that the font does not have."""
    shown = "".join(one if ord(one) in _letters() else f"\\u{ord(one):04x}" for one in " ".join(text.split()))
    return shown if len(shown) <= longest else f"{shown[: longest - 1]}…"


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font  # noqa: PLC0415 - see above

    return frozenset(get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap())

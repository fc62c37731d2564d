"""Pictures of a run: valid, the same for the same run, and not broken by any symbol."""

import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TypeAlias
from xml.etree import ElementTree as ET

import pytest

from backtestkit_cli.domain.interval import DAY_MS
from backtestkit_cli.errors import ConfigError, OutputError, UnknownNameError
from backtestkit_cli.reports.charts import formats
from backtestkit_cli.reports.charts.canvas import drawable
from backtestkit_cli.reports.charts.equity import equity_chart
from backtestkit_cli.reports.charts.files import write_charts
from backtestkit_cli.reports.charts.formats import require_charts
from backtestkit_cli.reports.charts.heat import metrics_chart, months_chart
from backtestkit_cli.reports.heatmap_file import write
from backtestkit_cli.reports.saved.record import RunRecord
from tests.builders import START_MS, a_record, a_session, a_trade, trades_of
from tests.coordinated_run import coordinated_record

CHARTS = (equity_chart, metrics_chart, months_chart)
Chart: TypeAlias = Callable[[RunRecord, str], bytes]
SVG = "{http://www.w3.org/2000/svg}"


def a_run(*symbols: str, pnl: tuple[float, ...] = (2.0, -1.0, 3.0, -2.0, 1.0)) -> RunRecord:
    return a_record(*(a_session(*trades_of(*pnl, symbol=symbol), symbol=symbol) for symbol in symbols))


def size_of(png: bytes) -> tuple[int, int]:
    """Return width and height of a picture, read whole."""
    import io

    from PIL import Image

    with Image.open(io.BytesIO(png), formats=["PNG"]) as image:
        image.load()
        return image.size


def root_of(svg: bytes) -> ET.Element:
    return ET.fromstring(svg)  # noqa: S314 - our own file


def colours_of(svg: bytes) -> set[str]:
    """Return the colours that areas are filled with."""
    styles = [element.get("style", "") for element in root_of(svg).iter(f"{SVG}path")]
    return {
        part.split(":")[1].strip() for style in styles for part in style.split(";") if part.strip().startswith("fill:")
    }


@pytest.mark.parametrize("chart", CHARTS)
def test_a_picture_opens_again_and_the_same_run_gives_the_same_bytes(chart: Chart) -> None:
    record = a_run("BTCUSDT", "ETHUSDT")
    png, svg = chart(record, "png"), chart(record, "svg")
    width, height = size_of(png)
    assert 500 < width < 4_000
    assert 300 < height < 2_000
    assert root_of(svg).tag == f"{SVG}svg"
    assert (chart(a_run("BTCUSDT", "ETHUSDT"), "png"), chart(a_run("BTCUSDT", "ETHUSDT"), "svg")) == (png, svg)
    assert b"Matplotlib" not in png
    assert b"date" not in svg.split(b"<defs>")[0].lower()


def test_neither_the_users_settings_nor_the_program_s_state_count() -> None:
    import matplotlib as mpl

    expected = metrics_chart(a_run("BTCUSDT"), "svg")
    with mpl.rc_context({"font.size": 30, "svg.fonttype": "none", "text.usetex": True, "axes.facecolor": "black"}):
        before = dict(mpl.rcParams)
        assert metrics_chart(a_run("BTCUSDT"), "svg") == expected
        assert dict(mpl.rcParams) == before


def test_drawing_leaves_pyplot_alone() -> None:
    program = (
        "import sys\n"
        "from tests.builders import a_record\n"
        "from backtestkit_cli.reports.charts.equity import equity_chart\n"
        "assert 'matplotlib' not in sys.modules\n"
        "equity_chart(a_record(), 'png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True)


@pytest.mark.parametrize("chart", CHARTS)
def test_symbols_with_odd_characters_are_drawn(chart: Chart) -> None:
    odd = ("$x^2$", "a_b%", r"\frac{", "测试/USDT", "A" * 300, "<&>", "\U0001d518🚀")
    named = a_record(*(a_session(a_trade(symbol=one), symbol=one) for one in odd), exchange="$_{")
    assert size_of(chart(named, "png"))[0] < 4_000
    assert root_of(chart(named, "svg")).tag == f"{SVG}svg"


def test_letters_that_the_font_lacks_become_codes() -> None:
    assert drawable("BTC/USDT $1_ü") == "BTC/USDT $1_ü"
    assert drawable("测\n试") == r"\u6d4b \u8bd5"
    assert drawable("A" * 30, 28) == f"{'A' * 27}…"


def test_one_symbol_and_a_hundred_have_rows_of_the_same_height() -> None:
    runs = {count: a_run(*(f"S{i:03}" for i in range(count)), pnl=(1.0,)) for count in (1, 11, 100)}
    points = {count: root_of(months_chart(record, "svg")).get("height", "") for count, record in runs.items()}
    heights = {count: float(height.removesuffix("pt")) for count, height in points.items()}
    assert (heights[100] - heights[11]) / 89 == pytest.approx((heights[11] - heights[1]) / 10)


def test_more_symbols_than_can_be_looked_at_are_cut_and_the_picture_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backtestkit_cli.reports.charts.heat.SHOWN_SYMBOLS", 3)
    record = a_run("A", "B", "C", "D", "E")
    svg = months_chart(record, "svg").decode()
    assert "The first 3 of 5 symbols." in svg
    assert ("<!-- C -->" in svg, "<!-- D -->" in svg, "<!-- All pooled -->" in svg) == (True, False, True)


def test_a_cell_without_a_figure_is_grey_and_the_best_and_the_worst_are_blue_and_orange() -> None:
    record = a_record(
        a_session(*trades_of(5.0, 6.0, symbol="A"), symbol="A"),
        a_session(*trades_of(-5.0, -6.0, symbol="B"), symbol="B"),
        a_session(symbol="C"),
    )
    assert {"#1f68b2", "#c85812", "#dcdee1"} <= colours_of(months_chart(record, "svg"))


@pytest.mark.parametrize("pnl", [(), (-100.0, -100.0), (1e15,), (0.0,)], ids=["none", "total loss", "huge", "zero"])
def test_any_run_can_be_drawn(pnl: tuple[float, ...]) -> None:
    assert root_of(equity_chart(a_run("A", pnl=pnl), "svg")).tag == f"{SVG}svg"
    assert root_of(months_chart(a_run("A", pnl=pnl), "svg")).tag == f"{SVG}svg"


def test_a_run_of_nothing_can_be_drawn() -> None:
    assert size_of(equity_chart(a_record(), "png"))[0] > 300
    assert size_of(metrics_chart(a_record(), "png"))[0] > 300


def test_a_run_without_trades_says_so_in_its_heatmap() -> None:
    assert "No position was closed" in metrics_chart(a_record(a_session()), "svg").decode()


def test_years_of_days_and_an_account_are_drawn() -> None:
    marks = tuple((START_MS + day * DAY_MS, 100.0) for day in range(1, 1_500))
    record = a_record(a_session(*trades_of(1.0, -3.0), marks=marks), end_ms=START_MS + 1_500 * DAY_MS)
    assert "2028" in equity_chart(record, "svg").decode()
    assert size_of(months_chart(record, "png"))[0] > 3_000
    assert "Account of 1,000.00" in equity_chart(coordinated_record(), "svg").decode()


def test_files_are_of_the_run_and_with_several_strategies_of_each(tmp_path: Path) -> None:
    record = a_record(a_session(a_trade()), a_session(a_trade(strategy="x/y"), strategy="x/y"))
    files = write_charts(record, tmp_path, "svg")
    folder = tmp_path / "charts" / record.run_id
    assert files[:3] == [folder / "equity.svg", folder / "heatmap.svg", folder / "months.svg"]
    assert files[1].read_bytes() == metrics_chart(record, "svg")
    names = {path.name for path in files}
    assert {"equity-sma_cross.svg", "heatmap-sma_cross.svg", "months-sma_cross.svg"} < names
    assert len(names) == 9


def test_where_no_position_was_closed_there_is_only_the_equity(tmp_path: Path) -> None:
    record = a_record(a_session(a_trade()), a_session(strategy="calm"))
    names = {path.name for path in write_charts(record, tmp_path / "half", "svg")}
    assert {"heatmap.svg", "heatmap-sma_cross.svg", "equity-calm.svg"} < names
    assert names.isdisjoint({"heatmap-calm.svg", "months-calm.svg"})
    (path,) = write_charts(a_record(a_session()), tmp_path, "svg")
    assert [path] == list(path.parent.iterdir())
    assert path.name == "equity.svg"


def test_pictures_beside_a_heatmap_have_names_of_their_own(tmp_path: Path) -> None:
    files = write(a_run("A"), "sma_cross", tmp_path, chart_format="png", sort_by="trades")
    assert [path.name for path in files] == ["sma_cross.md", "sma_cross.json", "sma_cross.png", "sma_cross+months.png"]
    assert size_of(files[2].read_bytes())[0] > 300


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "charts").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*equity\.png: expected a folder"):
        write_charts(a_run("A"), tmp_path, "png")


def test_an_unknown_format_is_named_with_those_that_exist() -> None:
    with pytest.raises(UnknownNameError, match="--charts: unknown format 'pdf'; known: png, svg"):
        require_charts("pdf")
    require_charts("png")


def test_without_matplotlib_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda name: None if name == "matplotlib" else find_spec(name))
    with pytest.raises(ConfigError, match=r"pip install 'backtestkit-cli\[charts\]'") as caught:
        write_charts(a_run("A"), tmp_path, "png")
    assert (len(caught.value.problems), list(tmp_path.iterdir())) == (1, [])

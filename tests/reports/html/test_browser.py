"""The page in a real browser, without a network and over file://."""

import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from backtestkit_cli.domain.interval import MINUTE_MS
from backtestkit_cli.reports.html.packing import packed_candles
from backtestkit_cli.reports.html.page import html_page
from backtestkit_cli.reports.saved.run_part import part_of
from tests.builders import START_MS, a_record, a_session
from tests.reports.html.records import HOSTILE, a_long_record, a_varied_record, chart_candles

expect.set_options(timeout=20_000)  # a busy machine is slow; what is there is found at once
pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
DESKTOP = ViewportSize(width=1280, height=900)
MINUS = "\N{MINUS SIGN}"
PHONE = ViewportSize(width=375, height=812)


class Opened:
    """A page in the browser, and all that it said and asked for."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))

    async def texts(self, selector: str) -> list[str]:
        return await self.page.locator(selector).all_inner_texts()

    async def column(self, number: int, table: str = "#trades-table") -> list[str]:
        return await self.texts(f"{table} tbody tr > :nth-child({number})")

    async def clear_filters(self) -> None:
        await self.page.click("#trades-filter button[type=reset]")
        await expect(self.page.locator("#trades-count")).to_contain_text("120 trades, net ")

    async def overflow(self) -> int:
        found: int = await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        return found

    async def colours_drawn(self, chart: str) -> int:
        """Return how many colours the canvases of a chart show: a blank one has one at most."""
        found: int = await self.page.evaluate(
            """(chart) => {
              const colours = new Set();
              for (const canvas of document.querySelectorAll(`${chart} canvas`)) {
                if (!canvas.width || !canvas.height) continue;
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                new Uint32Array(pixels.buffer).forEach((colour) => colours.add(colour));
              }
              return colours.size;
            }""",
            chart,
        )
        return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip("no browser found; the page is looked at in one: apt-get install chromium")
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS, timeout=15_000)
        yield started
        await started.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return one page for the tests that leave it as the others may find it, in whatever order they run."""
    return await opened(browser, tmp_path_factory.mktemp("page"), varied_page())


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def changed(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    """Return one page for the tests that leave it changed."""
    return await opened(browser, tmp_path_factory.mktemp("changed"), varied_page())


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(changed: Opened) -> Opened:
    """Return that page as it is when it is opened: to load it again takes a fraction of a new tab."""
    await changed.page.reload()
    return changed


@cache
def varied_page() -> bytes:
    """Return the page that most tests look at."""
    return html_page(a_varied_record())


async def opened(browser: Browser, folder: Path, content: bytes, viewport: ViewportSize = DESKTOP) -> Opened:
    """Return the page that *content* is, opened from a file."""
    path = folder / "report.html"
    path.write_bytes(content)
    page = await browser.new_page(viewport=viewport, color_scheme="light")
    page.set_default_timeout(20_000)
    result = Opened(page)
    await page.goto(path.as_uri())
    return result


async def test_it_loads_without_a_complaint_and_asks_for_nothing_but_itself(shared: Opened) -> None:
    await shared.page.wait_for_selector("#candles-intervals button")
    assert shared.complaints == []
    assert [url for url in shared.requests if not url.startswith("data:")] == [shared.page.url]
    assert await shared.page.title() == "sma_cross · sma_cross-0123456789"


async def test_cards_and_charts_are_drawn(shared: Opened) -> None:
    cards = await shared.texts("#figures .card")
    assert "Trades\n120\nclosed" in cards
    await expect(shared.page.locator("#candles-readout")).to_contain_text("BTCUSDT")
    for chart in ("#equity-chart", "#candles-chart"):
        assert await shared.colours_drawn(chart) > 10


async def test_a_part_of_a_run_says_so_and_shows_trades_that_began_before_it(browser: Browser, tmp_path: Path) -> None:
    record = a_varied_record()
    span = START_MS + 25 * MINUTE_MS, START_MS + 145 * MINUTE_MS
    candles = chart_candles(0, step_ms=MINUTE_MS).between(*span)
    found = await opened(browser, tmp_path, html_page(record, part_of(record, span, "1m", {"BTCUSDT": candles})))
    await expect(found.page.locator("#warnings")).to_contain_text("Part of the run Candles (1m) and the list of trades")
    # One opens every 20 minutes for 15: the one of 00:20 is open when the part begins, the one of 02:20 when it ends.
    await expect(found.page.locator("#trades-count")).to_contain_text("7 trades, net ")
    for row in (0, -1):
        await found.page.locator("#trades-table tbody button").nth(row).click()
        await expect(found.page.locator("#trade")).to_contain_text("BTCUSDT")
    assert found.complaints == []
    assert await found.colours_drawn("#candles-chart") > 10
    await found.page.close()


async def test_what_an_author_wrote_is_shown_as_text(fresh: Opened) -> None:
    await fresh.page.fill("#trades-filter input", "<img")
    assert await fresh.column(10) == [HOSTILE]
    assert await fresh.page.locator("main img").count() == 0


async def test_a_heading_sorts_the_symbols_both_ways_by_keyboard_too(shared: Opened) -> None:
    heading = shared.page.locator("#symbols-table thead th", has_text="Trades")
    await heading.locator("button").focus()
    await shared.page.keyboard.press("Enter")
    assert await heading.get_attribute("aria-sort") == "descending"
    assert await shared.column(1, "#symbols-table") == ["BTCUSDT", "ETHUSDT", "FAILUSDT"]
    await shared.page.keyboard.press("Enter")
    assert await heading.get_attribute("aria-sort") == "ascending"
    assert await shared.column(1, "#symbols-table") == ["FAILUSDT", "ETHUSDT", "BTCUSDT"]
    assert await shared.texts("#symbols-table tfoot td:first-child") == ["Total"]


async def test_what_is_not_defined_comes_last_both_ways(shared: Opened) -> None:
    button = shared.page.locator("#symbols-table thead th", has_text="Win rate").locator("button")
    for _ in range(2):
        await button.click()
        assert (await shared.column(3, "#symbols-table"))[-1] == "N/A"


async def test_the_list_of_trades_filters_counts_and_turns_pages(fresh: Opened) -> None:
    count = fresh.page.locator("#trades-count")
    assert (await count.inner_text()).startswith("120 trades, net ")
    assert len(await fresh.column(1)) == 50
    await fresh.page.get_by_role("button", name="Next").last.click()
    assert "Page 2 of 3" in await fresh.page.locator("#trades-pager").inner_text()
    await fresh.page.select_option("#trades-filter [name=symbol]", "ETHUSDT")
    assert await fresh.column(2) == ["ETHUSDT", "ETHUSDT"]
    await fresh.page.select_option("#trades-filter [name=result]", "loss")
    assert (await count.inner_text()).startswith(f"1 of 120 trades, net {MINUS}")
    await fresh.clear_filters()
    await fresh.page.select_option("#trades-filter [name=side]", "short")
    assert set(await fresh.column(3)) == {"short"}
    await fresh.page.select_option("#trades-filter [name=reason]", "take_profit")
    assert set(await fresh.column(7)) == {"take_profit"}
    await fresh.clear_filters()


async def test_the_list_of_trades_sorts_by_result(fresh: Opened) -> None:
    heading = fresh.page.locator("#trades-table thead th", has_text="PNL")
    await heading.locator("button").click()
    shown = [float(text.replace(MINUS, "-").split()[0]) for text in await fresh.column(8)]
    assert shown == sorted(shown, reverse=True)
    assert shown[0] > 0


async def test_choosing_a_trade_moves_the_chart_to_it_and_shows_its_details(fresh: Opened) -> None:
    page, readout = fresh.page, fresh.page.locator("#candles-readout")
    await expect(readout).to_have_text("BTCUSDT · 2025-05-04 00:00 to 2025-05-05 23:45 UTC · zoom in to see entries")
    await page.select_option("#trades-filter [name=symbol]", "ETHUSDT")
    await page.locator("#trades-table tbody tr", has_text="2025-05-04 12:00").locator("button").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#candles-symbol")).to_have_value("ETHUSDT")
    await expect(readout).to_have_text("ETHUSDT · 2025-05-04 09:00 to 2025-05-04 20:00 UTC")
    details = await page.inner_text("#trade")
    for part in ("ETHUSDT long", "2025-05-04 17:00", "5h 0m", HOSTILE, "Entry 2", "Sold 50.00 % of what was left"):
        assert part in details
    assert await fresh.texts("#trades-table tr[aria-current=true] button") == ["2025-05-04 12:00"]
    assert await page.evaluate("document.activeElement.innerText") == "2025-05-04 12:00"
    await page.locator("#trade").get_by_role("button", name="Next").click()
    await expect(page.locator("#trade")).to_contain_text("stop_loss")


async def test_an_interval_draws_other_candles_of_the_same_time(fresh: Opened) -> None:
    page = fresh.page
    await expect(page.locator("#candles-readout")).to_contain_text("BTCUSDT")
    assert await fresh.texts("#candles-intervals button") == ["5m", "15m", "30m", "1h", "2h", "4h"]
    await page.click("#candles-intervals button:has-text('4h')")
    assert await fresh.texts("#candles-intervals [aria-pressed=true]") == ["4h"]
    assert "2025-05-05 20:00 UTC" in await page.inner_text("#candles-readout")


async def test_the_theme_follows_the_system_until_it_is_chosen(shared: Opened) -> None:
    page = shared.page
    ground = "getComputedStyle(document.body).backgroundColor"
    light = await page.evaluate(ground)
    await page.click("#theme")
    dark = await page.evaluate(ground)
    assert (light, dark) == ("rgb(244, 246, 248)", "rgb(14, 19, 26)")
    assert await page.inner_text("#theme") == "Light"
    await page.click("#theme")
    assert await page.evaluate(ground) == light
    assert shared.complaints == []


async def test_a_phone_never_scrolls_sideways(browser: Browser, tmp_path: Path) -> None:
    phone = await opened(browser, tmp_path, varied_page(), PHONE)
    await phone.page.wait_for_selector("#candles-intervals button")
    assert await phone.overflow() <= 0
    await phone.page.locator("#trades-table tbody button").first.click()
    await phone.page.wait_for_selector("#trade dl")
    assert await phone.overflow() <= 0
    assert phone.complaints == []
    await phone.page.close()


async def test_a_run_without_anything_says_so_instead_of_empty_charts(browser: Browser, tmp_path: Path) -> None:
    empty = await opened(browser, tmp_path, html_page(a_record(a_session(marks=(), candles=None, error="no candles"))))
    text = await empty.page.inner_text("main")
    for sentence in (
        "There is no equity to draw: no session reached a mark.",
        "No trade was closed, so there is no month to show.",
        "This run has no candles to draw.",
        "No position was closed.",
        "1 session of 1 failed",
    ):
        assert sentence in text
    assert "N/A" in text
    assert await empty.page.locator("canvas").count() == 0
    assert empty.complaints == []
    await empty.page.close()


async def test_ten_thousand_trades_do_not_hang_the_page(browser: Browser, tmp_path: Path) -> None:
    record = a_long_record(symbols=1, days=1, trades_each=500)
    many = record.trades.sample(10_000, with_replacement=True, seed=7).sort("closed_at")
    page = await opened(browser, tmp_path, html_page(replace(record, trades=many)))
    await expect(page.page.locator("#candles-readout")).to_contain_text("zoom in")
    took = await page.page.evaluate(
        """() => {
          const started = performance.now();
          document.querySelector("#trades-table thead th:nth-child(8) button").click();
          return performance.now() - started;
        }"""
    )
    assert took < 400
    assert len(await page.column(1)) == 50
    assert page.complaints == []
    await page.page.close()


async def test_the_browser_unpacks_candles_to_the_last_bit(browser: Browser) -> None:
    generator = np.random.default_rng(7)
    times = START_MS + np.cumsum(generator.integers(1, 4, 500)) * 60_000
    cents = generator.integers(1, 10**7, (500, 4)) / 100
    page = await browser.new_page()
    await page.add_script_tag(content=(files("backtestkit_cli.reports.html") / "assets" / "packing.js").read_text())
    for prices in (cents, generator.random((500, 4))):
        columns = await page.evaluate(
            """async (packed) => {
              const { times, open, high, low, close } = await unpackedCandles(packed);
              return [times, open, high, low, close].map((column) => [...column]);
            }""",
            packed_candles(times, prices),
        )
        assert columns == [times.tolist(), *prices.T.tolist()]
    await page.close()

"""The page opened and used in a headless Chromium, where one is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.evaluation.curves import line_plot
from pipeline.evaluation.page import PageData, render_page
from pipeline.evaluation.plot_frame import Figure
from tests.evaluation.browser import Browser, browser, executable
from tests.evaluation.page_data import whole_page

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(executable() is None, reason="no Chromium: `apt-get install chromium`, or playwright's"),
]
CHART = "#curves .chart"
FIRST = "figure.photo:not([hidden])"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(render_page(whole_page()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("chromium")) as opened:
        yield opened


@pytest.fixture
def tab(chromium: Browser, file: Path) -> Iterator[Browser]:
    chromium.open(file)
    yield chromium
    assert chromium.problems == []
    assert [url for url in chromium.requests if not url.startswith(("file:", "data:", "about:"))] == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_runs_past_the_side(chromium: Browser, file: Path, width: int, dark: bool) -> None:
    chromium.open(file, width, dark=dark)
    assert chromium.js("document.documentElement.scrollWidth") <= width
    colour = chromium.js("getComputedStyle(document.body).backgroundColor")
    assert colour == ("rgb(14, 17, 22)" if dark else "rgb(246, 247, 249)")
    assert chromium.problems == []


def test_a_long_name_takes_two_lines_at_most_on_a_phone(chromium: Browser, file: Path) -> None:
    chromium.open(file, 360)
    lines = chromium.js(
        "Math.max(...[...document.querySelectorAll('#ap tbody th')].map(each => { const range = document.createRange(); "
        "range.selectNode(each.firstChild); range.setEndBefore(each.querySelector('.sub')); "
        "return new Set([...range.getClientRects()].map(box => Math.round(box.top))).size; }))"
    )
    assert 1 <= lines <= 2
    hidden = chromium.js(
        "(() => { const c = document.querySelector('#ap .scroll'); return c.scrollWidth - c.clientWidth; })()"
    )
    assert hidden <= 0


def test_buttons_are_above_the_plot_of_a_figure_without_a_title_of_its_own(chromium: Browser, tmp_path: Path) -> None:
    lines = {"one": [(0.0, 0.0), (9.0, 1.0)]}
    figure = Figure("ROC", line_plot(lines, "ROC", "false positives", "rate"), ["one"])
    (tmp_path / "figure.html").write_text(render_page(PageData("Figure", figures=[figure])), encoding="utf-8")
    chromium.open(tmp_path / "figure.html", 390)
    edges = "[...document.querySelectorAll('#figures {}')].map(each => each.getBoundingClientRect().{})"
    (bottom,), (top,) = (chromium.js(edges.format(*each)) for each in ((".tools", "bottom"), (".chart", "top")))
    assert bottom <= top
    assert chromium.problems == []


def test_a_curve_is_read_at_the_cursor(tab: Browser) -> None:
    tab.hover(CHART, 0.3)
    read = tab.js("document.querySelector('#curves .readout').textContent")
    assert read.startswith("recall 0.2") and "single 0.5" in read and "best 0.5" in read
    assert tab.js(f"document.querySelector('{CHART}').getAttribute('aria-valuetext')").startswith("recall 0.2")


def test_arrow_keys_read_a_curve_and_zoom_it(tab: Browser) -> None:
    tab.js(f"document.querySelector('{CHART}').focus()")
    tab.press("Home")
    assert tab.js(f"document.querySelector('{CHART}').getAttribute('aria-valuenow')") == "0"
    tab.press("ArrowRight")
    assert "recall 0.01" in tab.js(f"document.querySelector('{CHART}').getAttribute('aria-valuetext')")
    tab.press("+", "+")
    assert tab.js(f"document.querySelector('{CHART}').classList.contains('zoomed')")
    tab.press("0", "0")
    assert not tab.js(f"document.querySelector('{CHART}').classList.contains('zoomed')")


def test_a_dragged_rectangle_is_zoomed_to(tab: Browser) -> None:
    before = tab.js("document.querySelector('#curves .ticks-x').innerHTML")
    tab.drag(CHART, (0.3, 0.2), (0.6, 0.6))
    x, _, width, _ = map(float, tab.js(f"document.querySelector('{CHART} .area').getAttribute('viewBox')").split())
    assert (x - 48) / 322 == pytest.approx((0.3 * 380 - 48) / 322, abs=0.01)
    assert width == pytest.approx(0.3 * 380, abs=2)
    ticks = tab.js("[...document.querySelectorAll('#curves .ticks-x')][0].textContent")
    assert ticks.startswith("0.250.30.35")
    tab.click("#curves .tools button:last-child")
    assert tab.js("document.querySelector('#curves .ticks-x').innerHTML") == before


def test_a_run_is_switched_off_in_all_plots_of_its_section(tab: Browser) -> None:
    tab.click("#curves .toggle")
    off = "[...document.querySelectorAll('#curves path.off')].length"
    assert tab.js(off) == 3
    assert tab.js("document.querySelector('#curves .toggle').getAttribute('aria-pressed')") == "false"
    tab.hover(CHART, 0.3)
    assert "single" not in tab.js("document.querySelector('#curves .readout').textContent")
    tab.click("#curves .toggle")
    assert tab.js(off) == 0


def test_a_run_of_the_trade_off_is_named(tab: Browser) -> None:
    tab.hover("#trade-off .spot", 0.5)
    assert "single: AP 98.77, 85.0 ms" in tab.js("document.querySelector('#trade-off .readout').textContent")


def test_tabs_turn_the_same_photographs_to_another_run(tab: Browser) -> None:
    counts = f"document.querySelector('{FIRST} .counts').textContent"
    assert tab.js(counts) == "1 hit · 1 missed · 1 false · 1 misplaced · 1 twice"
    tab.js("document.querySelector('#view-1').focus()")
    tab.press("ArrowRight")
    assert tab.js("document.activeElement.id") == "view-2"
    assert tab.js("document.querySelector('#view-1').tabIndex") == -1
    assert tab.js(counts) == "1 hit · 1 missed"  # the other hit is below one half
    tab.press("ArrowRight")
    assert tab.js("document.activeElement.id") == "view-1"


def test_filters_leave_what_they_name(tab: Browser) -> None:
    shown = f"document.querySelectorAll('{FIRST}').length"
    choose = "(() => {{ const s = document.querySelector('{}'); s.value = '{}'; s.dispatchEvent(new Event('{}')); }})()"
    tab.js(choose.format("#filter-event", "0--Parade", "change"))
    assert tab.js(shown) == 2
    assert tab.js("document.querySelector('#gallery-status').textContent").startswith("2 of 3 photographs: 2 hit")
    tab.js(choose.format("#filter-size", "128-Infinity", "change"))
    assert tab.js(shown) == 0
    tab.click("#filter-reset")
    assert tab.js(shown) == 3
    for kind in ("hit", "miss", "local", "twice"):
        tab.click(f"input[value={kind}]")
    assert tab.js(shown) == 3
    tab.js(choose.format("#filter-score", "0.7", "input"))
    assert tab.js(shown) == 0  # the false alarm has 0.55
    tab.click("#filter-reset")
    tab.js(choose.format("#filter-score", "0.92", "input"))
    assert "0 hit · 2 missed" in tab.js(f"document.querySelector('{FIRST} .counts').textContent")


def test_the_score_is_moved_by_arrow_keys(tab: Browser) -> None:
    tab.js("document.querySelector('#filter-score').focus()")
    before = float(tab.js("document.querySelector('#filter-score-value').textContent"))
    for _ in range(3):
        tab.press("ArrowRight")
    after = float(tab.js("document.querySelector('#filter-score-value').textContent"))
    assert 0.01 < after - before < 0.1


def test_a_photograph_is_enlarged_and_the_keyboard_goes_on(tab: Browser) -> None:
    tab.click(f"{FIRST} .enlarge")
    text = "document.querySelector('#viewer-text').textContent"
    assert tab.js("document.querySelector('#viewer').open")
    assert tab.js(text).startswith("0--Parade/one · 1 hit")
    tab.press("ArrowRight")
    assert tab.js(text).startswith("1--Handshaking/two")
    tab.click("#viewer-view-2")
    assert tab.js(text) == "1--Handshaking/two · 1 hit · 1 missed"
    assert tab.js("document.querySelector('#view-2').getAttribute('aria-selected')") == "true"
    tab.click("#viewer-close")
    assert not tab.js("document.querySelector('#viewer').open")
    tab.until("document.activeElement.getAttribute('aria-label') === 'Enlarge 1--Handshaking/two'")


def test_every_control_is_reached_by_tab_and_shows_its_focus(tab: Browser) -> None:
    reached = []
    for _ in range(120):
        tab.tab()
        here = tab.js(
            "(() => { const e = document.activeElement, s = getComputedStyle(e); "
            "return e === document.body ? null : [e.id || e.className.baseVal || e.className || e.tagName, s.outlineStyle]; })()"
        )
        if here is None:
            break
        reached.append(here[0])
        assert here[1] != "none", here
    assert reached[0] == "skip"
    order = [reached.index(name) for name in ("toggle", "plot chart", "view-1", "filter-size", "enlarge")]
    assert order == sorted(order)
    assert "view-2" not in reached  # by arrow keys

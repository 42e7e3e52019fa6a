"""Structure of the page: valid nesting, ids that are there, nothing fetched, its size, and what its sections show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pipeline.evaluation import page as page_module
from pipeline.evaluation.curves import line_plot
from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin
from pipeline.evaluation.page import PAGE_BYTES, PageData, render_page
from pipeline.evaluation.plot_frame import Figure
from pipeline.evaluation.result_table import ResultTable
from tests.evaluation.page_data import small_page, whole_page

PARTS = Path(page_module.__file__).parent / "page_parts"
VOID = {"meta", "link", "br", "wbr", "img", "input"}
REFERENCES = ("for", "aria-controls", "aria-labelledby", "aria-describedby", "list")


class _Page(HTMLParser):
    """Collects text, checks that elements are closed in order, keeps every address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.referred: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        self.referred += [word for name, value in attrs if name in REFERENCES for word in (value or "").split()]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title", "script"):
            self.text += data


def test_well_formed_with_every_number_in_it() -> None:
    page = _Page(render_page(small_page()))
    assert (page.problems, page.open) == ([], [])
    for text in (
        "A <title> & more",
        "What it is.",
        "98.77",
        "50.00",
        "75.00",
        "2979b33f",
        "not applied",
        "1, 2",
        "1 hit",
        "1 missed",
        "0 false",
        "0--Parade/a_<b>",
        "1,234.5",
        "0.81",
        "250",
        "2 workers",
        "x.jpg: <truncated>",
        "wider8k run -c configs/smoke.yaml",
        "retinaface · 8k",
        "detector",
    ):
        assert text in page.text, text


def test_all_digits_and_the_best_of_each_column() -> None:
    page = render_page(small_page())
    assert 'title="0.987654321"' in page
    assert re.findall(r"<b>([\d.]+)</b>", page) == ["98.77", "98.77", "75.00"]  # equal ones share the mark
    assert "<b>" not in render_page(replace(small_page(), runs=small_page().runs[:1]))


def test_what_runs_share_is_told_once() -> None:
    text = _Page(render_page(small_page())).text
    assert (text.count("IoU to match"), text.count("Hash of the weights"), text.count("All runs")) == (1, 2, 1)
    assert "All runs" not in _Page(render_page(replace(small_page(), runs=small_page().runs[:1]))).text


@pytest.mark.parametrize("data", [small_page(), whole_page(), PageData("Nothing")])
def test_nothing_is_fetched_and_every_reference_has_its_target(data: PageData) -> None:
    html = render_page(data)
    page = _Page(html)
    assert (page.problems, page.open) == ([], [])
    for address in page.addresses:
        assert address.startswith("data:") or address[1:] in page.ids, address
    assert set(page.referred) <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    for word in ("http:", "https:", "//cdn", "@import", "src=", "url("):
        assert word not in html
    named = {
        name for script in PARTS.glob("*.js") for name in re.findall(r'getElementById\("([^"]+)"', script.read_text())
    }
    if data.views:
        assert named <= set(page.ids)


def test_scripts_and_styles_are_files_to_read() -> None:
    files = sorted(PARTS.iterdir())
    assert {file.suffix for file in files} == {".js", ".css", ".j2"}
    for file in files:
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) < 300, file.name
        assert file.suffix == ".j2" or "</" + "script" not in text
    assert "<script" not in render_page(PageData("Nothing"))


def test_a_page_is_below_its_budget_whatever_its_photographs() -> None:
    assert PAGE_BYTES == 3_000_000
    data = whole_page()
    heavy = [replace(item, jpeg=bytes(200_000)) for item in data.gallery * 8]
    html = render_page(replace(data, gallery=heavy))
    assert len(html.encode()) < PAGE_BYTES
    shown = html.count('class="photo"')
    assert 0 < shown < 24
    assert f"{24 - shown} more photographs are left out" in html
    marks = re.search(r'id="gallery-data">(.*?)</script>', html)
    assert marks is not None and len(json.loads(marks[1])["images"]) == shown
    assert "left out: a page" not in render_page(data)


def test_the_best_result_comes_first_and_the_oracle_is_a_limit() -> None:
    text = _Page(render_page(whole_page())).text
    assert "retinaface_mobilenet_union_of_three_canvases reaches an AP of 98.77 / – / 80.00" in text
    assert "The oracle best, no result but the limit of its boxes, is at 97.00 on hard." in text
    first = text.index("80.00"), text.index("97.00"), text.index("Average precision")
    assert list(first) == sorted(first)
    assert "limit 97.00" in text and "a limit, no result" in text


def test_provenance_training_and_trade_off_have_their_sections() -> None:
    page = _Page(render_page(whole_page()))
    assert {"provenance", "training", "trade-off", "distributions", "gallery", "curves", "tables"} <= set(page.ids)
    for text in ("a1b2c3d4", "index 3", "numpy 2.1", "ap/hard", "On the frontier", "2,469.0", "30 rows"):
        assert text in page.text


def test_tables_keep_their_roles_where_a_phone_lays_them_out() -> None:
    html = render_page(whole_page())
    assert html.count("<table") == html.count('role="table"')
    assert html.count("<tr") == html.count('<tr role="row"')
    assert html.count("<td") == html.count('<td role="cell"')


def test_same_input_same_bytes() -> None:
    assert render_page(small_page()) == render_page(small_page())


def test_boxes_are_drawn_by_kind() -> None:
    html = render_page(small_page())
    assert '<path class="hit" d="M10.0 10.0H30.0V40.0H10.0z"/>' in html
    assert '<path class="miss" d="M15.0 15.0H35.0V45.0H15.0z"/>' in html
    assert 'class="alarm" d="M1' not in html
    assert 'viewBox="0 0 100 50"' in html


def test_an_empty_page_says_only_what_there_is() -> None:
    page = _Page(render_page(PageData("Nothing yet")))
    assert (page.problems, page.open) == ([], [])
    assert "Nothing yet" in page.text
    assert "None." in page.text
    assert set(page.ids) == {"content", "errors"}


def test_scales_have_a_section_of_their_own() -> None:
    faces = FaceStatistics(
        scales={"original": (ScaleBin(None, 4.0, None, 1200, 1.0),), "<mine>": (ScaleBin(None, 4.0, None, 5, 1.0),)},
        levels={"best": (ScaleBin(2, 8.0, 22.63, 9, 0.9), ScaleBin(3, None, None, 0, 0.0)), "paper": ()},
        targets={"sse": (ScaleBin(2, 8.4, 20.7, 15, 0.15, 0.16),), "das": (ScaleBin(2, 8.4, 20.7, 3, 0.3),)},
    )
    page = _Page(render_page(PageData("Scales", statistics=faces)))
    assert (page.problems, page.open) == ([], [])
    assert {"content", "scales", "errors"} == set(page.ids)
    for text in (
        "As labelled: 1,200 faces",
        "After <mine>: 5 faces",
        "8.0–22.6",
        "–",
        "MogFace, Table 2",
        "sse, 15 sizes, at most 1.00 points from the closed form",
        "das, 3 sizes",
    ):
        assert text in page.text, text
    alone = _Page(render_page(PageData("Scales", statistics=FaceStatistics(scales=faces.scales))))
    assert (alone.problems, alone.open) == ([], [])
    assert "closed form" not in alone.text and "pyramid level" not in alone.text
    assert "scales" not in _Page(render_page(small_page())).ids


def test_follows_dark_mode_and_small_screens() -> None:
    html = render_page(small_page())
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport" content="width=device-width' in html


def test_runs_at_several_sizes_are_lines() -> None:
    data = small_page()
    same = replace(data, runs=[replace(run, way="as detected", edge=512.0) for run in data.runs])
    assert 'id="sizes"' not in render_page(same)
    more = replace(data, runs=[replace(run, way="a <way>", edge=512.0 * n) for n, run in enumerate(data.runs, 1)])
    page = _Page(render_page(more))
    assert (page.problems, page.open) == ([], [])
    assert "sizes" in page.ids
    assert "a <way>" in page.text
    assert "512 px: 50.00" in render_page(more)


def test_the_order_of_candidates_has_a_table() -> None:
    assert 'id="order"' not in render_page(small_page())
    page = _Page(
        render_page(replace(small_page(), accuracies=[("before", 0.501, 0.52, float("nan")), ("after", 0.9, 1, 1)]))
    )
    assert (page.problems, page.open) == ([], [])
    for text in ("before", "50.10", "–", "after", "90.00", "100.00"):
        assert text in page.text


def test_times_of_an_image_have_their_columns_where_known() -> None:
    data = small_page()
    assert "Detect, ms" not in render_page(data)
    page = _Page(render_page(replace(data, runs=[replace(data.runs[0], ms=(45.04, None)), data.runs[1]])))
    assert (page.problems, page.open) == ([], [])
    assert "Detect, ms" in page.text and "45.0" in page.text


def test_further_tables_have_a_section_of_their_own() -> None:
    table = ResultTable("By <size>", ("size", "AP n"), [("8 px", "12.50"), ("a & b", "–")], "What it means.")
    source = render_page(replace(small_page(), tables=[table]))
    page = _Page(source)
    assert (page.problems, page.open) == ([], [])
    for text in ("By <size>", "What it means.", "size", "AP n", "8 px", "12.50", "a & b"):
        assert text in page.text
    assert "tables" in page.ids
    assert "tables" not in _Page(render_page(small_page())).ids


def test_figures_have_their_lines_named_and_commands_are_shown_without_a_run() -> None:
    figure = Figure("Shares", line_plot({"one": [(1.0, 2.0)]}, "t", "x", "y"), ["one <1>"], "What it is.")
    found = _Page(render_page(PageData(title="t", figures=[figure], commands=["wider8k reproduce x"])))
    assert (found.problems, found.open) == ([], [])
    assert "figures" in found.ids and "commands" in found.ids
    for text in ("Shares", "one <1>", "What it is.", "wider8k reproduce x"):
        assert text in found.text
    assert "figures" not in _Page(render_page(small_page())).ids

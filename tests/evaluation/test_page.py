from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np

from pipeline.evaluation.face_statistics import FaceStatistics, ScaleBin
from pipeline.evaluation.hits_and_misses import GalleryItem, ImageMatches, SizeHistogram, shrink_jpeg
from pipeline.evaluation.page import Figure, PageData, Timing, _row, render_page
from pipeline.evaluation.plots import line_plot
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.run_result import RunResult
from pipeline.evaluation.wider_ap import ApCounts

VOID = {"meta", "link", "br", "wbr", "img"}


class _Page(HTMLParser):
    """Collects text, checks that elements are closed in order, keeps every address."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.problems: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "xlink:href")]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.problems.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] not in ("style", "title"):
            self.text += data


def _run(name: str, hard: float, **protocol: object) -> RunResult:
    proposals = np.arange(1000)
    counts = {level: ApCounts(2000, 3, 1000, proposals, proposals // 2) for level in ("easy", "medium", "hard")}
    ap = {"easy": 0.987654321, "medium": float("nan"), "hard": hard}
    return RunResult(name, "retinaface", "8k", {"iou": 0.5, "scales": [1.0, 2.0], **protocol}, ap, counts)


def _data() -> PageData:
    box = np.array([[10.0, 10, 30, 40]])
    matches = ImageMatches("0--Parade/a_<b>", 100, 50, box, box + 5, np.zeros((0, 4)))
    item = GalleryItem(matches, shrink_jpeg(np.full((50, 100, 3), 128, np.uint8)))
    return PageData(
        title="A <title> & more",
        summary="What it is.",
        runs=[_run("first", 0.5, weights="2979b33f", nms=None), _run("second", 0.75, weights="other", nms=0.4)],
        gallery=[item],
        gallery_run="second",
        sizes=SizeHistogram((0, 8), np.array([10, 20]), np.array([5, 10])),
        losses={"detector": [3.0, 2.0, 1.0]},
        timings=[Timing("index", 2.0, 500), Timing("predict", 1234.5, 1000, "2 workers"), Timing("report", 0.0)],
        errors=["x.jpg: <truncated>"],
        commands=["wider8k run -c configs/smoke.yaml"],
    )


def test_well_formed_with_every_number_in_it() -> None:
    page = _Page(render_page(_data()))
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
    page = render_page(_data())
    assert 'title="0.987654321"' in page
    assert re.findall(r"<b>([\d.]+)</b>", page) == ["98.77", "98.77", "75.00"]  # equal ones share the mark
    assert "<b>" not in render_page(replace(_data(), runs=_data().runs[:1]))


def test_what_runs_share_is_told_once() -> None:
    text = _Page(render_page(_data())).text
    assert (text.count("IoU to match"), text.count("Hash of the weights"), text.count("All runs")) == (1, 2, 1)
    assert "All runs" not in _Page(render_page(replace(_data(), runs=_data().runs[:1]))).text


def test_nothing_is_fetched_and_every_link_has_a_target() -> None:
    html = render_page(_data())
    page = _Page(html)
    assert len(page.addresses) > 5
    for address in page.addresses:
        assert address.startswith("data:") or address[1:] in page.ids, address
    assert len(set(page.ids)) == len(page.ids)
    for word in ("http:", "https:", "//cdn", "@import", "<script", "url("):
        assert word not in html


def test_same_input_same_bytes() -> None:
    assert render_page(_data()) == render_page(_data())


def test_boxes_are_drawn_by_kind() -> None:
    html = render_page(_data())
    assert '<path class="hit" d="M10.0 10.0H30.0V40.0H10.0z"/>' in html
    assert '<path class="miss" d="M15.0 15.0H35.0V45.0H15.0z"/>' in html
    assert 'class="alarm" d="M' not in html.split('class="store"')[1]
    assert 'viewBox="0 0 100 50"' in html


def test_an_empty_page_says_only_what_there_is() -> None:
    page = _Page(render_page(PageData("Nothing yet")))
    assert (page.problems, page.open) == ([], [])
    assert "Nothing yet" in page.text
    assert "None." in page.text
    assert set(page.ids) == {"errors"}


def test_scales_have_a_section_of_their_own() -> None:
    faces = FaceStatistics(
        scales={"original": (ScaleBin(None, 4.0, None, 1200, 1.0),), "<mine>": (ScaleBin(None, 4.0, None, 5, 1.0),)},
        levels={"best": (ScaleBin(2, 8.0, 22.63, 9, 0.9), ScaleBin(3, None, None, 0, 0.0)), "paper": ()},
        targets={"sse": (ScaleBin(2, 8.4, 20.7, 15, 0.15, 0.16),), "das": (ScaleBin(2, 8.4, 20.7, 3, 0.3),)},
    )
    page = _Page(render_page(PageData("Scales", statistics=faces)))
    assert (page.problems, page.open) == ([], [])
    assert {"scales", "errors"} == set(page.ids)
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
    assert "scales" not in _Page(render_page(_data())).ids


def test_follows_dark_mode_and_small_screens() -> None:
    html = render_page(_data())
    assert "prefers-color-scheme: dark" in html
    assert 'name="viewport" content="width=device-width' in html


def test_runs_at_several_sizes_are_lines() -> None:
    data = _data()
    same = replace(data, runs=[replace(run, way="as detected", edge=512.0) for run in data.runs])
    assert 'id="sizes"' not in render_page(same)
    more = replace(data, runs=[replace(run, way="a <way>", edge=512.0 * n) for n, run in enumerate(data.runs, 1)])
    page = _Page(render_page(more))
    assert (page.problems, page.open) == ([], [])
    assert "sizes" in page.ids
    assert "a <way>" in page.text
    assert "512 px: 50.00" in render_page(more)


def test_the_order_of_candidates_has_a_table() -> None:
    assert 'id="order"' not in render_page(_data())
    page = _Page(
        render_page(replace(_data(), accuracies=[("before", 0.501, 0.52, float("nan")), ("after", 0.9, 1, 1)]))
    )
    assert (page.problems, page.open) == ([], [])
    for text in ("before", "50.10", "–", "after", "90.00", "100.00"):
        assert text in page.text


def test_times_of_an_image_have_their_columns_where_known() -> None:
    data = _data()
    assert "Detect, ms" not in render_page(data)
    page = _Page(render_page(replace(data, runs=[replace(data.runs[0], ms=(45.04, None)), data.runs[1]])))
    assert (page.problems, page.open) == ([], [])
    assert "Detect, ms" in page.text and "45.0" in page.text


def test_a_run_without_an_ap_neither_leads_nor_keeps_another_from_it() -> None:
    runs = [_run("first", 0.5), _run("second", 0.75), _run("third", float("nan"))]
    cells = [_row(run, runs, ["medium", "hard"])["cells"] for run in runs]
    assert [[cell["leads"] for cell in row] for row in cells] == [[False, False], [False, True], [False, False]]


def test_further_tables_have_a_section_of_their_own() -> None:
    table = ResultTable("By <size>", ("size", "AP n"), [("8 px", "12.50"), ("a & b", "–")], "What it means.")
    source = render_page(replace(_data(), tables=[table]))
    page = _Page(source)
    assert (page.problems, page.open) == ([], [])
    for text in ("By <size>", "What it means.", "size", "AP n", "8 px", "12.50", "a & b"):
        assert text in page.text
    assert "tables" in page.ids
    assert "tables" not in _Page(render_page(_data())).ids


def test_figures_have_their_lines_named_and_commands_are_shown_without_a_run() -> None:
    figure = Figure("Shares", line_plot({"one": [(1.0, 2.0)]}, "t", "x", "y"), ["one <1>"], "What it is.")
    found = _Page(render_page(PageData(title="t", figures=[figure], commands=["wider8k reproduce x"])))
    assert (found.problems, found.open) == ([], [])
    assert "figures" in found.ids and "commands" in found.ids
    for text in ("Shares", "one <1>", "What it is.", "wider8k reproduce x"):
        assert text in found.text
    assert "figures" not in _Page(render_page(_data())).ids

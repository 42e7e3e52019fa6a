"""A page with every part in it, of made-up runs: for the tests of the page and of what the browser makes of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.data.images import encode_jpeg
from pipeline.evaluation.hits_and_misses import ImageMatches, SizeHistogram
from pipeline.evaluation.page import PageData, Source, Timing, View
from pipeline.evaluation.photographs import GalleryItem, RunMarks
from pipeline.evaluation.result_table import ResultTable
from pipeline.evaluation.run_result import RunResult
from pipeline.evaluation.wider_ap import ApCounts

LEVELS = ("easy", "medium", "hard")


def run_of(name: str, hard: float, **protocol: object) -> RunResult:
    """A run whose curve falls from certainty to one half, and that has no AP on medium."""
    proposals = np.arange(1000)
    counts = {level: ApCounts(2000, 3, 1000, proposals, proposals // 2) for level in LEVELS}
    ap = {"easy": 0.987654321, "medium": float("nan"), "hard": hard}
    return RunResult(name, "retinaface", "8k", {"iou": 0.5, "scales": [1.0, 2.0], **protocol}, ap, counts)


def small_page() -> PageData:
    """Two runs, one photograph, a training."""
    box = np.array([[10.0, 10, 30, 40]])
    matches = ImageMatches("0--Parade/a_<b>", 100, 50, box, box + 5, np.zeros((0, 4)))
    item = GalleryItem(matches, encode_jpeg(np.full((50, 100, 3), 128, np.uint8)), np.concatenate([box, box + 5]))
    return PageData(
        title="A <title> & more",
        summary="What it is.",
        runs=[run_of("first", 0.5, weights="2979b33f", nms=None), run_of("second", 0.75, weights="other", nms=0.4)],
        gallery=[item],
        sizes=SizeHistogram((0, 8), np.array([10, 20]), np.array([5, 10])),
        losses={"detector": [3.0, 2.0, 1.0]},
        timings=[
            Timing("index", 2.0, 500),
            Timing("predict", 1234.5, 1000, "2 workers", 2469.0),
            Timing("report", 0.0),
        ],
        errors=["x.jpg: <truncated>"],
        commands=["wider8k run -c configs/smoke.yaml"],
    )


def photograph(name: str, shift: float) -> GalleryItem:
    """A face that both runs find, one that only the second finds, a duplicate, a poor box and a false alarm."""
    faces = np.array([[20.0, 20, 40, 44], [60, 20, 72, 32]]) + np.array([shift, 0, shift, 0])
    boxes = np.array([*faces, faces[0] + 2, faces[0] + 10, [150.0, 80, 190, 130]])
    kinds = np.array([0, 0, 2, 1, 3])
    first = RunMarks(boxes[[0, 2, 3, 4]], np.array([0.9, 0.8, 0.6, 0.55]), kinds[[0, 2, 3, 4]], np.array([0.9, np.nan]))
    second = RunMarks(boxes[:2], np.array([0.95, 0.4]), kinds[:2], np.array([0.95, 0.4]))
    matches = ImageMatches(name, 200, 150, faces[:1], faces[1:], boxes[[2, 3, 4]])
    rng = np.random.default_rng(len(name))
    jpeg = encode_jpeg(rng.integers(0, 255, (150, 200, 3), dtype=np.uint8), 50)
    return GalleryItem(matches, jpeg, faces, (first, second))


def whole_page() -> PageData:
    """Every section of a page, with a long name, times, an oracle and two runs in each photograph."""
    long = "retinaface_mobilenet_union_of_three_canvases"
    runs = [
        replace(run_of("single", 0.7, nms=0.4), ms=(80.0, 5.0), image_ms=85.0, edge=1024.0, way="as detected"),
        replace(run_of(long, 0.8, nms=0.5), ms=(300.0, 90.0), image_ms=390.0, edge=2048.0, way="as detected"),
        replace(run_of("best", 0.97), ceiling=True, way="best order (oracle)"),
    ]
    log = [(step, 0.1 * step) for step in range(1, 9)]
    return replace(
        small_page(),
        runs=runs,
        gallery=[photograph("0--Parade/one", 0), photograph("1--Handshaking/two", 5), photograph("0--Parade/three", 9)],
        views=[View("single", 0.5, 0.1, 1.0), View(long, 0.5, 0.2, 1.0)],
        metrics={"ap/hard": {"detector": log}, "rate": {"detector": [(step, 0.01) for step in range(1, 100)]}},
        tables=[
            ResultTable("By event", ("event", "AP", "faces"), [(f"{n}--Event", "12.50", "1,234") for n in range(30)]),
            ResultTable("Errors", ("subset", *"abcdefgh"), [("hard", *["6,134 (+8.78)"] * 8)]),
        ],
        accuracies=[("before", 0.5, 0.6, float("nan")), (long, 0.9, 1, 1)],
        sources=[Source("index", "a1b2c3d4", [("stage", "index 3"), ("versions", "numpy 2.1")])],
    )

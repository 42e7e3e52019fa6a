from __future__ import annotations

from pipeline.engine.fingerprint import difference
from pipeline.evaluation.config_difference import LONGEST, config_table

SAMPLES = {"stage": "index", "params": {"dataset": {"kind": "synthetic", "images": 5}}}
BOXES = {"stage": "predict", "params": {"canvas": "8k"}, "samples": SAMPLES}
RUN = {"stage": "evaluate", "detections": {"stage": "suppress", "params": {"score": 0.02}, "candidates": BOXES}}


def test_a_changed_parameter_is_a_row() -> None:
    changed = {"stage": "evaluate", "detections": {**RUN["detections"], "params": {"score": 0.1, "also": [1, "é"]}}}
    table = config_table(("a", "b"), difference(RUN, changed))
    assert table.header == ("field", "a", "b")
    assert table.rows == [
        ("detections.params.also", "–", '[1, "é"]'),
        ("detections.params.score", "0.02", "0.1"),
    ]


def test_runs_that_are_wired_differently_fit_a_terminal() -> None:
    ranker = {
        "stage": "train_ranker",
        "samples": SAMPLES,
        "labelled": {"stage": "label_candidates", "candidates": BOXES},
    }
    ranked = {"stage": "evaluate", "detections": {"stage": "rerank", "candidates": BOXES, "checkpoint": ranker}}
    table = config_table(("ap", "ap_rank"), difference(RUN, ranked))
    assert ("detections.stage", "suppress", "rerank") in table.rows
    assert (
        "detections.checkpoint",
        "–",
        "stage train_ranker < label_candidates < predict < index",
    ) in table.rows
    assert max(map(len, table.text(100).splitlines())) <= 100


def test_long_values_that_end_differently_stay_different() -> None:
    paths = [f"/data/{'x' * 80}/{name}.csv" for name in ("one", "two")]
    ((_, a, b),) = config_table(("a", "b"), [("path", *paths)]).rows
    assert a != b
    assert a.endswith("one.csv") and b.endswith("two.csv") and len(a) == len(b) == LONGEST

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.benchmarks.benchmark_set import BenchmarkOptions
from pipeline.evaluation.benchmarks.voc import Afw, PascalFace
from pipeline.evaluation.voc_ap import VocCounts
from tests.evaluation.benchmarks.nine_images import guesses, write_csv


def test_ap_says_by_which_protocol() -> None:
    counts = VocCounts(4, 2, np.array([0.9, 0.8]), np.arange(2), np.array([True, False]))
    result = Afw.result(counts, BenchmarkOptions(), {"labels": "CSV"})
    assert result.lines == [
        "AFW: AP 50.00  (2 faces in 4 images)",
        "protocol voc: faces under 0 px ignored, 0 refinements",
    ]
    assert result.content["curve"] == [[0.5, 1.0, 0.9], [0.5, 0.5, 0.8]]
    assert (result.content["protocol"]["min_box"], result.content["protocol"]["labels"]) == (None, "CSV")
    other = PascalFace.result(counts, BenchmarkOptions("face-eval"), {})
    assert other.lines[0].startswith("PASCAL Face: AP")
    assert (other.content["protocol"]["min_box"], other.content["protocol"]["refinements"]) == (21, 4)


def test_a_protocol_is_one_of_two_and_may_ignore_other_faces(tmp_path: Path) -> None:
    whole = PascalFace.read(write_csv(tmp_path), BenchmarkOptions("face-eval", min_face=45))
    assert whole.rounds == 4
    assert whole.count(guesses()).faces < Afw.read(write_csv(tmp_path), BenchmarkOptions()).count(guesses()).faces
    with pytest.raises(ValueError, match="--protocol coco: expected voc or face-eval"):
        Afw.protocol_of(BenchmarkOptions("coco"))


def test_equal_scores_are_ordered_by_the_positions_in_the_source(tmp_path: Path) -> None:
    """Two boxes of one score on two images, one of them a hit: AP is by which comes first."""
    (tmp_path / "two.csv").write_text("image,x1,y1,x2,y2\na,0,0,50,50\nb,0,0,50,50\n")
    whole = Afw.read(tmp_path / "two.csv", BenchmarkOptions())
    rows = np.array([[0, 0, 50, 50], [300, 300, 350, 350.0]])
    found = PredictionSet(("a", "b"), np.arange(3), rows, np.ones(2))
    for positions, ap in ((None, 0.5), (np.array([0, 1]), 0.5), (np.array([1, 0]), 0.25)):
        counts = whole.count(found, (), positions)
        assert Afw.headline(Afw.result(counts, whole.options, {}).content) == {"ap": ap}

"""A training in which nothing can be learnt is refused before its first step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pipeline.boxes.anchors import AnchorGrid
from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.data.records import Sample
from pipeline.training.loop.preflight import MAX_SAMPLES, require_matchable, require_rankable
from pipeline.training.recipes.detector import DetectorRecipe
from pipeline.training.recipes.ranker import RankerRecipe

GRID = AnchorGrid((8, 16), ((16, 32), (64,)))
RECIPE = DetectorRecipe(augmentation="plain", crop=96, min_face=0)


def _sample(index: int, *boxes: list[float], side: int = 96) -> Sample:
    return Sample(f"image {index}", f"{index}.png", "", side, side, np.array(boxes, np.float32).reshape(-1, 4))


def test_some_face_is_enough() -> None:
    samples = [_sample(0), _sample(1, [10, 10, 10, 40]), _sample(2, [5, 5, 6, 6], [10, 10, 40, 40])]
    require_matchable(samples, GRID, RECIPE)
    require_matchable(samples, GRID, replace(RECIPE, crop=(64, 96), augmentation="square_crop"))


@pytest.mark.parametrize("boxes", [[], [[10, 10, 10, 40], [30, 30, 20, 40]]], ids=["none", "without an area"])
def test_no_face(boxes: list[list[float]]) -> None:
    with pytest.raises(ValueError, match="no labelled face with an area in 3 readable images; nothing to train on"):
        require_matchable([_sample(index, *boxes) for index in range(3)], GRID, RECIPE)


def test_no_face_is_left_after_augmentation() -> None:
    outside = [_sample(index, [200, 200, 240, 240]) for index in range(3)]
    with pytest.raises(
        ValueError, match=r"no face of 3 images is left after augmentation plain at crop 96 .*larger crop"
    ):
        require_matchable(outside, GRID, RECIPE)


@pytest.mark.parametrize(
    ("box", "found"), [([40, 40, 43, 43], "0.035"), ([0, 40, 96, 41], "0.048")], ids=["tiny", "thin"]
)
def test_no_anchor_can_match(box: list[float], found: str) -> None:
    with pytest.raises(
        ValueError, match=r"anchors of 16 to 64 px cannot match any face: those of the training"
    ) as refused:
        require_matchable([_sample(0, box)], GRID, RECIPE)
    assert "expected an IoU of 0.1 at least" in str(refused.value)
    assert "anchor_scale" in str(refused.value)
    x1, y1, x2, y2 = box
    w, h = x2 - x1, y2 - y1
    best = max(min(w, s) * min(h, s) / (w * h + s * s - min(w, s) * min(h, s)) for s in (16, 32, 64))
    assert f"found {best:.2g}:" in str(refused.value) and f"{best:.2g}" == found


def test_an_anchor_that_overlaps_by_the_least_is_enough() -> None:
    """A 5.1 px face in an anchor of 16 px: 26.01 of 256."""
    require_matchable([_sample(0, [40, 40, 45.1, 45.1])], GRID, RECIPE)
    with pytest.raises(ValueError, match="cannot match"):
        require_matchable([_sample(0, [40, 40, 45, 45])], GRID, RECIPE)


def test_sizes_are_those_of_the_training_image() -> None:
    """A face of 3 px is one of 30 in an image enlarged ten times."""
    small = [_sample(0, [2, 2, 5, 5], side=10)]
    require_matchable(small, GRID, replace(RECIPE, crop=100))
    with pytest.raises(ValueError, match="are 9.6 to 9.6 px across"):
        require_matchable(small, AnchorGrid((8,), ((64,),)), replace(RECIPE, crop=32))


def test_of_many_samples_some_are_checked_but_all_are_counted() -> None:
    many = [_sample(index) for index in range(2 * MAX_SAMPLES)]
    many[1] = _sample(1, [10, 10, 40, 40])  # every second one is checked, the first among them
    with pytest.raises(ValueError, match=f"no face of {MAX_SAMPLES} images is left"):
        require_matchable(many, GRID, RECIPE)
    many[2] = _sample(2, [10, 10, 40, 40])
    require_matchable(many, GRID, RECIPE)


def labelled(*overlaps: list[float]) -> LabelledCandidates:
    """One list per detector."""
    flat = np.float32([each for detector in overlaps for each in detector])
    boxes = np.tile(np.float32([[1, 2, 3, 4]]), (len(flat), 1))
    return LabelledCandidates("a", "a.png", 9, 9, tuple(map(len, overlaps)), boxes, flat * 0 + 1, flat)


def test_one_pair_of_one_detector_is_enough() -> None:
    require_rankable([labelled([0, 0], [0]), labelled([], [0.5, 0, 0])], RankerRecipe(iou_floor=0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "0 readable images with 0 boxes: there is nothing to rank; nothing to train on"),
        ([labelled([], []), labelled([])], "2 readable images with 0 boxes: there is nothing"),
        ([labelled([0, 0, 0], [0, 0])], "1 readable images with 5 boxes: none overlaps a face more than another"),
        # Boxes of different detectors are never compared.
        ([labelled([0.5], [0.1]), labelled([0.3, 0.3])], "2 readable images with 4 boxes: none overlaps"),
    ],
)
def test_nothing_to_rank(rows: list[LabelledCandidates], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        require_rankable(rows, RankerRecipe())  # type: ignore[arg-type]


def test_overlaps_below_the_floor_count_as_none() -> None:
    rows = [labelled([0.4, 0.1, 0.0])]
    require_rankable(rows, RankerRecipe(iou_floor=0.3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"none overlaps a face more than another, overlaps below 0.5 counted as"):
        require_rankable(rows, RankerRecipe(iou_floor=0.5))  # type: ignore[arg-type]

"""A join from which no order can be learnt is refused, whatever the reason; one good image is enough."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.training.loop.ranker_preflight import require_rankable
from pipeline.training.recipes.ranker import RankerRecipe


def ranking(*overlaps: list[float]) -> LabelledCandidates:
    """One list per detector."""
    flat = np.float32([each for detector in overlaps for each in detector])
    boxes = np.tile(np.float32([[1, 2, 3, 4]]), (len(flat), 1))
    return LabelledCandidates("a", "a.png", 9, 9, tuple(map(len, overlaps)), boxes, flat * 0 + 1, flat)


def test_one_pair_of_one_detector_is_enough() -> None:
    require_rankable([ranking([0, 0], [0]), ranking([], [0.5, 0, 0])], RankerRecipe(iou_floor=0.5))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "0 readable images with 0 boxes: there is nothing to put in order; nothing to train on"),
        ([ranking([], []), ranking([])], "2 readable images with 0 boxes: there is nothing"),
        ([ranking([0, 0, 0], [0, 0])], "1 readable images with 5 boxes: none lies on a face better than another"),
        # Boxes of different detectors are never compared.
        ([ranking([0.5], [0.1]), ranking([0.3, 0.3])], "2 readable images with 4 boxes: none lies"),
    ],
)
def test_nothing_to_learn_is_told(rows: list[LabelledCandidates], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        require_rankable(rows, RankerRecipe())  # type: ignore[arg-type]


def test_overlaps_that_the_recipe_takes_for_none_teach_nothing() -> None:
    rows = [ranking([0.4, 0.1, 0.0])]
    require_rankable(rows, RankerRecipe(iou_floor=0.3))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"none lies on a face better than another, overlaps below 0.5 counted as"):
        require_rankable(rows, RankerRecipe(iou_floor=0.5))  # type: ignore[arg-type]

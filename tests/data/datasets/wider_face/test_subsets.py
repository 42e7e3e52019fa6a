"""Easy, medium and hard: the official lists give the published counts, heights stand in where there are none."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.annotation import COLUMNS, WiderAnnotation, read_wider_annotation
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.subsets import height_levels, official_levels


def truth(counts: list[bool]) -> WiderGroundTruth:
    flags = np.array(counts)
    return WiderGroundTruth(
        ("0--A/x",), (np.zeros((len(flags), 4)),), {"easy": (~flags,), "medium": (flags,), "hard": (flags,)}
    )


def annotated(name: str, faces: int) -> WiderAnnotation:
    return WiderAnnotation((name,), np.array([0, faces]), np.zeros((faces, 10), np.int32))


def test_lists_follow_the_annotation() -> None:
    levels = official_levels(truth([True, False]), annotated("0--A/x.jpg", 2))
    assert {name: flags.tolist() for name, flags in levels.items()} == {
        "easy": [False, True],
        "medium": [True, False],
        "hard": [True, False],
    }


def test_disagreement_is_refused() -> None:
    with pytest.raises(ValueError, match="0--A/y is not in the official lists"):
        official_levels(truth([True]), annotated("0--A/y.jpg", 1))
    with pytest.raises(ValueError, match="0--A/x has 3 faces in the annotation but 1"):
        official_levels(truth([True]), annotated("0--A/x.jpg", 3))


def test_heights_on_their_edges() -> None:
    levels = height_levels(np.array([50, 49, 30, 29, 10, 9, 80]), np.array([False] * 6 + [True]))
    assert levels["easy"].tolist() == [True] + [False] * 6
    assert levels["medium"].tolist() == [True] * 3 + [False] * 4
    assert levels["hard"].tolist() == [True] * 5 + [False] * 2


@pytest.mark.wider
def test_published_counts_and_what_heights_would_give(shared: Path) -> None:
    folder = shared / "data" / "wider_val_gt"
    annotation = read_wider_annotation(folder / "wider_face_val_bbx_gt.txt")
    levels = official_levels(load_ground_truth(folder), annotation)
    assert {name: int(flags.sum()) for name, flags in levels.items()} == {"easy": 7211, "medium": 13319, "hard": 31958}
    invalid = annotation.rows[:, COLUMNS.index("invalid")] == 1
    for name, flags in levels.items():
        assert not (flags & invalid).any(), name
    by_height = height_levels(annotation.rows[:, 3], invalid)
    agreement = {name: float((by_height[name] == levels[name]).mean()) for name in levels}
    assert min(agreement.values()) > 0.9, agreement

from __future__ import annotations

from dataclasses import replace
from functools import reduce
from itertools import pairwise
from operator import add
from pathlib import Path

import numpy as np
import pytest

from pipeline.boxes.iou import iou_matrix
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.predictions import read_wider_text
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.false_alarms import FalseAlarms
from tests.boxes.test_matching import nearest_faces

LEVELS = ("easy", "medium", "hard")
# A face of every level, a hard one and one that counts nowhere.
FACES = np.array([[0.0, 0.0, 39.0, 39.0], [100.0, 0.0, 119.0, 19.0], [200.0, 0.0, 219.0, 19.0]])
COUNTED = {"easy": [True, False, False], "medium": [True, False, False], "hard": [True, True, False]}


def truth_of(*image_ids: str, faces: np.ndarray = FACES) -> WiderGroundTruth:
    flags = {level: np.array(COUNTED[level][: len(faces)], bool) for level in LEVELS}
    counts = {level: tuple(flags[level] for _ in image_ids) for level in LEVELS}
    return WiderGroundTruth(image_ids, tuple(faces for _ in image_ids), counts)


def found(image_id: str, *rows: tuple[float, float, float, float, float]) -> PredictionSet:
    table = np.array(rows, np.float64).reshape(-1, 5)
    return PredictionSet((image_id,), np.array([0, len(table)]), table[:, :4], table[:, 4])


def test_only_a_box_on_no_face_at_all_is_an_alarm() -> None:
    rows = found(
        "e/a",
        (0, 0, 39, 39, 0.9),  # the face
        (1, 0, 39, 39, 0.9),  # the same one again
        (200, 0, 219, 19, 0.9),  # the one that is ignored
        (300, 0, 319, 19, 0.5),  # nothing there
        (20, 20, 59, 59, 0.7),  # an IoU of a seventh with the first
        (300, 0, 319, 19, 0.49),  # below the score
    )
    assert FalseAlarms.count(rows, truth_of("e/a"), 0.5) == FalseAlarms(0.5, 2, {"easy": 1, "medium": 1, "hard": 1})


def test_an_overlap_of_exactly_one_half_is_a_face() -> None:
    box = (0, 0, 39, 19, 1.0)
    assert iou_matrix(np.array([box[:4]]), FACES[:1], pixel_inclusive=True).tolist() == [[0.5]]
    assert FalseAlarms.count(found("e/a", box), truth_of("e/a")).alarms == 0
    assert FalseAlarms.count(found("e/a", (0, 0, 39, 18.9, 1.0)), truth_of("e/a")).alarms == 1


def test_images_without_faces_alarm_and_unknown_ones_do_not() -> None:
    nothing = truth_of("e/a", faces=FACES[:0])
    box = (0.0, 0.0, 39.0, 39.0, 0.9)
    assert FalseAlarms.count(found("e/a", box), nothing).alarms == 1
    assert FalseAlarms.count(found("e/stranger", box), nothing).alarms == 0
    assert FalseAlarms.count(found("e/stranger", box), truth_of("e/a")) == FalseAlarms(0.5, 0, dict.fromkeys(LEVELS, 0))


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_no_box_has_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match=f"false_alarms: expected a score, found {score}"):
        FalseAlarms.count(found("e/a"), truth_of("e/a"), score)


def test_counts_add_up_over_images_and_at_one_score_only() -> None:
    rng = np.random.default_rng(0)
    names = [f"e/{i}" for i in range(6)]
    boxes = rng.uniform(0, 60, (6, 20, 2))
    tables = np.concatenate([boxes, boxes + 30, rng.random((6, 20, 1))], axis=2)
    rows = [found(name, *table) for name, table in zip(names, tables, strict=True)]
    everything = PredictionSet(
        tuple(names),
        np.arange(0, 121, 20),
        np.concatenate([each.boxes for each in rows]),
        np.concatenate([each.scores for each in rows]),
    )
    together = FalseAlarms.count(everything, truth_of(*names), 0.25)
    parts = [FalseAlarms.count(each, truth_of(name), 0.25) for each, name in zip(rows, names, strict=True)]
    assert reduce(add, parts) == together
    # Counted again, box by box.
    table = tables.reshape(-1, 5)
    best = iou_matrix(table[:, :4], FACES, pixel_inclusive=True).max(axis=1)
    alarms = int(((table[:, 4] >= 0.25) & (best < 0.5)).sum())
    assert together.alarms == alarms > 10
    assert 0 < together.found["easy"] <= 6
    with pytest.raises(ValueError, match=r"0\.25 and 0\.5 do not add up"):
        together + replace(together, score=0.5)


@pytest.mark.wider
def test_a_published_set_has_what_a_count_image_by_image_finds(shared: Path) -> None:
    truth = load_ground_truth(shared / "data/wider_val_gt")
    rows = read_wider_text(shared / "data/predictions/yolov7_face.tar.gz", truth.image_ids).predictions
    counts = FalseAlarms.count(rows, truth)
    alarms = found = 0
    for image, (start, stop) in enumerate(pairwise(rows.offsets.tolist())):
        boxes = rows.boxes[start:stop][rows.scores[start:stop] >= 0.5]
        face, best = nearest_faces(boxes, truth.boxes[image])
        alarms += int((best < 0.5).sum())
        found += int(truth.counts["hard"][image][np.unique(face[best >= 0.5])].sum())
    assert (counts.alarms, counts.found["hard"]) == (alarms, found) == (1530, 22619)

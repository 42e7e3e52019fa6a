from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.prediction_set import PredictionSet
from pipeline.data.records import Detections, Sample, ScoredBoxes
from pipeline.evaluation.wider_result import evaluate
from pipeline.inference.postprocess import detections
from stages.oracle import by_overlap
from tests.boxes.test_matching import nearest_faces
from tests.published_sets import published, truth_of
from tests.stages.world import World, drawn_image

DATA = {"kind": "synthetic", "images": 5, "width": 160, "height": 120}


@pytest.fixture
def ordered(world: World) -> World:
    world.node("faces", "index", dataset=DATA, run={"shard_rows": 2})
    world.node("guesses", "guess", inputs={"samples": "faces"}, run={"shard_rows": 3, "max_error_share": 0.5})
    wired = {"samples": "faces", "candidates": "guesses"}
    world.node("best", "oracle", inputs=wired, run={"shard_rows": 4, "max_error_share": 0.5})
    return world


def samples(world: World) -> dict[str, Sample]:
    return {row["image_id"]: Sample.from_row(row) for row in world.rows("faces")}


@pytest.mark.parametrize("inclusive", [True, False])
def test_boxes_stand_in_the_order_of_their_overlaps(ordered: World, inclusive: bool) -> None:
    sets = ("best.iou=null", f"best.pixel_inclusive={str(inclusive).lower()}")
    ordered.done(*sets)
    found, given, faces = ordered.by_id("best", *sets), ordered.by_id("guesses"), samples(ordered)
    assert list(found) == list(given)
    for image_id, best in found.items():
        boxes = given[image_id].boxes.astype(np.float64)
        overlap = nearest_faces(boxes, faces[image_id].boxes)[1] if inclusive else plain(boxes, faces[image_id].boxes)
        order = np.argsort(-overlap, kind="stable")
        np.testing.assert_array_equal(best.boxes, given[image_id].boxes[order])
        np.testing.assert_allclose(best.scores, overlap[order], rtol=0, atol=1e-6)
        assert (best.width, best.height) == (160, 120)


def plain(boxes: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Overlap with the closest face, pair by pair."""
    best = np.zeros(len(boxes))
    for row, (x1, y1, x2, y2) in enumerate(boxes):
        for a1, b1, a2, b2 in faces.astype(np.float64):
            shared = max(0.0, min(x2, a2) - max(x1, a1)) * max(0.0, min(y2, b2) - max(y1, b1))
            whole = (x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - shared
            best[row] = max(best[row], shared / whole)
    return best


def test_suppression_comes_after(ordered: World) -> None:
    ordered.done()
    ordered.done("best.iou=null")
    for image_id, kept in ordered.by_id("best").items():
        every = ordered.by_id("best", "best.iou=null")[image_id]
        expected = detections(
            ScoredBoxes(every.boxes, every.scores), score=-1, iou=0.4, max_detections=None, max_before_nms=None
        )
        np.testing.assert_array_equal(kept.boxes, expected.boxes)
        assert len(kept.boxes) < len(every.boxes)


def test_no_order_of_these_boxes_has_a_higher_ap(ordered: World) -> None:
    ordered.node("found", "suppress", inputs={"candidates": "guesses"}, score=0)
    for name, detections_ in (("plain", "found"), ("ceiling", "best")):
        ordered.node(name, "evaluate", inputs={"samples": "faces", "detections": detections_})
    ordered.done()
    pairs = list(zip(ordered.rows("plain"), ordered.rows("ceiling"), strict=True))
    assert all(ceiling["ap"] > row["ap"] + 0.05 for row, ceiling in pairs)


def test_errors_stay_errors_and_an_image_without_boxes_has_none(ordered: World) -> None:
    ordered.nodes["guesses"]["fails_on"] = "test/000001"
    ordered.done()
    failed = ordered.by_id("best")["test/000001"]
    assert (failed.error, len(failed.boxes)) == ("made to fail", 0)
    assert [key for key, _ in ordered.artifact("best").manifest.errors] == ["test/000001"]


def test_a_dump_of_another_dataset_is_refused_before_any_work(ordered: World) -> None:
    ordered.node("others", "index", dataset={**DATA, "split": "train"})
    ordered.nodes["guesses"]["inputs"] = {"samples": "others"}
    outcome = ordered.run()
    reason = outcome.failed.get("best", ordered.plan()["best"].reason)
    assert "guesses: 5 of 5 images are not in faces: train/000000, train/000001" in reason


def test_a_dump_of_other_images_under_the_same_names_is_an_error_row(ordered: World) -> None:
    ordered.node("larger", "index", dataset={**DATA, "width": 320, "height": 240})
    ordered.nodes["guesses"]["inputs"] = {"samples": "larger"}
    ordered.nodes["best"]["run"]["max_error_share"] = 1
    ordered.done()
    errors = [row["error"] for row in ordered.rows("best")]
    assert errors == ["detections of 320 x 240 pixels, faces of 160 x 120: expected a dump of the same image; "
                      "compute the dump again"] * 5  # fmt: skip


def labelled(folder: Path, names: Sequence[str]) -> None:
    """A COCO set of drawings, one face each."""
    for number, name in enumerate(names):
        if not (file := folder / f"{name}.png").exists():  # another time would be another image
            file.write_bytes(encode_png(drawn_image(number)))
    images = [{"id": i, "file_name": f"{name}.png", "width": 96, "height": 64} for i, name in enumerate(names)]
    faces = [{"id": i, "image_id": i, "category_id": 1, "bbox": [10 + i, 12, 30, 30]} for i in range(len(names))]
    tree = {"images": images, "annotations": faces, "categories": [{"id": 1, "name": "face"}]}
    (folder / "faces.json").write_text(json.dumps(tree))


def test_a_new_image_costs_its_own_row(ordered: World) -> None:
    folder = ordered.folder / "own"
    folder.mkdir()
    labelled(folder, "abc")
    ordered.node("faces", "index", dataset={"kind": "coco_json", "annotation": "faces.json"}, path=str(folder))
    ordered.require_own_row("best", lambda: labelled(folder, "abcd"))


def test_a_changed_label_is_seen(ordered: World) -> None:
    ordered.done()
    before = ordered.identity("best")
    ordered.done("faces.dataset.images=4", "guesses.jitter=0.2")
    assert ordered.identity("best", "faces.dataset.images=4", "guesses.jitter=0.2") != before
    assert ordered.computed("best", "faces.dataset.images=4", "guesses.jitter=0.2") == 4


@pytest.mark.parametrize("iou", [None, 0.4])
def test_no_face_or_no_box_is_no_trouble(iou: float | None) -> None:
    boxes = np.array([[0, 0, 9, 9], [20, 20, 40, 40], [60, 0, 70, 9]], np.float32)
    found = Detections("a", 96, 64, boxes, np.array([0.9, 0.5, 0.5], np.float32))
    nothing = np.zeros((0, 4), np.float32)
    unlabelled = by_overlap(found, nothing, iou=iou)
    np.testing.assert_array_equal(unlabelled.boxes, boxes)  # all alike: the detector's order
    assert unlabelled.scores.tolist() == [0, 0, 0]
    assert len(by_overlap(Detections("a", 96, 64), boxes, iou=iou).scores) == 0
    flat = np.array(
        [[30, 30, 30, 30]], np.float32
    )  # a face of no size is one pixel there, and none without the one more
    assert by_overlap(found, flat, iou=iou).scores[0] == pytest.approx(1 / 441)
    assert by_overlap(found, flat, pixel_inclusive=False, iou=iou).scores.tolist() == [0, 0, 0]


SETS = ["retinaface_mobilenet025", "yolov7_face", "rfb_1mb_320", "retinaface_ajmalrasi"]
# Rows hold scores in float32: one within its last bit of a threshold enters with the next one, and AP moves by 4e-8.
CLOSE = 1e-6


@cache
def expected_of(shared: Path) -> Any:
    return json.loads((shared / "reference/wider_eval/expected.json").read_text())


@pytest.mark.wider
@pytest.mark.parametrize("name", SETS)
@pytest.mark.slow
def test_published_sets_in_the_best_order_are_the_reference(shared: Path, name: str) -> None:
    truth, expected = truth_of(shared), expected_of(shared)["oracle_on_published_sets"][name]
    given = published(shared, name).predictions
    # Without suppression for one of them only: each takes a second.
    best: dict[float | None, list[Detections]] = {0.4: [], **({None: []} if name == "yolov7_face" else {})}
    for image_id, faces, start, stop in zip(
        truth.image_ids, truth.boxes, given.offsets, given.offsets[1:], strict=False
    ):
        boxes, scores = given.boxes[start:stop].astype(np.float32), given.scores[start:stop].astype(np.float32)
        for iou, rows in best.items():
            rows.append(by_overlap(Detections(image_id, 1, 1, boxes, scores), faces.astype(np.float32), iou=iou))
    assert sum(len(row.scores) for row in best[0.4]) == expected["oracle_then_nms0.4_kept"]
    assert evaluate(truth, PredictionSet.of(best[0.4])).ap == pytest.approx(expected["oracle_then_nms0.4"], abs=CLOSE)
    if None in best:
        overlap = np.concatenate([row.scores for row in best[None]])
        assert (overlap == 0).sum() == expected["boxes_iou_zero"]
        assert (overlap >= 0.5).sum() == expected["boxes_iou_ge_0.5"]
        assert evaluate(truth, PredictionSet.of(best[None])).ap == pytest.approx(expected["oracle"], abs=CLOSE)

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.data.datasets.labels.box_labels import BoxLabels
from pipeline.data.prediction_set import PredictionSet
from pipeline.evaluation.coco_ap import CocoCounts, average, count_coco
from pipeline.evaluation.evaluate_files import read_inputs
from tests.evaluation.coco_sets import AREAS, slow_figures, small_set


@pytest.mark.parametrize("most", [100, 5])
@pytest.mark.parametrize("seed", range(5))
def test_equal_to_a_slow_loop(seed: int, most: int) -> None:
    found, labels = small_set(seed)
    result = average(count_coco(found, labels, max_detections=most), most)
    for row, (precision, recall) in enumerate(slow_figures(found, labels, most).values()):
        assert result.precision[row] == pytest.approx(precision, abs=1e-12, nan_ok=True)
        assert result.recall[most][row] == pytest.approx(recall, abs=1e-12, nan_ok=True)


def _peer(found: PredictionSet, labels: BoxLabels) -> dict[str, Any]:
    coco = pytest.importorskip("faster_coco_eval")
    images = [{"id": row, "width": 400, "height": 400} for row in range(len(labels.image_ids))]
    annotations = []
    for row, (boxes, crowds, areas) in enumerate(zip(labels.boxes, labels.crowds, labels.areas, strict=True)):
        for (x1, y1, x2, y2), crowd, area in zip(boxes.tolist(), crowds.tolist(), areas.tolist(), strict=True):
            annotations.append(
                {"id": len(annotations) + 1, "image_id": row, "category_id": 1, "iscrowd": int(crowd), "area": area}
                | {"bbox": [x1, y1, x2 - x1, y2 - y1]}
            )
    truth = coco.COCO({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "face"}]})
    rows = [
        {"image_id": row, "category_id": 1, "score": score, "bbox": [x1, y1, x2 - x1, y2 - y1]}
        for row, (_, (boxes, scores)) in enumerate(found.by_image())
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist(), strict=True)
    ]
    peer = coco.COCOeval_faster(truth, truth.loadRes(rows), "bbox", print_function=lambda *_: None)
    peer.run()
    return peer.stats_as_dict


@pytest.mark.parametrize("seed", range(5))
def test_equal_to_the_usual_tool(seed: int) -> None:
    found, labels = small_set(seed, 40, ignored=False)
    figures, peer = average(count_coco(found, labels)).figures(), _peer(found, labels)
    names = {"ap": "AP_all", "ap50": "AP_50", "ap75": "AP_75", "ap_small": "AP_small", "ap_medium": "AP_medium"}
    names |= {"ap_large": "AP_large", "ar1": "AR_all", "ar10": "AR_second", "ar100": "AR_third"}
    names |= {f"ar_{area}": f"AR_{area}" for area in AREAS if area != "all"}
    assert figures.keys() == names.keys()
    for name, theirs in names.items():
        assert figures[name] == pytest.approx(peer[theirs], abs=1e-9), name
    assert 0.1 < figures["ap"] < figures["ap50"] < 1


def test_parts_of_the_images_add_up_in_any_order() -> None:
    found, labels = small_set(9, 23)
    parts = []
    for start in range(0, 23, 6):
        part = labels.select(range(start, min(start + 6, 23)))
        parts.append(count_coco(found.select(part.image_ids), part, range(start, 23)))
    whole = count_coco(found, labels)
    assert reduce(add, parts, CocoCounts.zero()) == whole
    backwards = average(reduce(add, parts[::-1], CocoCounts.zero())).figures()
    assert backwards == average(whole).figures()


def test_curves_have_the_mean_precision_of_each_overlap() -> None:
    result = average(count_coco(*small_set(3, 30)))
    assert result.curves.shape == (4, 10, 101)
    assert result.curves.mean(axis=2) == pytest.approx(result.precision, nan_ok=True)
    assert (np.diff(result.curves[0], axis=1) <= 0).all()
    by_overlap = result.by_overlap()
    assert list(by_overlap)[:2] == ["0.50", "0.55"] and len(by_overlap) == 10
    assert by_overlap["0.75"] == result.figures()["ap75"]
    assert sorted(by_overlap.values(), reverse=True) == list(by_overlap.values())


def test_no_detection_and_no_face() -> None:
    labels = BoxLabels.of([("a", np.array([[0, 0, 10, 10.0]]), np.zeros(1, bool))])
    none = PredictionSet(("a",), np.array([0, 0]), np.zeros((0, 4)), np.zeros(0))
    figures = average(count_coco(none, labels)).figures()
    assert (figures["ap"], figures["ar100"], figures["ap_small"]) == (0, 0, 0)
    assert np.isnan(figures["ap_large"])
    with pytest.raises(ValueError, match="expected faces that count, found none in 0 images"):
        average(CocoCounts.zero())


@pytest.mark.wider
def test_the_limit_of_detections_costs_what_the_page_on_protocols_says(shared: Path) -> None:
    """Of one detector, hard AP50 with a hundred boxes of an image and with all, and nothing else changed."""
    inputs = read_inputs(shared / "data/predictions/yolov7_face.tar.gz", shared / "data/wider_val_gt")
    truth = inputs.truth
    faces = zip(truth.image_ids, truth.boxes, truth.counts["hard"], strict=True)
    labels = BoxLabels.of((name, boxes, ~counts) for name, boxes, counts in faces)
    found = inputs.predictions.select(truth.image_ids)
    ap50 = [average(count_coco(found, labels, None, most), most).figures()["ap50"] for most in (100, 10_000)]
    assert [round(100 * each, 2) for each in ap50] == [72.41, 81.42]

from __future__ import annotations

import numpy as np
import pytest

from pipeline.data.datasets.labels.box_labels import BoxLabels

BOXES = np.array([[0, 0, 10, 20], [5, 5, 9, 6]], float)


def test_areas_are_those_of_the_boxes_and_ignored_faces_do_not_count() -> None:
    labels = BoxLabels.of([("a", BOXES, np.array([False, True])), ("b", np.zeros((0, 4)), np.zeros(0, bool))])
    assert labels.faces == 1
    assert labels.areas[0].tolist() == [200, 4]
    assert labels.crowds[0].tolist() == [False, False]
    assert labels.boxes[1].shape == (0, 4)


def test_images_are_selected_in_the_given_order() -> None:
    labels = BoxLabels.of([(name, BOXES[:row], np.zeros(row, bool)) for row, name in enumerate("abc")])
    assert labels.select([2, 0]).image_ids == ("c", "a")
    assert labels.select([2, 0]).faces == 2


def test_contradictions_are_refused() -> None:
    with pytest.raises(ValueError, match="an image comes twice"):
        BoxLabels.of([("a", BOXES, np.zeros(2, bool))] * 2)
    with pytest.raises(ValueError, match="a: boxes"):
        BoxLabels.of([("a", BOXES, np.zeros(1, bool))])
    with pytest.raises(ValueError, match="boxes has 0 images, expected 1"):
        BoxLabels(("a",), (), (), (), ())

from __future__ import annotations

import re

import numpy as np
import pytest

from pipeline.api.faces import Faces
from pipeline.api.memory_inputs import labels_in_memory, predictions_in_memory

BOX = [1.0, 2.0, 30.0, 40.0]


def test_labels_all_count_and_an_image_may_have_none() -> None:
    labels = labels_in_memory({"a": [BOX, BOX], "b": [], "c": np.zeros((0, 4))})
    assert labels.image_ids == ("a", "b", "c")
    assert [len(each) for each in labels.boxes] == [2, 0, 0]
    assert labels.faces == 2


def test_predictions_are_in_the_order_of_the_labels_and_faces_are_taken_as_they_are() -> None:
    faces = Faces(np.array([BOX], np.float32), np.array([0.25], np.float32), None, 96, 64, "photo.jpg")
    found = predictions_in_memory({"c": [[*BOX, 0.5]], "a": faces}, ("a", "b", "c"), [np.zeros((0, 4))] * 3)
    np.testing.assert_array_equal(found.predictions.offsets, [0, 1, 1, 2])
    np.testing.assert_array_equal(found.predictions.boxes, [BOX, BOX])
    np.testing.assert_array_equal(found.predictions.scores, [0.25, 0.5])
    assert found.problems == {"missing": ["b"]}


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ([[1, 2, 3, 4, 0.5, 7]], r"an array \[1, 6\]"),
        ([1, 2, 3, 4, 0.5], r"an array \[5\]"),
        ("words", "str"),
        ([[1, 2, 3, np.nan, 0.5]], r"\[1.0, 2.0, 3.0, nan, 0.5\] in row 0"),
        ([[1, 2, 3, 4, 0.5], [9, 2, 3, 4, 0.5]], r"\[9.0, 2.0, 3.0, 4.0\] in row 1: are they x y w h\?"),
    ],
)
def test_rows_that_cannot_be_boxes_are_named(given: object, found: str) -> None:
    with pytest.raises(ValueError, match=rf"^predictions\['a'\]: expected .*, found {found}$"):
        predictions_in_memory({"a": given}, ("a",), [np.zeros((0, 4))])  # type: ignore[dict-item]


def test_labels_are_checked_alike() -> None:
    with pytest.raises(ValueError, match=r"labels\['a'\]: expected rows of x1 y1 x2 y2, found an array \[1, 5\]"):
        labels_in_memory({"a": [[*BOX, 0.5]]})
    with pytest.raises(ValueError, match="labels: expected at least one image, found none"):
        labels_in_memory({})


def test_other_formats_are_refused() -> None:
    rng = np.random.default_rng(0)
    corner, size = rng.uniform(50, 900, (40, 2)), rng.uniform(20, 45, (40, 2))
    names, boxes = tuple(map(str, range(40))), np.c_[corner, corner + size]
    rows = {name: [[*box, 0.9]] for name, box in zip(names, boxes, strict=True)}
    assert len(predictions_in_memory(rows, names, boxes[:, None]).predictions.scores) == 40
    for given, words in ((np.c_[corner, size], "are they x y w h?"), (boxes / 1000, "score in pixels of the original")):
        rows = {name: [[*box, 0.9]] for name, box in zip(names, given, strict=True)}
        with pytest.raises(ValueError, match=rf"predictions.*{re.escape(words)}"):
            predictions_in_memory(rows, names, boxes[:, None])


def test_names_of_no_labelled_image_are_refused() -> None:
    faces = [np.array([BOX])] * 2
    with pytest.raises(ValueError, match="predictions: none of 2 images is among its rows, .* found a.jpg"):
        predictions_in_memory({"a.jpg": [[*BOX, 1]], "b.jpg": []}, ("a", "b"), faces)
    with pytest.raises(ValueError, match="expected names of labelled images, found 1 others: 'other'"):
        predictions_in_memory({"a": [[*BOX, 1]], "b": [], "other": []}, ("a", "b"), faces)

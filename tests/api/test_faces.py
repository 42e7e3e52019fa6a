from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.api.faces import Faces
from pipeline.data.images import encode_png
from tests.stages.world import drawn_image


def _faces(image: object, **fields: object) -> Faces:
    boxes = np.array([[10, 10, 60, 50], [40, 20, 50, 30]], np.float32)
    return Faces(boxes, np.array([0.9, 0.3], np.float32), None, 96, 64, image, **fields)  # type: ignore[arg-type]


def test_above_keeps_what_is_greater(photo: Path) -> None:
    faces = _faces(photo)
    assert (len(faces), len(faces.above(0.3)), len(faces.above(0.9))) == (2, 1, 0)
    np.testing.assert_array_equal(faces.above(0.3).boxes, faces.boxes[:1])
    assert str(faces) == "2 boxes in 96 x 64 pixels, best score 0.900"
    assert str(faces.above(0.9)) == "0 boxes in 96 x 64 pixels"


def test_a_drawing_has_the_order_of_its_image_and_leaves_that_alone(photo: Path) -> None:
    bgr = drawn_image(4)
    drawn = _faces(photo).draw()
    assert drawn.shape == (64, 96, 3)
    np.testing.assert_array_equal(drawn, _faces(bgr[:, :, ::-1]).draw())
    np.testing.assert_array_equal(drawn[:, :, ::-1], _faces(bgr, channels="bgr").draw())
    changed = (drawn != bgr[:, :, ::-1]).any(axis=2)
    assert changed[10, 20:50].all() and not changed[25, 42:48].any(), "only the box above 0.5 is drawn"
    np.testing.assert_array_equal(bgr, drawn_image(4))


def test_a_file_that_has_another_size_by_now_is_not_drawn_on(photo: Path) -> None:
    faces = _faces(photo)
    photo.write_bytes(encode_png(drawn_image(4, 32, 32)))
    with pytest.raises(ValueError, match=r"photo.png: expected 96 x 64 pixels as detected, found 32 x 32"):
        faces.draw()


def test_lengths_that_disagree_are_refused(photo: Path) -> None:
    with pytest.raises(ValueError, match=r"scores have shape \(1,\), expected \(2,\)"):
        Faces(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), None, 96, 64, photo)

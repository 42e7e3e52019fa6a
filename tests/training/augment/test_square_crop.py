"""Square crops hold a whole face and keep boxes on their pixels."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.square_crop import SquareCrop

SHARES = (0.5, 0.8, 1.0)


def _scene(height: int, width: int, boxes: list[list[float]]) -> LabelledImage:
    """Each pixel holds its position: channel 0 is x, channel 1 is y; all landmarks are in a face's centre."""
    y, x = np.mgrid[:height, :width]
    image = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    b = np.float32(boxes).reshape(-1, 4)
    return LabelledImage.of(image, b, np.repeat((b[:, None, :2] + b[:, None, 2:]) / 2, 5, axis=1))


def _cropped(
    labelled: LabelledImage, side: int, shares: tuple[float, ...], seed: int, tries: int = 250
) -> LabelledImage:
    height, width = labelled.image.shape[:2]
    crop = SquareCrop(shares, tries=tries)
    return crop.sample(np.random.default_rng(seed), width, height, labelled.boxes, side).apply(labelled)


@pytest.mark.parametrize("seed", range(20))
def test_holds_a_whole_face_on_its_pixels(seed: int) -> None:
    before = _scene(120, 200, [[20, 30, 50, 62], [100, 40, 130, 75], [150, 90, 190, 119]])
    after = _cropped(before, 64, SHARES, seed)
    assert after.image.shape == (64, 64, 3)
    sides = {60, 96, 120}
    near = lambda a, b: abs(a - b) < 1e-3  # noqa: E731
    whole = 0
    for box, points in zip(after.boxes, after.landmarks, strict=True):
        assert (box >= 0).all()
        assert (box <= 64).all()
        cx, cy = points[0]
        # The pixel at the face's centre holds the centre's original position.
        shown = after.image[min(int(cy), 63), min(int(cx), 63), :2].astype(float)
        centres = (before.boxes[:, :2] + before.boxes[:, 2:]) / 2
        gap = np.abs(centres - shown).max(axis=1)
        assert gap.min() <= 2.5
        face = before.boxes[int(gap.argmin())]
        whole += any(near((face[2] - face[0]) * 64 / s, box[2] - box[0]) for s in sides) and any(
            near((face[3] - face[1]) * 64 / s, box[3] - box[1]) for s in sides
        )
    assert whole >= 1


def test_same_state_same_crop() -> None:
    before = _scene(90, 90, [[20, 30, 50, 62]])
    crops = [_cropped(before, 32, (0.6, 1.0), seed) for seed in (1, 1, 2, 3, 4)]
    np.testing.assert_array_equal(crops[0].image, crops[1].image)
    assert any(not np.array_equal(crops[0].image, other.image) for other in crops[2:])


def test_the_whole_image_padded_where_no_square_holds_a_face() -> None:
    before = _scene(60, 100, [[-5, 10, 95, 50]])
    after = _cropped(before, 100, (0.5,), 0, tries=3)
    np.testing.assert_array_equal(after.image[:60], before.image)
    assert (after.image[60:] == after.image[60, 0]).all()
    np.testing.assert_allclose(after.boxes, [[0, 10, 95, 50]])


def test_no_faces_is_fine() -> None:
    after = _cropped(_scene(60, 50, []), 32, (1.0,), 0)
    assert after.boxes.shape == (0, 4)
    assert after.image.shape == (32, 32, 3)


def test_sampled_squares_hold_a_whole_face() -> None:
    boxes = np.array([[20, 30, 50, 62], [100, 40, 130, 75]], np.float32)
    sides = set()
    for seed in range(200):
        view = SquareCrop().sample(np.random.default_rng(seed), 200, 120, boxes, 64)
        x1, y1, x2, y2 = view.cut
        sides.add(x2 - x1)
        assert x2 - x1 == y2 - y1 and x1 >= 0 and x2 <= 200 and y1 >= 0 and y2 <= 120
        assert ((boxes[:, :2] >= (x1, y1)) & (boxes[:, 2:] <= (x2, y2))).all(axis=1).any()
        assert (view.width, view.height, view.side, view.x, view.y) == (64, 64, 64, 0, 0)
    assert sides == {36, 54, 72, 96, 120}


def test_padded_to_a_square_where_none_holds_a_face() -> None:
    view = SquareCrop((0.5,), tries=3).sample(
        np.random.default_rng(0), 100, 60, np.array([[5, 5, 95, 55]], np.float32), 50
    )
    assert (view.cut, view.width, view.height, view.x, view.y) == ((0, 0, 100, 60), 50, 30, 0, 0)


@pytest.mark.parametrize("change", [{"shares": ()}, {"shares": (0.5, 1.2)}, {"tries": 0}])
def test_refuses(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="expected numbers in"):
        SquareCrop(**change)  # type: ignore[arg-type]


def test_a_face_that_fills_the_square_is_whole() -> None:
    face = np.array([[3, 0, 103, 100]], np.float32)
    view = SquareCrop((1.0,), tries=1000).sample(np.random.default_rng(0), 120, 100, face, 64)
    assert view.cut == (3, 0, 103, 100)

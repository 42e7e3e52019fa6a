"""Views: crop, clip and fill as the released code's; boxes, landmarks and rows stay on their pixels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.training.augment.labelled_image import LabelledImage
from pipeline.training.augment.view import Squeeze, View

EXCLUSIVE = np.array([0, 0, 1, 1], np.float32)  # released corners are the last pixels, ours the borders


@pytest.mark.wider
@pytest.mark.parametrize("case", range(5))
def test_published_crops(shared: Path, case: int) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    labelled = LabelledImage.of(z["img_bgr"].astype(np.float32), z["boxes"][:, :4].astype(np.float32) + EXCLUSIVE)
    x, y = z["crop_rects"][case, :2].tolist()
    seen = View((0, 0, 90, 50), 90, 50, x, y, 64).apply(labelled, fill=tuple(z["mean_bgr"].tolist()))
    np.testing.assert_allclose(seen.image, z[f"crop{case}_img_f32"], atol=1e-4)
    np.testing.assert_allclose(seen.boxes, z[f"crop{case}_boxes"][:, :4] + EXCLUSIVE, atol=1e-4)


@pytest.mark.wider
def test_published_squeeze(shared: Path) -> None:
    z = np.load(shared / "reference" / "mogface" / "transforms.npz")
    labelled = LabelledImage.of(z["img_bgr"].astype(np.float32), z["boxes"][:, :4].astype(np.float32) + EXCLUSIVE)
    view = Squeeze("linear").sample(np.random.default_rng(0), 90, 50, labelled.boxes, 64)
    seen = view.apply(labelled)
    np.testing.assert_allclose(seen.image, z["resize64_linear_img"], atol=1e-3)
    np.testing.assert_allclose(seen.boxes, z["resize64_boxes"][:, :4] + EXCLUSIVE, atol=1e-4)


def _places(width: int, height: int) -> LabelledImage:
    """Every pixel holds its position: channel 0 is x, channel 1 is y."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    boxes = np.array([[4, 6, 14, 18], [20, 5, 30, 25], [38, 28, 40, 30]], np.float32)
    points = np.repeat((boxes[:, None, :2] + boxes[:, None, 2:]) / 2, 5, axis=1)
    points[1] = np.nan
    return LabelledImage.of(np.stack([x, y, x * 0], axis=2), boxes, points, np.array([True, False, True]))


@pytest.mark.parametrize("kind", ["linear", "cubic", "lanczos"])
@pytest.mark.parametrize(
    "view",
    [
        View((0, 0, 40, 30), 120, 90, 6, 3, 64),
        View((0, 0, 40, 30), 120, 90, -20, 10, 64),
        View((0, 0, 40, 30), 20, 15, -4, -2, 32),
        View((2, 3, 22, 23), 64, 64, 0, 0, 64),
        View((0, 0, 40, 30), 64, 64, 0, 0, 64),
    ],
)
def test_landmarks_and_boxes_stay_on_their_pixels(view: View, kind: str) -> None:
    before = _places(40, 30)
    after = replace(view, interpolation=kind).apply(before)
    assert len(after.boxes) and after.image.shape == (view.side, view.side, 3)
    for row, box, points in zip(after.rows, after.boxes, after.landmarks, strict=True):
        if row == 1:
            assert np.isnan(points).all() and not after.valid[after.rows == 1].any()
            points = np.repeat((view.place(before.boxes)[row, :2] + view.place(before.boxes)[row, 2:])[None] / 2, 5, 0)
        x, y = points[0]
        assert box[0] < x < box[2] and box[1] < y < box[3]
        shown = after.image[int(y), int(x), :2]
        step = np.array([(view.cut[2] - view.cut[0]) / view.width, (view.cut[3] - view.cut[1]) / view.height])
        centre = (before.boxes[row, :2] + before.boxes[row, 2:]) / 2
        # A pixel's colour is its centre, half a pixel from its border, and the point may be anywhere in it.
        assert (np.abs(shown + 0.5 - centre) <= step / 2 + 0.35).all()


def test_a_centre_on_the_border_is_outside() -> None:
    boxes = np.array([[-5, 0, 5, 10], [-4, 0, 5, 10], [10, 10, 30, 20], [15, 5, 24.9, 15]], np.float32)
    seen = View((0, 0, 40, 40), 40, 40, 0, 0, 20).apply(LabelledImage.of(np.zeros((40, 40, 3), np.uint8), boxes))
    assert seen.rows.tolist() == [1, 3]
    np.testing.assert_allclose(seen.boxes, [[0, 0, 5, 10], [15, 5, 20, 15]])


def test_outside_is_the_fill() -> None:
    labelled = LabelledImage.of(np.full((10, 10, 3), 7, np.uint8), np.zeros((0, 4), np.float32))
    seen = View((0, 0, 10, 10), 10, 10, -3, 100, 8).apply(labelled, fill=(1.4, 2.6, 300 / 2))
    assert seen.image.dtype == np.uint8 and (seen.image == (1, 3, 150)).all()  # the window misses the image
    seen = View((0, 0, 10, 10), 10, 10, -3, -2, 8).apply(labelled, fill=(1.0, 1.0, 1.0))
    assert (seen.image[2:, 3:] == 7).all() and (seen.image == 1).all(axis=2).sum() == 64 - 30


def test_colours_change_before_the_window_so_that_the_fill_stays() -> None:
    labelled = LabelledImage.of(np.full((10, 10, 3), 7, np.float32), np.zeros((0, 4), np.float32))
    seen = View((0, 0, 10, 10), 10, 10, -4, 0, 8).apply(labelled, fill=(0, 0, 0), change=lambda pixels: pixels + 100)
    assert sorted(np.unique(seen.image).tolist()) == [0, 107]


@pytest.mark.parametrize(
    ("view", "early", "late"),
    [
        (View((0, 0, 40, 30), 20, 15, 0, 0, 32), (30, 40), (15, 20)),
        (View((4, 2, 34, 22), 15, 10, 3, 2, 8), (20, 30), (8, 8)),
        (View((0, 0, 40, 30), 80, 60, 0, 0, 96), (30, 40), (30, 40)),
        (View((0, 0, 40, 30), 40, 30, 0, 0, 40), (30, 40), (30, 40)),
    ],
)
def test_colours_change_where_pixels_are_few_if_that_is_asked(
    view: View, early: tuple[int, int], late: tuple[int, int]
) -> None:
    labelled, sizes = _places(40, 30), []

    def change(pixels: np.ndarray) -> np.ndarray:
        sizes.append(pixels.shape[:2])
        return pixels.astype(np.float32) * np.float32(0.5) + 3

    first, cheapest = (view.apply(labelled, (0, 0, 0), change, when).image for when in ("first", "cheapest"))
    assert sizes == [early, late]
    np.testing.assert_allclose(cheapest, first, atol=1e-4)  # resizing is linear, so is this change


def test_squeezing_samples_its_interpolation_unless_set() -> None:
    rng = np.random.default_rng(0)
    none = np.zeros((0, 4), np.float32)
    assert {Squeeze().sample(rng, 5, 6, none, 8).interpolation for _ in range(60)} == {
        "linear", "cubic", "area", "nearest", "lanczos"
    }  # fmt: skip
    assert {Squeeze("area").sample(rng, 5, 6, none, 8).interpolation for _ in range(9)} == {"area"}

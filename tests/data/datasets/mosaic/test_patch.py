"""Patches: the right face, the right height, boxes and pixels that belong together."""

import numpy as np
import pytest

from pipeline.data.datasets.mosaic.cells import Cell
from pipeline.data.datasets.mosaic.patch import MIN_CANVAS_HEIGHT, Patch, paste, patch_for, with_faces
from pipeline.data.records import Sample

CANVAS = Sample("mosaic/000000", "", "", 2000, 1000)


def sample(name: str, *boxes: tuple[float, ...], levels: dict | None = None, size=(200, 100), **more) -> Sample:
    faces = np.array(boxes, np.float32).reshape(-1, 4)
    levels = levels or {"hard": np.ones(len(faces), bool)}
    return Sample(name, f"{name}.jpg", "0" * 32, *size, boxes=faces, levels=levels, **more)


def patch(face: float, *sources: Sample, seed: int = 0) -> Patch | None:
    return patch_for(Cell(1000, 2000, 300, 200, face), sources, np.random.default_rng(seed))


def test_the_face_nearest_in_height_is_taken_and_has_the_height_asked_for() -> None:
    sources = [sample("a", (10, 10, 20, 20)), sample("b", (20, 20, 60, 70), (100, 20, 140, 60))]
    for face, name, row in ((10, "a", 0), (43, "b", 1), (120, "b", 0), (5, "a", 0)):
        found = patch(face, *sources)
        assert found is not None and found.source.image_id == name
        box = found.to_canvas(found.source.boxes[row : row + 1])[0]
        assert box[3] - box[1] == pytest.approx(face, rel=0.03)  # sides of a patch are whole pixels
        assert row in found.faces()


def test_the_patch_lies_in_its_cell() -> None:
    for seed in range(20):
        x0, y0, x1, y1 = patch(15, sample("a", (10, 10, 20, 40)), seed=seed).place
        assert 1000 <= x0 < x1 <= 1300 and 2000 <= y0 < y1 <= 2200
        assert (x1 - x0, y1 - y0) == (100, 50)  # the whole image, halved


def test_faces_that_do_not_count_or_images_that_fail_give_nothing() -> None:
    ignored = sample("a", (10, 10, 20, 40), levels={"hard": np.zeros(1, bool)})
    invalid = sample("b", (10, 10, 20, 40), attributes={"invalid": np.ones(1, np.int8)})
    failed = Sample("c", "c.jpg", "", 0, 0, boxes=ignored.boxes, error="gone")
    assert patch(20, ignored, invalid, failed, sample("d")) is None
    small = sample("e", (10, 10, 15, 18), levels={"hard": np.zeros(1, bool)})
    assert patch(20, ignored, small).source is small  # too small to count in its own image, not ignored


def test_labels_are_graded_on_the_canvas() -> None:
    levels = {"hard": np.array([True, False, True, False])}
    boxes = ((0, 0, 10, 10), (20, 0, 30, 20), (40, 0, 50, 2), (60, 0, 66, 6))
    source = sample("a", *boxes, levels=levels, attributes={"blur": np.array([0, 1, 2, 1], np.int8)})
    found = with_faces(CANVAS, [Patch(source, (0, 0, 100, 50), (100, 200, 500, 400))])
    assert found.boxes[0].tolist() == [100, 200, 140, 240] and found.attributes["blur"].tolist() == [0, 1, 2, 1]
    assert found.attributes.keys() == {"blur"} and found.landmarks is None
    # 40, 80, 8 and 24 pixels high; the second one is large enough in its image and yet does not count there.
    assert MIN_CANVAS_HEIGHT == {"easy": 50, "medium": 30, "hard": 9}
    assert {name: flags.tolist() for name, flags in found.levels.items()} == {
        "easy": [False] * 4,
        "medium": [True, False, False, False],
        "hard": [True, False, False, True],
    }


def test_faces_at_the_edge_of_their_image_are_cut_to_it_and_landmarks_come_along() -> None:
    marks = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    source = sample("a", (-10, 20, 30, 60), landmarks=marks)
    found = with_faces(CANVAS, [Patch(source, (0, 0, 200, 100), (50, 60, 150, 110))])
    assert found.boxes.tolist() == [[50, 70, 65, 90]]
    np.testing.assert_allclose(found.landmarks, marks / 2 + [50, 60])


def test_no_patch_no_face() -> None:
    found = with_faces(CANVAS, [])
    assert found.boxes.shape == (0, 4) and found.attributes == {}
    assert all(len(flags) == 0 for flags in found.levels.values())


@pytest.mark.parametrize("place", [(30, 20, 130, 70), (10, 10, 60, 35)])
def test_pixels_lie_where_boxes_say(place: tuple[int, int, int, int]) -> None:
    pixels = np.zeros((100, 200, 3), np.uint8)
    pixels[40:60, 40:80] = (10, 200, 90)
    source = sample("a", (40, 40, 80, 60))
    chosen = Patch(source, (20, 30, 120, 80), place)  # as it is, and halved
    canvas = np.full((120, 160, 3), 7, np.uint8)
    paste(canvas, chosen, pixels)
    x1, y1, x2, y2 = chosen.to_canvas(source.boxes)[0].astype(int)
    assert (canvas[y1 + 1 : y2 - 1, x1 + 1 : x2 - 1] == (10, 200, 90)).all()
    left, top, right, bottom = place
    outside = np.ones(canvas.shape[:2], bool)
    outside[top:bottom, left:right] = False
    assert (canvas[outside] == 7).all() and (canvas[top:bottom, left : x1 - 1] == 0).all()


def test_another_image_under_the_name_is_refused() -> None:
    chosen = Patch(sample("a", (40, 40, 80, 60)), (0, 0, 10, 10), (0, 0, 10, 10))
    with pytest.raises(ValueError, match=r"a\.jpg has 100 x 50 pixels, expected 200 x 100 as indexed"):
        paste(np.zeros((20, 20, 3), np.uint8), chosen, np.zeros((50, 100, 3), np.uint8))

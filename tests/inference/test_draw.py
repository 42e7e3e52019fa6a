import numpy as np
import pytest

from pipeline.inference.draw import draw

BOX = np.array([[60, 60, 160, 160]], np.float32)
SURE = np.array([0.97], np.float32)


@pytest.mark.parametrize("background", [0, 60, 128, 255])
def test_a_box_shows_on_any_background(background: int) -> None:
    image = np.full((300, 300, 3), background, np.uint8)
    seen = draw(image, BOX, SURE, labels=False)
    changed = (np.abs(seen.astype(int) - background).max(2) > 60).nonzero()
    assert min(changed[0]) == pytest.approx(60, abs=2) and max(changed[1]) == pytest.approx(160, abs=2)
    assert (seen[75:145, 75:145] == background).all()  # the face stays visible
    assert (image == background).all()


def test_lines_grow_with_the_image() -> None:
    def inked(side: int) -> float:
        image = np.full((side, side, 3), 128, np.uint8)
        box = BOX * (side / 300)
        return float((draw(image, box, SURE, labels=False) != image).any(2).mean())

    # Share of the image times its side is the thickness of a line, but for a constant.
    assert inked(4200) * 4200 > 1.5 * inked(300) * 300


def test_labels_landmarks_and_scores_change_the_image() -> None:
    image = np.full((300, 300, 3), 128, np.uint8)
    plain = draw(image, BOX, SURE, labels=False)
    marks = np.array([[[90, 90], [130, 90], [110, 110], [95, 135], [125, 135]]], np.float32)
    marked = draw(image, BOX, SURE, marks, labels=False)
    assert (marked[110, 110] != plain[110, 110]).any() and (draw(image, BOX, SURE)[40:60] != plain[40:60]).any()
    weak = draw(image, BOX, np.array([0.05], np.float32), labels=False)
    assert weak[60, 110, 2] > plain[60, 110, 2]  # redder


def test_nothing_to_draw_and_boxes_beyond_the_edge() -> None:
    image = np.full((50, 80, 3), 9, np.uint8)
    assert (draw(image, np.zeros((0, 4), np.float32), np.zeros(0, np.float32)) == image).all()
    beyond = np.array([[-500, -20, 70, 30], [1000, 1000, 1200, 1200]], np.float32)
    assert (draw(image, beyond, np.array([0.5, 0.9], np.float32)) != image).any()

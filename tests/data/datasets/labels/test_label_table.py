from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable, LabelTableBuilder, image_name

HERE = Path("labels.csv")


def test_faces_in_any_order_are_sorted_by_image_and_keep_theirs() -> None:
    builder = LabelTableBuilder()
    a, b = builder.image("a", (4, 3)), builder.image("b")
    builder.face(b, (0, 0, 1, 1))
    builder.face(a, (1, 1, 2, 2), ignored=True)
    builder.face(b, (0, 0, 2, 2))
    table = builder.build(HERE, LabelOptions())
    assert (table.names, table.starts.tolist(), table.sizes.tolist()) == (("a", "b"), [0, 1, 3], [[4, 3], [0, 0]])
    assert table.boxes.tolist() == [[1, 1, 2, 2], [0, 0, 1, 1], [0, 0, 2, 2]]
    assert table.ignored.tolist() == [True, False, False]
    assert table.landmarks is None
    assert table.box_labels().boxes[1].tolist() == [[0, 0, 1, 1], [0, 0, 2, 2]]


def test_one_of_several_categories_has_to_be_chosen() -> None:
    builder = LabelTableBuilder()
    image = builder.image("a")
    for category in ("hand", "face", "hand"):
        builder.face(image, (0, 0, 1, 1), category)
    with pytest.raises(
        ValueError, match=r"expected objects of one name, found hand \(2\), face \(1\); --set it=face takes one"
    ):
        builder.build(HERE, LabelOptions(advice=lambda names: f"--set it={names[0]} takes one"))
    with pytest.raises(ValueError, match=r"objects named 'dog', found \['face', 'hand'\]"):
        builder.build(HERE, LabelOptions(("dog",)))
    table = builder.build(HERE, LabelOptions(("face",)))
    assert (len(table.boxes), table.categories) == (1, {"hand": 2, "face": 1})
    assert len(builder.build(HERE, LabelOptions(("face", "hand"))).boxes) == 3
    # Of one image out of many the wanted category may be absent.
    assert len(builder.build(HERE, LabelOptions(("dog",)), strict=False).boxes) == 0


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match=r"labels\.csv: expected images with labels, found none"):
        LabelTableBuilder().build(HERE, LabelOptions())


def test_equal_boxes_of_one_image_count_once(small: LabelTable) -> None:
    assert small.without_repeats() is small
    builder = LabelTableBuilder()
    a, b = builder.image("a"), builder.image("b")
    builder.face(a, (0, 0, 9, 9), ignored=True)
    builder.face(a, (5, 5, 9, 9))
    builder.face(b, (0, 0, 9, 9), ignored=True)
    builder.face(a, (0, 0, 9, 9), landmarks=[1.0] * 10)
    table = builder.build(HERE, LabelOptions()).without_repeats()
    assert table.starts.tolist() == [0, 2, 3]
    assert table.boxes.tolist() == [[0, 0, 9, 9], [5, 5, 9, 9], [0, 0, 9, 9]]
    assert table.ignored.tolist() == [False, False, True]
    assert table.remarks == ("1 boxes repeat another one of their image exactly; each counts once",)
    assert (table.crowds, table.areas) == (None, None)


def test_crowds_areas_and_objects_left_out() -> None:
    builder = LabelTableBuilder()
    image = builder.image("a", (20, 20))
    builder.face(image, (0, 0, 9, 9), "face", ignored=True, crowd=True)
    builder.face(image, (0, 0, 5, 4), "face", area=7.5)
    builder.face(image, (0, 0, 9, 9), "face", ignored=True)
    builder.leave_out("dog")
    table = builder.build(HERE, LabelOptions(("face",)))
    assert table.categories == {"face": 3, "dog": 1}
    once = table.without_repeats().box_labels()
    assert once.crowds[0].tolist() == [False, False]  # a crowd in both rows, or none
    assert once.areas[0].tolist() == [81, 7.5]
    assert table.box_labels().crowds[0].tolist() == [True, False, False]
    assert table.faces_at(np.array([0, 1])).box_labels().areas[0].tolist() == [81, 7.5]


def test_landmarks_survive_the_repetition_of_a_box_without_them() -> None:
    builder = LabelTableBuilder()
    image = builder.image("a")
    builder.face(image, (0, 0, 9, 9))
    builder.face(image, (0, 0, 9, 9), landmarks=[3.0] * 10)
    table = builder.build(HERE, LabelOptions()).without_repeats()
    assert table.landmarks is not None and table.landmarks.ravel().tolist() == [3.0] * 10


def test_shares_become_pixels_of_a_known_size() -> None:
    builder = LabelTableBuilder(relative=True)
    builder.face(builder.image("a"), (0.25, 0.5, 0.5, 1), landmarks=[0.5, 0.25] * 5)
    builder.image("b")
    table = builder.build(HERE, LabelOptions())
    with pytest.raises(ValueError, match="a: expected the image, for its boxes are shares of its sides, found none"):
        table.in_pixels()
    pixels = table.in_pixels(np.array([[200, 100], [0, 0]], np.int32))
    assert pixels.boxes.tolist() == [[50, 50, 100, 100]]
    assert pixels.landmarks is not None and pixels.landmarks[0].tolist() == [[100, 25]] * 5
    assert (pixels.relative, pixels.sizes.tolist()) == (False, [[200, 100], [0, 0]])


def test_bytes_of_an_image_change_with_its_own_labels_only(small: LabelTable) -> None:
    before = [small.label_bytes(position) for position in range(3)]
    boxes, landmarks = small.boxes.copy(), np.array(small.landmarks)
    boxes[0, 0] += 1
    landmarks[2, 0, 0] = 1
    sizes = small.sizes.copy()
    sizes[2] += 1
    after = [replace(small, boxes=boxes).label_bytes(position) for position in range(3)]
    assert [one == other for one, other in zip(before, after, strict=True)] == [False, True, True]
    assert replace(small, landmarks=landmarks).label_bytes(1) != before[1]
    assert replace(small, sizes=sizes).label_bytes(2) != before[2]
    assert replace(small, ignored=~small.ignored).label_bytes(0) != before[0]


def test_names_have_forward_slashes() -> None:
    assert [image_name(text) for text in ("./a/b.jpg", "a\\b.jpg ", "a//b.jpg", "b.jpg")] == [
        *("a/b.jpg", "a/b.jpg", "a/b.jpg"),
        "b.jpg",
    ]

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.predictions.table import (
    PredictionTable,
    PredictionTableBuilder,
    corners_of,
    require_category,
    widths_of,
)
from tests.data.predictions.conftest import rows_of

ROW = np.array([[0, 0, 1, 1.0]])


def built(*rows: tuple[str, float]) -> PredictionTable:
    builder = PredictionTableBuilder()
    for name, score in rows:
        builder.add(np.array([builder.image(name)]), ROW + score, np.array([score]))
    return builder.build(["odd"])


def test_rows_in_any_order_come_by_image_and_keep_their_place() -> None:
    table = built(("b", 2), ("./a", 1), ("b", 3), (".\\a", 5), ("b", 2))
    assert table.names == ("b", "a")
    assert table.offsets.tolist() == [0, 3, 5]
    assert table.scores.tolist() == [2, 3, 2, 1, 5]
    assert table.positions.tolist() == [0, 2, 4, 1, 3]
    assert table.boxes[:, 0].tolist() == [2, 3, 2, 1, 5]
    assert table.remarks == ("odd",)
    assert [scores.tolist() for *_, scores in table.by_image()] == [[3, 2, 2], [5, 1]]
    assert table.prediction_set().image_ids == ("b", "a")


def test_an_image_may_have_no_row() -> None:
    builder = PredictionTableBuilder()
    assert builder.image("a", (4, 3)) == 0 and "./a" in builder and "b" not in builder
    assert builder.image("./a", (9, 9)) == 0  # the first size counts
    table = builder.build()
    assert table.sizes.tolist() == [[4, 3]]
    assert (len(table), table.offsets.tolist(), len(table.scores)) == (1, [0, 0], 0)
    assert rows_of(table) == {"a": []}


def test_images_are_taken_in_another_order_under_other_names(small: PredictionTable) -> None:
    taken = small.take([2, -1, 0], ["z", "y", "x"], np.full((3, 2), 7, np.int32))
    assert taken.names == ("z", "y", "x")
    assert taken.offsets.tolist() == [0, 1, 1, 4]
    assert taken.positions.tolist() == [3, 0, 1, 2]
    assert taken.sizes.tolist() == [[512, 128], [7, 7], [128, 256]]  # the table's own where it has them
    assert rows_of(taken)["x"] == rows_of(small)["deep/b.jpg"]
    assert small.take([-1], ["only"]).offsets.tolist() == [0, 0]
    assert built(("a", 1)).take([], []).offsets.tolist() == [0]
    assert PredictionTableBuilder().build().take([-1], ["only"]).offsets.tolist() == [0, 0]


def test_shares_become_pixels_where_sizes_are_known() -> None:
    builder = PredictionTableBuilder(relative=True)
    builder.add(np.array([builder.image("a")]), np.array([[0.25, 0.5, 0.5, 1]]), np.array([1.0]))
    builder.image("b")
    table = builder.build()
    pixels = table.take([0, 1], ["a", "b"], np.array([[64, 128], [0, 0]], np.int32)).in_pixels()
    assert pixels.boxes.tolist() == [[16, 64, 32, 128]] and not pixels.relative
    assert pixels.in_pixels() is pixels
    with pytest.raises(ValueError, match="expected the sizes of the images.* of 1 of 2 images, the first is a; HELP"):
        table.in_pixels("; HELP")


def test_widths_and_corners() -> None:
    assert widths_of(np.array([[1, 2, 4, 8.0]])).tolist() == [[1, 2, 3, 6]]
    assert corners_of(np.array([[1, 2, 3, 6.0]])).tolist() == [[1, 2, 4, 8]]


def test_several_categories_are_refused_with_their_counts() -> None:
    require_category(Path("x"), {"0": 3}, None)
    require_category(Path("x"), {"0": 3, "1": 1}, "1")
    require_category(Path("x"), {}, "1")
    with pytest.raises(
        ValueError, match=r"x: expected detections of one category, found 0 \(3\), 1 \(1,200\); --class"
    ):
        require_category(Path("x"), {"1": 1200, "0": 3}, None)
    with pytest.raises(ValueError, match=r"x: expected detections of '2', found \['0', '1'\]"):
        require_category(Path("x"), {"1": 1200, "0": 3}, "2")

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.data.records import WITHOUT_LANDMARKS, Detections, Sample, ScoredBoxes, read_detections
from pipeline.data.schemas import DETECTIONS, SAMPLES


def made(name: str, n: int, landmarks: bool = True) -> Detections:
    rng = np.random.default_rng(n)
    scores = np.sort(rng.random(n).astype(np.float32))[::-1].copy()
    marks = rng.random((n, 5, 2)).astype(np.float32) if landmarks else None
    return Detections(name, 100, 80, rng.random((n, 4)).astype(np.float32), scores, marks)


def same(a: Detections, b: Detections) -> bool:
    marks = (a.landmarks is None) == (b.landmarks is None) and np.array_equal(a.landmarks, b.landmarks)
    if a.landmarks is None or b.landmarks is None:
        marks = not len(a.boxes) or a.landmarks is b.landmarks
    fields = (a.image_id, a.width, a.height, a.error) == (b.image_id, b.width, b.height, b.error)
    return fields and np.array_equal(a.boxes, b.boxes) and np.array_equal(a.scores, b.scores) and bool(marks)


def test_detections_survive_the_table_by_either_reader():
    rows = [
        made("a", 7),
        made("b", 0),
        Detections("c", 0, 0, error="broken"),
        made("d", 3, landmarks=False),
        made("e", 5),
    ]
    table = pa.concat_tables([pa.Table.from_pylist([row.to_row()], schema=DETECTIONS) for row in rows])
    assert all(same(a, b) for a, b in zip(rows, read_detections(table), strict=True))
    assert all(same(a, Detections.from_row(row)) for a, row in zip(rows, table.to_pylist(), strict=True))
    # A slice of a table does not start at the first value of its lists.
    assert all(same(a, b) for a, b in zip(rows[2:], read_detections(table.slice(2)), strict=True))


def test_landmarks_need_not_be_read():
    rows = [made("a", 7), made("b", 0), made("c", 4)]
    table = pa.Table.from_pylist([row.to_row() for row in rows], schema=DETECTIONS).select(list(WITHOUT_LANDMARKS))
    plain = [replace(row, landmarks=None) for row in rows]
    assert all(same(a, b) for a, b in zip(plain, read_detections(table), strict=True))
    assert all(same(a, Detections.from_row(row)) for a, row in zip(plain, table.to_pylist(), strict=True))


def test_samples_survive_the_table():
    faces = np.array([[1, 2, 30, 40], [5, 5, 5, 9]], np.float32)
    sample = Sample(
        "a", "a.jpg", "d", 64, 48, faces,
        attributes={"blur": np.array([0, 2], np.int8)},
        levels={"hard": np.array([True, False])},
        landmarks=np.arange(20, dtype=np.float32).reshape(2, 5, 2),
    )  # fmt: skip
    (row,) = pa.Table.from_pylist([sample.to_row()], schema=SAMPLES).to_pylist()
    back = Sample.from_row(row)
    assert np.array_equal(back.boxes, faces) and np.array_equal(back.landmarks, sample.landmarks)
    assert back.attributes["blur"].tolist() == [0, 2] and back.attributes["pose"].tolist() == []
    assert back.levels["hard"].tolist() == [True, False] and back.levels["easy"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((2, 5), np.float32)}, r"boxes have shape \(2, 5\), expected \(N, 4\)"),
        ({"scores": np.zeros(3, np.float32)}, r"scores have shape \(3,\), expected \(2,\)"),
        ({"scores": np.array([0.1, 0.2], np.float32)}, "never rise"),
        ({"scores": np.array([np.nan, 0.2], np.float32)}, "finite"),
        ({"boxes": np.full((2, 4), np.inf, np.float32)}, "finite"),
        ({"landmarks": np.zeros((1, 5, 2), np.float32)}, r"expected \(2, 5, 2\)"),
    ],
)
def test_detections_that_do_not_fit_together_are_refused(change, message):
    fields = {"boxes": np.zeros((2, 4), np.float32), "scores": np.array([0.9, 0.5], np.float32), **change}
    with pytest.raises(ValueError, match="a: .*" + message):
        Detections("a", 10, 10, **fields)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attributes": {"blur": np.zeros(2, np.int8)}}, "attribute blur has 2 values for 1 faces"),
        ({"levels": {"easy": np.zeros(0, bool)}}, "level easy has 0 values for 1 faces"),
        ({"landmarks": np.zeros((2, 5, 2), np.float32)}, r"expected \(1, 5, 2\)"),
    ],
)
def test_samples_that_do_not_fit_together_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        Sample("a", "a.jpg", "d", 10, 10, np.zeros((1, 4), np.float32), **change)


def test_rows_of_scored_boxes_are_taken_together():
    found = ScoredBoxes(
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([0.9, 0.5, 0.1], np.float32),
        np.arange(30, dtype=np.float32).reshape(3, 5, 2),
    )
    part = found.take(np.array([2, 0]))
    assert len(part) == 2 and part.boxes[:, 0].tolist() == [8, 0]
    assert part.scores.tolist() == pytest.approx([0.1, 0.9]) and part.landmarks[0, 0, 0] == 20
    assert len(found.take(found.scores > 0.4)) == 2
    assert ScoredBoxes(found.boxes, found.scores).take(slice(1)).landmarks is None


@pytest.mark.parametrize(
    ("boxes", "scores", "landmarks"), [((2, 4), (3,), None), ((2, 5), (2,), None), ((2, 4), (2,), (1, 5, 2))]
)
def test_scored_boxes_of_different_lengths_are_refused(boxes, scores, landmarks):
    zeros = [None if shape is None else np.zeros(shape, np.float32) for shape in (boxes, scores, landmarks)]
    with pytest.raises(ValueError, match="have shape"):
        ScoredBoxes(*zeros)

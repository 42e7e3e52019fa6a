"""RetinaFace's label.txt, as it is published for WIDER FACE, up to the samples that a detector is trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.label_table import LabelTable
from pipeline.data.datasets.labels.retinaface_text import RetinafaceText, read_retinaface_text, write_retinaface_text

POINTS = "488.9 373.6 0.0 542.1 376.4 0.0 515.0 412.8 0.0 485.2 425.9 0.0 538.4 431.5 1.0"
NONE = "-1.0 -1.0 -1.0 " * 5
TEXT = f"# 0--Parade/a.jpg\n449 330 122 149 {POINTS} 0.82\n361 98 26.5 39 {NONE}0.2\n\n# 1--X/b c.png\n"


def test_landmarks_and_faces_without_them(tmp_path: Path) -> None:
    (tmp_path / "label.txt").write_text(TEXT)
    table = read_retinaface_text(tmp_path / "label.txt")
    assert (table.names, table.starts.tolist()) == (("0--Parade/a.jpg", "1--X/b c.png"), [0, 2, 2])
    assert table.boxes.tolist() == [[449, 330, 571, 479], [361, 98, 387.5, 137]]
    assert table.landmarks is not None
    assert table.landmarks[0].tolist() == [[488.9, 373.6], [542.1, 376.4], [515, 412.8], [485.2, 425.9], [538.4, 431.5]]
    assert np.isnan(table.landmarks[1]).all()
    assert table.remarks == ()


def test_rows_of_a_box_alone_and_of_some_points(tmp_path: Path) -> None:
    file = tmp_path / "label.txt"
    some = POINTS.replace("515.0 412.8 0.0", "-1 -1 -1")
    outside = POINTS.replace("488.9 373.6 0.0", "-3.5 -1 0.0")  # a real point beyond the edge
    file.write_text(f"# a.jpg\n1 2 3 4\n1 2 3 5 {some}\n1 2 3 6 {outside}\n")
    table = read_retinaface_text(file)
    assert table.landmarks is not None
    assert np.isfinite(table.landmarks).all(axis=(1, 2)).tolist() == [False, False, True]
    assert table.remarks == ("1 faces have only some of the five landmarks, and are taken as faces without any",)


def test_landmarks_reach_the_sample_that_is_trained_on(small: LabelTable, photographs: Path) -> None:
    write_retinaface_text(small, photographs)
    data = RetinafaceText()
    entries = data.entries(str(photographs))
    read = data.open(str(photographs))
    samples = {entry.image_id: read(entry) for entry in entries}
    assert small.landmarks is not None
    marks = samples["a.jpg"].landmarks
    assert marks is not None and marks.dtype == np.float32
    np.testing.assert_allclose(marks[0], small.landmarks[0])
    assert np.isnan(marks[1]).all()
    assert samples["deep/b.jpg"].landmarks is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 3 4\n", ":1: expected # and the path of an image, found '1 2 3 4'"),
        ("# \n", ":1: expected the path of an image after #, found '#'"),
        ("# a.jpg\n1 2 3\n", ":2: expected x y w h, then nothing, or five landmarks"),
        ("# a.jpg\n1 2 3 x\n", ":2: expected x y w h, then nothing, or five landmarks"),
        (f"# a.jpg\n1 2 3 4 {POINTS} 0.8 1\n", ":2: expected x y w h, then nothing, or five landmarks"),
        ("# a.jpg\n# a.jpg\n", ":2: expected an image that no line before names, found '# a.jpg'"),
        ("", ": expected images with labels, found none"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "label.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_retinaface_text(file)
    assert str(error.value).startswith(f"{file}{words}")

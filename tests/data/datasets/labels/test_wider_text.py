from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.wider_text import WiderText, read_wider_text
from pipeline.data.datasets.wider_face.annotation import read_wider_annotation

TEXT = "\ufeffmy photos/a.PNG\r\n2\r\n1.5 2 10 20.25\r\n0 0 5 5\r\n\r\nb.webp\r\n0\r\n0 0 0 0\r\nc\r\n0\r\nd.jpg\r\n1\r\n1 2 3 4 0 0 0 1 0 0 \r\n"


def test_any_name_decimals_and_four_or_ten_columns(tmp_path: Path) -> None:
    file = tmp_path / "labels.txt"
    file.write_bytes(TEXT.encode())
    table = read_wider_text(file)
    assert table.names == ("my photos/a.PNG", "b.webp", "c", "d.jpg")
    assert table.starts.tolist() == [0, 2, 2, 2, 3]
    assert table.boxes.tolist() == [[1.5, 2, 11.5, 22.25], [0, 0, 5, 5], [1, 2, 4, 6]]
    assert table.ignored.tolist() == [False, False, True]
    assert WiderText.label_form.matches(file)


@pytest.mark.wider
def test_the_official_file_gives_the_same_as_its_own_reader(shared: Path) -> None:
    file = shared / "data/wider_val_gt/wider_face_val_bbx_gt.txt"
    table, official = read_wider_text(file), read_wider_annotation(file)
    assert table.names == official.names
    np.testing.assert_array_equal(table.starts, official.starts)
    corners = official.rows[:, :4].astype(np.float64)
    corners[:, 2:] += corners[:, :2]
    np.testing.assert_array_equal(table.boxes, corners)
    np.testing.assert_array_equal(table.ignored, official.rows[:, 7] == 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.jpg\n", ":1: expected the number of faces of a.jpg, found the end of the file"),
        ("a.jpg\nx\n", ":2: expected the number of faces of a.jpg, found 'x'"),
        ("a.jpg\n2\n1 2 3 4\n", ":3: expected 2 faces of a.jpg (line 2), found the end of the file after 1"),
        ("a.jpg\n1\n1 2 3\n", ":3: expected 4 numbers (x y w h) or 10"),
        ("a.jpg\n1\n1 2 3 nan\n", ":3: expected 4 numbers (x y w h) or 10"),
        (
            "a.jpg\n1\n1 2 3 4\n5 6 7 8\n",
            ":4: expected the name of an image (is the count above too small?), found '5 6",
        ),
        ("a.jpg\n0\n1 2 3 4\n", ":3: expected the name of an image (is the count above too small?), found '1 2 3 4'"),
        ("a.jpg\n0\na.jpg\n0\n", ":3: expected an image that no line before names, found 'a.jpg'"),
        ("a.jpg\n1\n1 2 3 4 0 0 0 2 0 0\n", ":3: expected invalid of 0 or 1, found '2'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "labels.txt"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_wider_text(file)
    assert str(error.value).startswith(f"{file}{words}")

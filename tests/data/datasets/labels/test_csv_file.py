from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.csv_file import read_csv_labels


def test_corners_ignored_faces_and_images_without_any(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("\ufeffx1, y1,x2,y2,image,ignore,note\n1,2,3,4,a.jpg,,\n5,6,7.5,8,a.jpg,1,small\n,,,,b.jpg,,\n")
    labels = read_csv_labels(file)
    assert labels.image_ids == ("a.jpg", "b.jpg")
    assert labels.boxes[0].tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert labels.ignored[0].tolist() == [False, True]
    assert labels.faces == 1


def test_widths_and_heights(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("image,x,y,w,h\na,1,2,3,4\n")
    assert read_csv_labels(file).boxes[0].tolist() == [[1, 2, 4, 6]]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ":1: expected a heading image,x1,y1,x2,y2 or image,x,y,w,h, and perhaps ignore, found ''"),
        ("a,1,2,3,4\n", ":1: expected a heading image,x1,y1,x2,y2 or image,x,y,w,h, and perhaps ignore, found 'a,1"),
        ("image,x,y,w,h\na,1,2,3\n", ":2: expected four finite numbers x,y,w,h, found '1,2,3,'"),
        ("image,x,y,w,h\na,1,2,3,inf\n", ":2: expected four finite numbers x,y,w,h, found '1,2,3,inf'"),
        ("image,x,y,w,h\n,1,2,3,4\n", ":2: expected an image, found nothing"),
        ("image,x,y,w,h,ignore\na,1,2,3,4,yes\n", ":2: expected ignore of 0 or 1, found 'yes'"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "faces.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_csv_labels(file)
    assert str(error.value).startswith(f"{file}{words}")

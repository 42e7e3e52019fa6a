"""The text annotation: what it says, and what each kind of mistake in it says back."""

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.wider_face.annotation import COLUMNS, read_wider_annotation

GOOD = "0--A/x.jpg\n1\n1 2 3 4 0 0 0 0 0 0 \n"
ZEROS = "0 0 0 0 0 0 0 0 0 0 \n"


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "annotation.txt"
    file.write_bytes(text.encode())
    return file


def test_rows_names_and_empty_images(tmp_path: Path) -> None:
    found = read_wider_annotation(written(tmp_path, f"0--A/y.jpg\n0\n{ZEROS}{GOOD}1--B/z.jpg\n0\n"))
    assert found.names == ("0--A/y.jpg", "0--A/x.jpg", "1--B/z.jpg")
    assert [len(found.faces(i)) for i in range(3)] == [0, 1, 0]
    assert found.faces(1).tolist() == [[1, 2, 3, 4, 0, 0, 0, 0, 0, 0]] and found.rows.dtype == np.int32


@pytest.mark.parametrize("change", [lambda t: t.replace("\n", "\r\n"), str.rstrip, lambda t: t + "\n\n"])
def test_line_ends_do_not_matter(tmp_path: Path, change: object) -> None:
    text = change(GOOD + GOOD.replace("x.jpg", "y.jpg"))  # type: ignore[operator]
    found = read_wider_annotation(written(tmp_path, text))
    assert found.names == ("0--A/x.jpg", "0--A/y.jpg") and found.rows[:, :4].tolist() == [[1, 2, 3, 4]] * 2


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    assert read_wider_annotation(written(tmp_path, "\ufeff" + GOOD)).names == ("0--A/x.jpg",)


def test_a_name_that_is_no_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "annotation.txt"
    file.write_bytes(GOOD.encode() + b"0--A/caf\xe9.jpg\n0\n")
    with pytest.raises(ValueError, match=r"annotation\.txt:4: expected an image name in UTF-8, found b'0--A/caf"):
        read_wider_annotation(file)


def test_only_empty_images_and_empty_file(tmp_path: Path) -> None:
    assert read_wider_annotation(written(tmp_path, f"0--A/y.jpg\n0\n{ZEROS}")).rows.shape == (0, 10)
    assert read_wider_annotation(written(tmp_path, "")).names == ()


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD.replace("3 4 0", "3 4"), 3, "ten whole numbers .x y w h .*face 1 of 1 of 0--A/x.jpg.*found '1 2 3"),
        (GOOD.replace("3 4 0", "3 4 0 0"), 3, "ten whole numbers"),
        (GOOD.replace("3 4", "3 4.5"), 3, "ten whole numbers"),
        (GOOD.replace("3 4", "3 99999999999"), 3, "ten whole numbers"),
        (GOOD.replace("\n1\n", "\n2\n") + GOOD, 4, "ten whole numbers.*face 2 of 2.*found '0--A/x.jpg'"),
        (GOOD.replace("\n1\n", "\n3\n"), 3, "3 faces of 0--A/x.jpg .line 2., found the end of the file after 1"),
        (GOOD + "1 2 3 4 0 0 0 0 0 0\n", 4, "image name.*count above too small.*found '1 2 3 4"),
        (GOOD.replace("\n1\n", "\none\n"), 2, "number of faces of 0--A/x.jpg, found 'one'"),
        (GOOD.replace("\n1\n", "\n-1\n"), 2, "number of faces"),
        (GOOD + "0--A/last.jpg\n", 5, "number of faces of 0--A/last.jpg, found nothing"),
        ("x.jpg\n0\n", 1, "<event>/<name>.jpg"),
        (GOOD + GOOD, 4, "an image that line 1 does not name, found '0--A/x.jpg'"),
        (f"0--A/x.jpg\n0\n{GOOD[13:]}", 3, "ten zeros or another image, for line 2 says that 0--A/x.jpg has no face"),
        (GOOD.replace("4 0 0 0 0", "4 0 0 0 2"), 3, "invalid from 0 to 1, found 2"),
        (GOOD.replace("4 0 0 0 0", "4 0 0 0 -1"), 3, "invalid from 0 to 1, found -1"),
        (GOOD.replace("4 0 0 0 0", "4 300 0 0 0"), 3, "blur from 0 to 127, found 300"),
    ],
)
def test_mistakes_name_file_line_expected_and_found(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(ValueError, match=rf"annotation.txt:{line}: expected .*{says}"):
        read_wider_annotation(written(tmp_path, text))


@pytest.mark.wider
@pytest.mark.parametrize(
    ("split", "images", "faces", "invalid", "empty", "flat"),
    [("val", 3226, 39708, 585, 0, 11), ("train", 12880, 159420, 2399, 4, 27)],
)
def test_the_published_files(
    shared: Path, split: str, images: int, faces: int, invalid: int, empty: int, flat: int
) -> None:
    found = read_wider_annotation(shared / "data" / "wider_val_gt" / f"wider_face_{split}_bbx_gt.txt")
    assert (len(found.names), len(found.rows)) == (images, faces)
    assert int(found.rows[:, COLUMNS.index("invalid")].sum()) == invalid
    assert int((np.diff(found.starts) == 0).sum()) == empty
    assert int((found.rows[:, 2:4] <= 0).any(axis=1).sum()) == flat

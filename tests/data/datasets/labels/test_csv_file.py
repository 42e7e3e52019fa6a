from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.csv_file import LANDMARKS, Csv, read_csv_table
from pipeline.data.datasets.labels.label_table import LabelOptions


def test_corners_ignored_faces_and_images_without_any(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("\ufeffx1, y1,x2,y2,image,ignore,note\n1,2,3,4,a.jpg,,\n5,6,7.5,8,a.jpg,1,small\n,,,,b.jpg,,\n")
    labels = read_csv_table(file).box_labels()
    assert labels.image_ids == ("a.jpg", "b.jpg")
    assert labels.boxes[0].tolist() == [[1, 2, 3, 4], [5, 6, 7.5, 8]]
    assert labels.ignored[0].tolist() == [False, True]
    assert labels.faces == 1


def test_widths_and_heights(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("image,x,y,w,h\na,1,2,3,4\n")
    assert read_csv_table(file).box_labels().boxes[0].tolist() == [[1, 2, 4, 6]]


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
        read_csv_table(file)
    assert str(error.value).startswith(f"{file}{words}")


LANDMARK_HEADING = ",".join(LANDMARKS)


def test_landmarks_sizes_and_categories(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text(
        f"image,x1,y1,x2,y2,category,width,height,{LANDMARK_HEADING}\n"
        f"a\\b.jpg,0,0,9,9,face,40,30,{','.join('1234567890')}\n"
        f"a/b.jpg,1,1,9,9,hand,40,30{',' * 10}\n"
    )
    table = read_csv_table(file, LabelOptions(("face",)))
    assert (table.names, table.sizes.tolist(), table.categories) == (("a/b.jpg",), [[40, 30]], {"face": 1, "hand": 1})
    assert table.landmarks is not None
    assert table.landmarks.ravel().tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,x,y,w,h,nose_x\n", ":1: expected all of the columns left_eye_x,left_eye_y,right_eye_x"),
        (
            "image,x,y,w,h,width,height\na,1,2,3,4,x,9\n",
            ":2: expected width and height as whole numbers of pixels, found 'x,9'",
        ),
        (f"image,x,y,w,h,{LANDMARK_HEADING}\na,1,2,3,4,1{',' * 9}\n", ":2: expected ten finite numbers left_eye_x"),
        ("image;x;y;w;h\na;1,5;2;3;4\n", ":2: expected four finite numbers x,y,w,h, found '1,5;2;3;4'; write decimals"),
        ("image,x,y,w,h\na,1,2,3,1_0\n", ":2: expected four finite numbers x,y,w,h, found '1,2,3,1_0'"),
    ],
)
def test_mistakes_in_further_columns_are_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "faces.csv"
    file.write_text(text)
    with pytest.raises(ValueError, match="expected") as error:
        read_csv_table(file)
    assert str(error.value).startswith(f"{file}{words}")


@pytest.mark.parametrize(
    ("text", "box"),
    [
        ("filename,width,height,class,xmin,ymin,xmax,ymax\na.jpg,40,30,face,1,2,3,4\n", [1, 2, 3, 4]),
        ("File;Left;Top;Width;Height\na.jpg;1;2;3;4\n", [1, 2, 4, 6]),
        ("path\tx\ty\tw\th\r\na.jpg\t1\t2\t3\t4\r\n", [1, 2, 4, 6]),
        ("image,x,y,w,h\ra.jpg,1,2,3,4\r", [1, 2, 4, 6]),
    ],
)
def test_headings_of_other_programs(tmp_path: Path, text: str, box: list[float]) -> None:
    file = tmp_path / "faces.csv"
    file.write_text(text, newline="")
    table = read_csv_table(file)
    assert (table.names, table.boxes.tolist()) == (("a.jpg",), [box])
    assert table.sizes.tolist() == ([[40, 30]] if "class" in text else [[0, 0]])
    assert Csv.label_form.matches(file)


def test_predictions_and_ambiguous_headings_are_no_labels(tmp_path: Path) -> None:
    file = tmp_path / "found.csv"
    file.write_text("image,x,y,w,h,score\n")
    assert not Csv.label_form.matches(file)
    file.write_text("image,x1,y1,x2,y2,conf\n")
    assert not Csv.label_form.matches(file)
    file.write_text("file,path,x,y,w,h,class,label\n")
    words = r"found 'file,path,x,y,w,h,class,label' with file, path and class, label: leave one"
    with pytest.raises(ValueError, match=words):
        read_csv_table(file)


def test_other_names_are_free_columns_beside_the_first_ones(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_text("image,x1,y1,x2,y2,path,category,label\na,1,2,3,4,/x/a,face,sad\na,2,2,3,4,/x/a,face,happy\n")
    assert (read_csv_table(file).names, len(read_csv_table(file).boxes)) == (("a",), 2)


@pytest.mark.parametrize("name", ["class_id", "label"])
def test_several_classes_are_refused_with_two_ways_out(tmp_path: Path, name: str) -> None:
    file = tmp_path / "faces.csv"
    file.write_text(f"image,x1,y1,x2,y2,{name}\na,1,2,3,4,0\na,2,2,3,4,7\n")
    words = f"--category '0' takes one; the column {name} is taken for the category: where it is none, rename it"
    with pytest.raises(ValueError, match=words):
        read_csv_table(file)


def test_another_encoding_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "faces.csv"
    file.write_bytes("image,x,y,w,h\nä.jpg,1,2,3,4\n".encode("latin-1"))
    with pytest.raises(ValueError, match="expected text in UTF-8, found byte 0xe4 after line 1: save it with that"):
        read_csv_table(file)

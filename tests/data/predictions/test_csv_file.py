from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.predictions.csv_file import read_csv_predictions
from pipeline.data.predictions.form import ReadOptions
from pipeline.data.predictions.table import PredictionTable
from tests.data.predictions.conftest import rows_of

FOUND = {"e/a.jpg": [[1, 2, 4, 8, 0.5], [0, 0, 1, 1, 0.25]], "b": []}


def read(folder: Path, text: str, **options: str) -> PredictionTable:
    (folder / "found.csv").write_bytes(text.encode())
    return read_csv_predictions(folder / "found.csv", ReadOptions(**options))


@pytest.mark.parametrize(
    "text",
    [
        "image,x1,y1,x2,y2,score\ne/a.jpg,1,2,4,8,0.5\nb,,,,,\ne/a.jpg,0,0,1,1,0.25\n",
        "score,image,x,y,w,h\n0.5,./e/a.jpg,1,2,3,6\n,b,,,,\n0.25,e\\a.jpg,0,0,1,1\n",
        "\ufeffFileName;Confidence;XMin;YMin;XMax;YMax;note\r\ne/a.jpg;0.5;1;2;4;8;x\r\nb;;;;;;\r\ne/a.jpg;0.25;0;0;1;1;\r\n",
        "path\tconf\tleft\ttop\tright\tbottom\ne/a.jpg\t0.5\t1\t2\t4\t8\nb\t\t\t\t\t\ne/a.jpg\t0.25\t0\t0\t1\t1\n",
        'image, x, y, width, height, score\n"e/a.jpg", 1, 2, 3, 6, 0.5\nb, , , , ,\n"e/a.jpg", 0, 0, 1, 1, 0.25',
        "image,x1,y1,x2,y2,width,height,score\ne/a.jpg,1,2,4,8,640,480,0.5\nb,,,,,640,480,\ne/a.jpg,0,0,1,1,640,480,0.25\n",
    ],
)
def test_columns_by_name(tmp_path: Path, text: str) -> None:
    assert rows_of(read(tmp_path, text)) == FOUND


def test_names_with_commas_and_line_ends(tmp_path: Path) -> None:
    found = read(tmp_path, 'image,x1,y1,x2,y2,score\n"a, b.jpg",1,2,4,8,0.5\n"c\nd",1,2,4,8,0.5\n')
    assert found.names == ("a, b.jpg", "c\nd")


@pytest.mark.parametrize("space", ["", " "])  # Arrow reads the first, the other one goes row by row
def test_several_categories_need_a_choice(tmp_path: Path, space: str) -> None:
    text = "image,x1,y1,x2,y2,score,class\na,1,2,4,8,0.5,face\na,0,0,1,1,0.25,dog\nb,,,,,,\n".replace(
        ",1,2", f",{space}1,2"
    )
    with pytest.raises(
        ValueError, match=r"expected detections of one category, found dog \(1\), face \(1\); --class NAME"
    ):
        read(tmp_path, text)
    assert rows_of(read(tmp_path, text, category="face")) == {"a": [[1, 2, 4, 8, 0.5]], "b": []}
    with pytest.raises(ValueError, match=r"expected detections of 'cat', found \['dog', 'face'\]"):
        read(tmp_path, text, category="cat")
    without = "image,x1,y1,x2,y2,score\na,1,2,4,8,0.5\n"
    with pytest.raises(ValueError, match=r"1: expected a column category, class or label for --class"):
        read(tmp_path, without, category="face")


HEADING = "expected a heading image,x1,y1,x2,y2,score or image,x,y,w,h,score, each once, found "


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,x1,y1,x2,y2\n", f"1: {HEADING}'image,x1,y1,x2,y2'"),
        ("", f"1: {HEADING}''"),
        ("path,file,x,y,w,h,score\n", f"1: {HEADING}'path,file,x,y,w,h,score' with file, path"),
        ("image,x,y,w,h,score,class,label\n", f"1: {HEADING}'image,x,y,w,h,score,class,label' with class, label"),
        (
            "image;x;y;w;h;score\na;1;2;3;4;0,5\n",
            "2: expected five finite numbers x,y,w,h,score, found '1;2;3;4;0,5'; write decimals with a point",
        ),
        (
            "image,x1,y1,x2,y2,x,y,w,h,score\n",
            f"1: {HEADING}'image,x1,y1,x2,y2,x,y,w,h,score' with x1/y1/x2/y2, x/y/w/h",
        ),
        (
            "image,x,y,w,h,score\na,1,2,3,4,0.5\na,1,2,3,x,0.5\n",
            "3: expected five finite numbers x,y,w,h,score, found '1,2,3,x,0.5'",
        ),
        ("image,x,y,w,h,score\na,1,2,3,4,\n", "2: expected five finite numbers x,y,w,h,score, found '1,2,3,4,'"),
        ("image,x,y,w,h,score\na,1,2,3,4,nan\n", "2: expected five finite numbers x,y,w,h,score, found '1,2,3,4,nan'"),
        ("image,x,y,w,h,score\na,1,2,3,4,inf\n", "2: expected five finite numbers x,y,w,h,score, found '1,2,3,4,inf'"),
        ("image,x,y,w,h,score\n,1,2,3,4,1\n", "2: expected an image, found nothing"),
        ("image,x,y,w,h,score\na,1,2,3,4\n", "2: expected 6 cells as in the heading, found 5"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(ValueError, match="expected") as error:
        read(tmp_path, text)
    assert str(error.value) == f"{tmp_path / 'found.csv'}:{words}"


def test_no_text_and_no_csv(tmp_path: Path) -> None:
    (tmp_path / "found.csv").write_bytes(b"image,x,y,w,h,score\n\xe9,1,2,3,4,5\n")
    with pytest.raises(ValueError, match="expected text in UTF-8"):
        read_csv_predictions(tmp_path / "found.csv")
    with pytest.raises(ValueError, match="expected CSV, found that"):
        read(tmp_path, 'image,x,y,w,h,score\n"a"b,1,2,3,4,x\n')

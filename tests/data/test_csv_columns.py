from __future__ import annotations

import pytest

from pipeline.data.csv_columns import read_heading


@pytest.mark.parametrize(
    ("line", "images", "boxes", "category"),
    [
        ("image,x1,y1,x2,y2\n", ("image",), [("x1", True)], ""),
        ("\ufeffImage, X1, Y1, X2, Y2\r\n", ("image",), [("x1", True)], ""),
        ("filename;width;height;class;xmin;ymin;xmax;ymax\n", ("filename",), [("xmin", True)], "class"),
        ("file_name\tleft\ttop\twidth\theight\n", ("file_name",), [("left", False)], ""),
        ("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax", ("imageid",), [("xmin", True)], "labelname"),
        ('"img","bbox_x","bbox_y","bbox_width","bbox_height"', ("img",), [("bbox_x", False)], ""),
        ("image,x,y,w,h,width,height", ("image",), [("x", False)], ""),
        ("image,path,x1,y1,x2,y2,x,y,w,h", ("image", "path"), [("x1", True), ("x", False)], ""),
        ("a.jpg,1,2,3,4", (), [], ""),
        ("", (), [], ""),
    ],
)
def test_names_as_programs_give_them(
    line: str, images: tuple[str, ...], boxes: list[tuple[str, bool]], category: str
) -> None:
    found = read_heading(line)
    assert (found.images, found.category) == (images, category)
    assert [(box[0], corners) for box, corners in found.boxes] == boxes


def test_columns_that_are_there_in_several_ways_are_named() -> None:
    found = read_heading("image,path,x1,y1,x2,y2,x,y,w,h,score")
    assert found.choices(found.present(("score", "conf"))) == "image, path and x1/y1/x2/y2, x/y/w/h"
    assert read_heading("image,x,y,w,h").choices() == ""


def test_a_first_line_that_is_a_row_is_said() -> None:
    assert read_heading("a.jpg,1,2,3,4").advice == "; that is a row: write the heading above it"
    assert read_heading("image,x1,region").advice == ""

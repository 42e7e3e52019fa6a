from __future__ import annotations

import pytest

from pipeline.data.csv_columns import cells_found, read_heading


@pytest.mark.parametrize(
    ("line", "images", "boxes", "categories"),
    [
        ("image,x1,y1,x2,y2\n", ("image",), [("x1", True)], ""),
        ("\ufeffImage, X1, Y1, X2, Y2\r\n", ("image",), [("x1", True)], ""),
        ("filename;width;height;class;xmin;ymin;xmax;ymax\n", ("filename",), [("xmin", True)], "class"),
        ("file_name\tleft\ttop\twidth\theight\n", ("file_name",), [("left", False)], ""),
        ("ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax", ("imageid",), [("xmin", True)], "labelname"),
        ('"img","bbox_x","bbox_y","bbox_width","bbox_height"', ("img",), [("bbox_x", False)], ""),
        ("image,x,y,w,h,width,height", ("image",), [("x", False)], ""),
        ("file,path,x1,y1,x2,y2,x,y,w,h", ("file", "path"), [("x1", True), ("x", False)], ""),
        ("path,image,xmin,ymin,xmax,ymax,x,y,w,h,label,category", ("image",), [("x", False)], "category"),
        ("image,x1,y1,x2,y2,left,top,right,bottom,class,label", ("image",), [("x1", True)], "class label"),
        ("image,x1,y1,x2,y2,class_id", ("image",), [("x1", True)], "class_id"),
        ("a.jpg,1,2,3,4", (), [], ""),
        ("", (), [], ""),
    ],
)
def test_names_as_programs_give_them(
    line: str, images: tuple[str, ...], boxes: list[tuple[str, bool]], categories: str
) -> None:
    found = read_heading(line)
    assert (found.images, found.categories) == (images, tuple(categories.split()))
    assert [(box[0], corners) for box, corners in found.boxes] == boxes


def test_columns_that_are_there_in_several_ways_are_named() -> None:
    found = read_heading("file,path,x1,y1,x2,y2,x,y,w,h,score,class,label")
    assert found.choices(found.scores) == "file, path and x1/y1/x2/y2, x/y/w/h and class, label"
    assert read_heading("image,x,y,w,h,score,conf").scores == ("score", "conf")
    assert read_heading("image,x,y,w,h").choices() == ""


def test_a_first_line_that_is_a_row_is_said() -> None:
    assert read_heading("a.jpg,1,2,3,4").advice == "; that is a row: write the heading above it"
    assert read_heading("image,x1,region").advice == ""


def test_decimal_commas_are_said() -> None:
    assert cells_found(["1,5", "2", "3", ""], ";") == "'1,5;2;3;'; write decimals with a point"
    assert cells_found(["1,5", "x"], ";") == "'1,5;x'"
    assert cells_found(["1", "x"], ",") == "'1,x'"

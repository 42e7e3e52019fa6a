from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.data.datasets.labels.label_studio import LabelStudio, read_label_studio


def region(kind: str = "rectanglelabels", **changes: Any) -> dict[str, Any]:
    value = {"x": 10, "y": 20.5, "width": 25, "height": 50, "rotation": 0, "rectanglelabels": ["face"]}
    found = {"type": kind, "original_width": 200, "original_height": 100, "value": value}
    value.update({key: changes.pop(key) for key in list(changes) if key in value})
    return {**found, **changes}


def task(image: str = "a.jpg", *regions: Any, **changes: Any) -> dict[str, Any]:
    return {"id": 1, "data": {"image": image}, "annotations": [{"result": list(regions)}], **changes}


def write(folder: Path, *tasks: Any) -> Path:
    file = folder / "tasks.json"
    file.write_text(json.dumps(tasks))
    return file


def test_per_cent_become_pixels(tmp_path: Path) -> None:
    note = {"meta": {"text": ["ignore"]}}
    file = write(tmp_path, task("a.jpg", region(), region(**note)), task("b.jpg"))
    table = read_label_studio(file)
    assert (table.names, table.sizes.tolist()) == (("a.jpg", "b.jpg"), [[200, 100], [0, 0]])
    assert table.boxes.tolist() == [[20, 20.5, 70, 70.5]] * 2
    assert table.ignored.tolist() == [False, True]
    assert LabelStudio.label_form.matches(file)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("/data/upload/3/0123abcd-my%20cat.jpg", "0123abcd-my cat.jpg"),
        ("/data/local-files/?d=set/day/1.jpg", "set/day/1.jpg"),
        ("s3://bucket/day/1.jpg", "day/1.jpg"),
        ("http://localhost:8080/data/upload/1.jpg?x=1", "1.jpg"),
        ("day\\1.jpg", "day/1.jpg"),
    ],
)
def test_names_of_uploads_local_files_and_addresses(tmp_path: Path, text: str, name: str) -> None:
    assert read_label_studio(write(tmp_path, task(text))).names == (name,)


def test_another_field_of_the_task_has_the_image(tmp_path: Path) -> None:
    tasks = [task(), {**task(), "data": {"text": "x", "photo": "/data/upload/b.png"}}]
    assert read_label_studio(write(tmp_path, *tasks)).names == ("a.jpg", "b.png")


def test_json_min(tmp_path: Path) -> None:
    flat = dict(region()["value"])
    short = {"image": "/data/upload/a.jpg", "id": 1, "label": [{**flat, "original_width": 200, "original_height": 100}]}
    assert read_label_studio(write(tmp_path, short)).boxes.tolist() == [[20, 20.5, 70, 70.5]]


def test_what_is_not_taken_is_a_remark(tmp_path: Path) -> None:
    tasks = [
        task("a.jpg", region(), region("polygonlabels"), region("choices")),
        task("b.jpg", region(rotation=90, x=50, y=50, width=10, height=10)),
        {**task("c.jpg"), "annotations": []},
        {**task("d.jpg"), "annotations": [{"was_cancelled": True, "result": []}]},
        {**task("e.jpg"), "annotations": [{"result": [region()]}, {"result": [region(), region()]}]},
    ]
    table = read_label_studio(write(tmp_path, *tasks))
    assert table.names == ("a.jpg", "b.jpg", "e.jpg")
    assert table.boxes[1].tolist() == pytest.approx([90, 50, 100, 70])  # 20 x 10 pixels, about its corner (100, 50)
    assert table.starts.tolist() == [0, 1, 2, 3]
    assert table.remarks == (
        "1 boxes are rotated; the rectangles around them are taken",
        "1 polygons, key points and other shapes are left out",
        "2 tasks have no annotation, and are left out",
        "1 tasks have several annotations, of which the first is taken",
    )


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([3], "[0]: expected a task, found 3"),
        ([task(), task()], "[1]: expected an image of no task before, found 'a.jpg'"),
        (
            [task(), {**task(), "data": {"text": "x"}}],
            '[1].data: expected image: a path or an address, found {"text": "x"}',
        ),
        ([{**task(), "annotations": 3}], "[0].annotations: expected a list of annotations, found 3"),
        ([{**task(), "annotations": [{"result": 3}]}], "[0].annotations[].result: expected a list, found 3"),
        ([task("a", 3)], "[0]: region 0: expected an object with value, found 3"),
        (
            [task("a", region(original_width=None))],
            "[0]: region 0: expected original_width and original_height in pixels, found [None, 100]",
        ),
        (
            [task("a", region(), region(x="1"))],
            '[0]: region 1: expected x, y, width, height in per cent of the image, found ["1", 20.5, 25, 50]',
        ),
    ],
)
def test_mistakes_are_named(tmp_path: Path, tasks: list[Any], words: str) -> None:
    file = write(tmp_path, *tasks)
    with pytest.raises(ValueError, match="expected") as error:
        read_label_studio(file)
    assert str(error.value) == f"{file}: {words}"

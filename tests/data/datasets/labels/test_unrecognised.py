from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.datasets.labels.unrecognised import unrecognised


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            '[{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 1}]',
            "predictions as COCO results; wider8k predictions inspect",
        ),
        ('{"a": 1}', "a JSON object with the keys a"),
        ("", "an empty file"),
        ("<!DOCTYPE html>", "an HTML page (a link's page was saved instead of the file)"),
        ("PK\x03\x04", "a zip archive; unpack it"),
    ],
)
def test_a_file(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "labels.json").write_text(text)
    assert unrecognised(tmp_path / "labels.json").startswith(words)
    assert unrecognised(tmp_path).startswith(f"labels.json: {words}")


def test_an_image_and_folders(tmp_path: Path) -> None:
    assert unrecognised(tmp_path) == "an empty folder"
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/a.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    advice = "; wider8k detect finds faces in images"
    assert unrecognised(tmp_path / "deep/a.jpg") == f"a JPEG image{advice}"
    assert unrecognised(tmp_path) == f"1 images without labels{advice}"
    for name in "abc":
        (tmp_path / f"deep/{name}.txt").write_text(name)
    words = "deep/a.txt: text that starts with 'a', deep/b.txt: text that starts with 'b' and 1 more beside 1 images"
    assert unrecognised(tmp_path) == f"{words}{advice}"
    for name in "abc":
        (tmp_path / f"deep/{name}.txt").write_text("alike")
    assert unrecognised(tmp_path) == f"deep/a.txt: text that starts with 'alike' and 2 more beside 1 images{advice}"
    (tmp_path / "deep/a.jpg").unlink()
    assert unrecognised(tmp_path) == "deep/a.txt: text that starts with 'alike' and 2 more"


def test_a_heading_of_other_columns(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ufefffile,region\r\n1,2\n")
    words = "a.csv: the heading 'file,region' in place of image,x1,y1,x2,y2 or image,x,y,w,h"
    assert unrecognised(tmp_path) == words

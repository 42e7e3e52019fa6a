from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipeline.data.predictions.forms import FORMS, predictions_of_form, recognise


def write(folder: Path, **texts: str) -> Path:
    for name, text in texts.items():
        file = folder / name.replace("__", "/").replace("_dot_", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return folder


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a.jpg\n1\n1 2 3 4 0.5\n", "wider_text"),
        ("1004109301\n0\n", "wider_text"),
        ("2002/08/11/big/img_591\n1\n1 2 3 4 0.5\n", "fddb"),
        ("a.jpg 0.5 1 2 3 4\nb 0.25 1 2 3 4\n", "rows"),
        ("7 0.5 1 2 3 4\n", "rows"),
        ('[{"image_id": 1}]', "coco_results"),
        ("[]", "coco_results"),
        ('[\n{"image": "a", "width": 4, "height": 4, "boxes": [], "scores": []}', "detect_json"),
        ("image,score,x,y,w,h\n", "csv"),
        ("FileName;Confidence;xmin;ymin;xmax;ymax\n", "csv"),
    ],
)
def test_a_file_is_recognised_by_its_content(tmp_path: Path, text: str, form: str) -> None:
    (tmp_path / "found.dat").write_text(text)
    assert recognise(tmp_path / "found.dat") == (form, tmp_path / "found.dat")


def test_folders(tmp_path: Path) -> None:
    wider = write(tmp_path / "wider", e__a_dot_txt="a\n1\n1,2,3,4,0.5\n", readme="hello")
    assert recognise(wider) == ("wider_text", wider)
    folds = write(tmp_path / "fddb", **{"fold-01-out_dot_txt": "2002/a\n1\n1 2 3 4 5\n"})
    assert recognise(folds) == ("fddb", folds)
    yolo = write(tmp_path / "yolo", labels__a_dot_txt="0 0.5 0.5 0.1 0.1 0.9\n", labels__b_dot_txt="")
    assert recognise(yolo) == ("yolo", yolo)
    results = write(tmp_path / "coco", found_dot_json="[]", other_dot_json="{}", photo_dot_jpg="x")
    assert recognise(results) == ("coco_results", results / "found.json")
    assert predictions_of_form(yolo, "yolo") == yolo


def test_a_mistake_says_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no predictions at"):
        recognise(tmp_path / "gone")
    with pytest.raises(ValueError, match=r"found nothing in it$"):
        recognise(tmp_path)
    both = write(tmp_path / "both", a_dot_csv="image,x,y,w,h,score\n", b_dot_json="[]")
    with pytest.raises(
        ValueError, match=r"one form, found CSV \(csv: a\.csv\), COCO results \(coco_results: b\.json\); --form"
    ):
        recognise(both)
    assert predictions_of_form(both, "csv") == both / "a.csv"
    mixed = write(tmp_path / "mixed", a_dot_txt="a\n1\n1 2 3 4 5\n", b_dot_txt="0 0.5 0.5 0.1 0.1 0.9\n")
    with pytest.raises(ValueError, match=r"found WIDER text \(wider_text\), YOLO text with confidences \(yolo\)"):
        recognise(mixed)
    (tmp_path / "page.html").write_text("<html>")
    with pytest.raises(
        ValueError, match=r"page\.html: expected predictions as WIDER text \(wider_text\), .* found an HTML page"
    ):
        recognise(tmp_path / "page.html")
    prose = write(tmp_path / "prose", notes_dot_txt="hello\nworld\n")
    with pytest.raises(ValueError, match=r"found notes\.txt that starts with \['hello'\]"):
        recognise(prose)
    shutil.rmtree(prose)
    with pytest.raises(ValueError, match="found no text, but photo.jpg; wider8k detect finds faces in images"):
        recognise(write(prose, photo_dot_jpg="x"))


def test_a_form_that_is_given(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no form of predictions is called 'yol' \\(did you mean 'yolo'"):
        predictions_of_form(tmp_path, "yol")
    with pytest.raises(FileNotFoundError, match="expected COCO results"):
        predictions_of_form(tmp_path / "gone", "coco_results")
    with pytest.raises(ValueError, match=r"expected one \.json file, found none"):
        predictions_of_form(tmp_path, "coco_results")
    assert list(FORMS) == [*("wider_text", "coco_results", "yolo", "csv", "fddb", "rows", "detect_json", "dump")]

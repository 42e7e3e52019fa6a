from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import pipeline
from pipeline.evaluation.evaluate_benchmark import evaluate_benchmark
from pipeline.evaluation.evaluate_files import read_inputs

LABELS = {"a": [[0, 0, 99, 99], [200, 0, 219, 19]], "c": [[0, 0, 50, 50]]}
FOUND = {"a": [[0, 0, 99, 99, 3.0], [500, 500, 540, 540, 2.5], [200, 0, 219, 19, 1.0]], "c": [[0, 0, 50, 50, 2.0]]}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """The same as rows and as CSV."""
    rows, labels = tmp_path / "rows.txt", tmp_path / "labels.csv"
    rows.write_text("".join(f"{n} {r[4]} {' '.join(map(str, r[:4]))}\n" for n, given in FOUND.items() for r in given))
    lines = [f"{n}.jpg,{','.join(map(str, box))}" for n, boxes in LABELS.items() for box in boxes]
    labels.write_text("\n".join(["image,x1,y1,x2,y2", *lines]) + "\n")
    return rows, labels


@pytest.mark.parametrize("protocol", ["wider", "voc", "coco"])
def test_paths_and_arrays_give_the_same_digits(files: tuple[Path, Path], protocol: str) -> None:
    by_path = pipeline.evaluate(*files, protocol=protocol)  # type: ignore[arg-type]
    by_array = pipeline.evaluate(FOUND, LABELS, protocol=protocol)  # type: ignore[arg-type]
    np.testing.assert_equal(dict(by_path.ap), dict(by_array.ap))
    assert by_path.faces == by_array.faces == {"all": 3}
    assert by_path.images == by_array.images == 2
    assert by_path.protocol["name"] == protocol


def test_the_three_rules_by_hand() -> None:
    # Hits at ranks 1, 3 and 4 of 3 faces: the envelope is 1, 3/4, 3/4.
    for protocol in ("wider", "voc"):
        result = pipeline.evaluate(FOUND, LABELS, protocol=protocol)  # type: ignore[arg-type]
        assert result.ap["all"] == pytest.approx((1 + 0.75 + 0.75) / 3)
    coco = pipeline.evaluate(FOUND, LABELS, protocol="coco")
    assert coco.ap["ap50"] == pytest.approx((34 + 67 * 0.75) / 101)
    assert set(coco.ap) == {"ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"}


def test_coco_and_voc_are_those_of_the_command(files: tuple[Path, Path]) -> None:
    for protocol, benchmark in (("voc", "pascal"), ("coco", "coco")):
        theirs = evaluate_benchmark(benchmark, *files).content  # type: ignore[arg-type]
        ours = pipeline.evaluate(*files, protocol=protocol).ap  # type: ignore[arg-type]
        assert ours["all" if protocol == "voc" else "ap"] == theirs["ap"]


def test_ignored_faces_of_a_file_are_neither_missed_nor_false_alarms(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2,ignore\na,0,0,99,99,\na,200,0,219,19,1\n")
    found = {"a": [[200, 0, 219, 19, 0.9], [0, 0, 99, 99, 0.5]]}
    for protocol in ("wider", "voc"):
        result = pipeline.evaluate(found, labels, protocol=protocol)  # type: ignore[arg-type]
        assert (result.ap["all"], result.faces["all"]) == (1, 1)


def test_an_image_without_predictions_is_missed_and_listed() -> None:
    result = pipeline.evaluate({"a": FOUND["a"][:1]}, LABELS)
    assert result.ap["all"] == pytest.approx(1 / 3)
    assert result.problems["missing"] == ["c"]
    text = str(result)
    assert text.startswith(
        "AP all 33.33 by WIDER FACE's rule at IoU 0.5, sides one pixel larger; 2 images, faces: 3 all"
    )
    assert "missing: c" in text


def test_what_cannot_be_meant_is_refused(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="protocol: expected one of wider, voc, coco, found 'pascal'"):
        pipeline.evaluate(FOUND, LABELS, protocol="pascal")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="labels: expected faces that count, found none in 1 images"):
        pipeline.evaluate({"a": []}, {"a": []})
    with pytest.raises(FileNotFoundError, match="no labels at"):
        pipeline.evaluate(FOUND, tmp_path / "nowhere.csv")
    (tmp_path / "gt").mkdir()
    (tmp_path / "gt" / "wider_face_val.mat").touch()
    with pytest.raises(FileNotFoundError, match="lacks wider_easy_val.mat"):
        pipeline.evaluate(FOUND, tmp_path / "gt")
    with pytest.raises(ValueError, match="go with protocol 'wider' alone, found 'voc'"):
        pipeline.evaluate(FOUND, tmp_path / "gt", protocol="voc")


@pytest.mark.wider
def test_official_files_give_the_commands_ap_by_path_and_by_array(shared: Path) -> None:
    source = shared / "data/predictions/rfb_1mb_320.tar.gz"
    truth = next((shared / "data/wider_val_gt").rglob("wider_face_val.mat")).parent
    inputs = read_inputs(source, truth)
    expected = inputs.evaluate()
    by_path = pipeline.evaluate(source, truth)
    arrays = {name: np.c_[boxes, scores] for name, (boxes, scores) in inputs.predictions.by_image()}
    by_array = pipeline.evaluate(arrays, truth)
    assert dict(by_path.ap) == dict(by_array.ap) == dict(expected.ap)
    assert by_path.faces == {"easy": 7211, "medium": 13319, "hard": 31958}
    assert round(100 * by_path.ap["hard"], 2) == 36.31


def test_an_ap_that_does_not_exist_is_a_dash() -> None:
    coco = pipeline.evaluate({"a": [[0, 0, 99, 99, 1]]}, {"a": [[0, 0, 99, 99]]}, protocol="coco")
    assert math.isnan(coco.ap["ap_small"])
    assert "ap_small -" in str(coco)

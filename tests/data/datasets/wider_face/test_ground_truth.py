from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.wider_face.ground_truth import (
    WiderGroundTruth,
    ground_truth_of,
    is_official,
    load_ground_truth,
)
from pipeline.data.records import Sample
from tests.counted_text import Counted, counted

_WIDE = [[1, 2, 3, 4]] * 300


def _cells(*values: object) -> np.ndarray:
    column = np.empty((len(values), 1), object)
    for row, value in enumerate(values):
        column[row, 0] = value
    return column


def _write(folder: Path, kept: list[np.ndarray]) -> Path:
    events = _cells("0--Parade", "1--Hand")
    files = _cells(_cells("a", "b"), _cells("c"))
    faces = [np.array(_WIDE, np.int32), np.array([[9, 9, -2, 5]], np.int32), np.array([[0, 0, 10, 10]], np.int32)]
    boxes = _cells(_cells(*faces[:2]), _cells(faces[2]))
    base = {"event_list": events, "file_list": files, "face_bbx_list": boxes}
    scipy.io.savemat(folder / "wider_face_val.mat", base)
    lists = _cells(_cells(*kept[:2]), _cells(kept[2]))
    for level in ("easy", "medium", "hard"):
        scipy.io.savemat(folder / f"wider_{level}_val.mat", {**base, "gt_list": lists})
    return folder


def test_positions_are_one_based_and_widened(tmp_path: Path) -> None:
    kept = [np.array([[1], [255], [300]], np.uint16), np.zeros((0, 0), np.uint8), np.array([[1]], np.uint8)]
    truth = load_ground_truth(_write(tmp_path, kept))
    assert truth.image_ids == ("0--Parade/a", "0--Parade/b", "1--Hand/c")
    assert np.flatnonzero(truth.counts["easy"][0]).tolist() == [0, 254, 299]
    assert truth.counts["hard"][1].tolist() == [False]
    assert truth.boxes[1].tolist() == [[9, 9, 7, 14]]  # width -2 stays as published
    assert truth.boxes[2].dtype == np.float64


def test_a_kept_face_that_does_not_exist(tmp_path: Path) -> None:
    kept = [np.array([[301]], np.uint16), np.zeros((0, 0), np.uint8), np.array([[1]], np.uint8)]
    with pytest.raises(ValueError, match="0--Parade/a keeps face 301, but it has 300 faces"):
        load_ground_truth(_write(tmp_path, kept))


def test_missing_and_broken_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"lacks wider_face_val\.mat, wider_easy_val\.mat"):
        load_ground_truth(tmp_path)
    kept = [np.array([[1]], np.uint8)] * 3
    _write(tmp_path, kept)
    scipy.io.savemat(tmp_path / "wider_medium_val.mat", {"other": 1})
    with pytest.raises(ValueError, match=r"wider_medium_val\.mat has no variable gt_list"):
        load_ground_truth(tmp_path)
    (tmp_path / "wider_medium_val.mat").write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"wider_medium_val\.mat cannot be read as a MATLAB file"):
        load_ground_truth(tmp_path)
    _write(tmp_path, kept)
    scipy.io.savemat(tmp_path / "wider_hard_val.mat", {"gt_list": _cells(_cells(kept[0]))})
    with pytest.raises(ValueError, match=r"wider_hard_val\.mat has 1 images, expected 3"):
        load_ground_truth(tmp_path)


def test_lists_of_other_images_are_refused(tmp_path: Path) -> None:
    kept = [np.array([[1]], np.uint8)] * 3
    _write(tmp_path, kept)
    lists = {"gt_list": _cells(_cells(*kept[:2]), _cells(kept[2])), "event_list": _cells("0--Parade", "1--Hand")}
    other = {**lists, "file_list": _cells(_cells("b", "a"), _cells("c"))}
    scipy.io.savemat(tmp_path / "wider_easy_val.mat", other)
    with pytest.raises(
        ValueError, match=r"wider_easy_val\.mat: file_list: expected 0--Parade/a as in .*, found 0--Parade/b"
    ):
        load_ground_truth(tmp_path)


@pytest.mark.parametrize(
    ("faces", "says"),
    [
        (np.ones((4, 5)), r"boxes of shape \(4, 5\)"),  # as many numbers as five boxes have
        (np.array([[1, 2, np.nan, 4]]), "a box that is not finite"),
        (np.array([[1, 2, np.inf, 4]]), "a box that is not finite"),
        (np.ones(4), r"boxes of shape \(1, 4\)|face"),
    ],
)
def test_boxes_that_are_none_are_refused(tmp_path: Path, faces: np.ndarray, says: str) -> None:
    kept = [np.array([[1]], np.uint8)] * 3
    _write(tmp_path, kept)
    boxes = _cells(_cells(faces, np.ones((1, 4))), _cells(np.ones((1, 4))))
    files = {"event_list": _cells("0--Parade", "1--Hand"), "file_list": _cells(_cells("a", "b"), _cells("c"))}
    scipy.io.savemat(tmp_path / "wider_face_val.mat", {**files, "face_bbx_list": boxes})
    if faces.ndim == 1:
        assert load_ground_truth(tmp_path).boxes[0].tolist() == [[1, 1, 2, 2]]
        return
    with pytest.raises(ValueError, match=rf"wider_face_val\.mat: expected per event .*{says}"):
        load_ground_truth(tmp_path)


def test_tables_that_do_not_fit_together_name_their_file(tmp_path: Path) -> None:
    kept = [np.array([[1]], np.uint8)] * 3
    _write(tmp_path, kept)
    files = {"event_list": _cells("0--Parade", "1--Hand"), "file_list": _cells(_cells("a", "b"), _cells("c"))}
    one = np.ones((1, 4))
    for boxes in (_cells(_cells(one, one)), _cells(_cells(one), _cells(one)), np.ones((2, 1))):
        scipy.io.savemat(tmp_path / "wider_face_val.mat", {**files, "face_bbx_list": boxes})
        with pytest.raises(ValueError, match=r"wider_face_val\.mat: expected per event its images"):
            load_ground_truth(tmp_path)
    twice = {**files, "file_list": _cells(_cells("a", "a"), _cells("c"))}
    scipy.io.savemat(tmp_path / "wider_face_val.mat", {**twice, "face_bbx_list": _cells(_cells(one, one), _cells(one))})
    for level in ("easy", "medium", "hard"):
        lists = {**twice, "gt_list": _cells(_cells(*kept[:2]), _cells(kept[2]))}
        scipy.io.savemat(tmp_path / f"wider_{level}_val.mat", lists)
    with pytest.raises(ValueError, match=r"wider_face_val\.mat: image 0--Parade/a is listed twice"):
        load_ground_truth(tmp_path)


def test_restrict_keeps_the_order_and_names_strangers() -> None:
    faces = np.zeros((1, 4))
    truth = WiderGroundTruth(("a", "b", "c"), (faces,) * 3, {"easy": (np.ones(1, bool),) * 3})
    assert truth.restrict(["c", "a", "c"]).image_ids == ("a", "c")
    with pytest.raises(ValueError, match="1 images are not in the ground truth: d"):
        truth.restrict(["a", "d"])


def test_a_part_costs_as_much_as_it_is_large() -> None:
    names, faces = counted([f"e/{number}" for number in range(1000)]), np.zeros((0, 4))
    truth = WiderGroundTruth(tuple(names), (faces,) * 1000, {"easy": (np.zeros(0, bool),) * 1000})
    for name in names:
        assert truth.restrict([name]).image_ids == (name,)
    assert Counted.looks < 20 * len(names)


def test_lengths_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="easy has 0 images, expected 1"):
        WiderGroundTruth(("a",), (np.zeros((1, 4)),), {"easy": ()})
    with pytest.raises(ValueError, match=r"expected \(2, 4\) as in easy"):
        WiderGroundTruth(("a",), (np.zeros((1, 4)),), {"easy": (np.ones(2, bool),)})


def test_ground_truth_of_samples() -> None:
    boxes = np.array([[1, 2, 3, 4]], np.float32)
    plain = Sample("a", "a.jpg", "", 9, 9, boxes)
    labelled = Sample("b", "b.jpg", "", 9, 9, boxes, levels={"easy": np.zeros(1, bool), "hard": np.ones(1, bool)})
    truth = ground_truth_of([plain, labelled])
    assert truth.boxes[0].tolist() == [[1, 2, 3, 4]]
    assert [flags.tolist() for flags in truth.counts["easy"]] == [[True], [False]]
    assert [flags.tolist() for flags in truth.counts["medium"]] == [[True], [True]]


@pytest.mark.wider
def test_official_files(shared: Path) -> None:
    truth = load_ground_truth(shared / "data" / "wider_val_gt")
    assert (len(truth.image_ids), sum(map(len, truth.boxes))) == (3226, 39708)
    kept = {level: int(sum(flags.sum() for flags in column)) for level, column in truth.counts.items()}
    assert kept == {"easy": 7211, "medium": 13319, "hard": 31958}
    empty = {level: sum(not flags.any() for flags in column) for level, column in truth.counts.items()}
    assert empty == {"easy": 622, "medium": 207, "hard": 7}


def test_one_of_the_four_files_makes_a_folder_official(tmp_path: Path) -> None:
    assert not is_official(tmp_path) and not is_official(tmp_path / "gone")
    (tmp_path / "wider_easy_val.mat").touch()
    assert is_official(tmp_path) and not is_official(tmp_path / "wider_easy_val.mat")

"""The .mat annotation says what the text says, but for the one box known to differ."""

from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from pipeline.data.datasets.wider_face.annotation import COLUMNS, read_wider_annotation
from pipeline.data.datasets.wider_face.ground_truth import WiderGroundTruth, load_ground_truth
from pipeline.data.datasets.wider_face.mat_annotation import mat_annotation, read_attributes


@pytest.mark.wider
def test_text_and_mat_agree_but_for_one_box(shared: Path) -> None:
    folder = shared / "data" / "wider_val_gt"
    text = read_wider_annotation(folder / "wider_face_val_bbx_gt.txt")
    mat = mat_annotation(load_ground_truth(folder), folder)
    position = {name: index for index, name in enumerate(text.names)}
    assert set(mat.names) == set(position)
    different = []
    for index, name in enumerate(mat.names):
        first, second = text.faces(position[name]), mat.faces(index)
        rows = np.flatnonzero((first != second).any(axis=1))
        different += [(name, first[row].tolist()[:4], second[row].tolist()[:4]) for row in rows]
    assert different == [
        ("39--Ice_Skating/39_Ice_Skating_iceskiing_39_583.jpg", [1026, 474, 0, 23], [1026, 474, -2, 23])
    ]


@pytest.mark.wider
def test_attributes_of_some_images_in_any_order(shared: Path) -> None:
    folder = shared / "data" / "wider_val_gt"
    mat = mat_annotation(load_ground_truth(folder), folder)
    places = [*range(3225, 0, -500), 3]
    found = read_attributes(folder, [mat.names[place].removesuffix(".jpg") for place in places])
    rows = np.concatenate([mat.faces(place) for place in places])
    assert list(found) == list(COLUMNS[4:])
    assert all(np.array_equal(values, rows[:, 4 + column]) for column, values in enumerate(found.values()))
    assert found["blur"].any() and found["occlusion"].any()
    with pytest.raises(
        ValueError, match="wider_face_val.mat: expected attributes per event and image, found 'e/stranger'"
    ):
        read_attributes(folder, ["e/stranger"])


def test_a_file_without_attributes_has_none(tmp_path: Path) -> None:
    events, names, files = (np.empty((1, 1), object) for _ in range(3))
    events[0, 0], names[0, 0], files[0, 0] = "e", "a", names
    savemat(tmp_path / "wider_face_val.mat", {"event_list": events, "file_list": files})
    assert read_attributes(tmp_path, ["e/a"]) == {}


def test_missing_and_short_attributes_are_named(tmp_path: Path) -> None:
    truth = WiderGroundTruth(("0--A/x",), (np.zeros((2, 4)),), {})
    savemat(tmp_path / "wider_face_val.mat", {"blur_label_list": np.zeros((0, 1))})
    with pytest.raises(ValueError, match="no variable expression_label_list"):
        mat_annotation(truth, tmp_path)
    inner = np.empty((1, 1), object)
    inner[0, 0] = np.zeros((1, 1), np.uint8)
    outer = np.empty((1, 1), object)
    outer[0, 0] = inner
    names = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    savemat(tmp_path / "wider_face_val.mat", {f"{name}_label_list": outer for name in names})
    with pytest.raises(ValueError, match="blur has 1 values for 2 faces"):
        mat_annotation(truth, tmp_path)


def test_boxes_of_parts_of_pixels_are_not_cut_without_a_word(tmp_path: Path) -> None:
    truth = WiderGroundTruth(("0--A/x",), (np.array([[1, 2, 4.5, 9]]),), {})
    with pytest.raises(
        ValueError, match=r"wider_face_val\.mat: face_bbx_list: expected whole pixels, found \[1\.0, 2\.0, 3\.5"
    ):
        mat_annotation(truth, tmp_path)


def test_a_file_that_is_cut_off_or_built_otherwise_is_named(tmp_path: Path) -> None:
    truth = WiderGroundTruth(("0--A/x",), (np.zeros((2, 4)),), {})
    names = ("blur", "expression", "illumination", "invalid", "occlusion", "pose")
    file = tmp_path / "wider_face_val.mat"
    savemat(file, {f"{name}_label_list": np.arange(3) for name in names})
    with pytest.raises(ValueError, match=f"^{file}: expected attributes per event and image"):
        mat_annotation(truth, tmp_path)
    for content in (file.read_bytes()[:200], b"", b"<html>"):
        file.write_bytes(content)
        with pytest.raises(ValueError, match=f"^{file} cannot be read as a MATLAB file"):
            mat_annotation(truth, tmp_path)

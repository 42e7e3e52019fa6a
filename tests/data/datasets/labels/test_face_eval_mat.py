from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.labels.face_eval_mat import read_face_eval_mat


def _annotations(*images: tuple[str, object]) -> np.ndarray:
    table = np.empty((len(images), 1), [("imgname", object), ("objects", object)])
    for row, (name, objects) in enumerate(images):
        table[row, 0] = (name, np.asarray(objects))
    return table


def test_the_toolbox_form(tmp_path: Path) -> None:
    six = np.array([[1, 2, 300, 4, 0, 0], [5, 6, 7, 8, 0, 1]], np.uint16)
    four = np.array([[1.5, 2, 3, 4]])
    content = {"Annotations": _annotations(("2007_000272.jpg", six), ("b.jpg", np.zeros((0, 0))), ("c.jpg", four))}
    scipy.io.savemat(tmp_path / "pascal.mat", content)
    labels = read_face_eval_mat(tmp_path / "pascal.mat").box_labels()
    assert labels.image_ids == ("2007_000272.jpg", "b.jpg", "c.jpg")
    assert labels.boxes[0].tolist() == [[1, 2, 300, 4], [5, 6, 7, 8]]
    assert labels.ignored[0].tolist() == [False, True]
    assert labels.boxes[1].shape == (0, 4)
    assert labels.boxes[2].tolist() == [[1.5, 2, 3, 4]]
    assert labels.faces == 2


def test_the_form_of_afw(tmp_path: Path) -> None:
    boxes = np.empty((1, 2), object)
    boxes[0, 0], boxes[0, 1] = np.array([[1, 2], [3, 4]], np.uint8), np.array([[5.5, 6], [7, 8]])
    anno = np.empty((2, 4), object)
    anno[0] = ["1004109301.jpg", boxes, 0, 0]
    anno[1] = ["b.jpg", np.empty((1, 0), object), 0, 0]
    scipy.io.savemat(tmp_path / "anno.mat", {"anno": anno})
    labels = read_face_eval_mat(tmp_path / "anno.mat").box_labels()
    assert labels.image_ids == ("1004109301.jpg", "b.jpg")
    assert labels.boxes[0].tolist() == [[1, 2, 3, 4], [5.5, 6, 7, 8]]
    assert labels.faces == 2


def test_mistakes_are_named(tmp_path: Path) -> None:
    file = tmp_path / "x.mat"
    file.write_bytes(b"no MATLAB")
    with pytest.raises(ValueError, match="cannot be read as a MATLAB file"):
        read_face_eval_mat(file)
    scipy.io.savemat(file, {"Annotations": np.zeros((3, 4))})
    with pytest.raises(ValueError, match=r"x\.mat: expected a variable Annotations with imgname and objects, or anno"):
        read_face_eval_mat(file)
    scipy.io.savemat(file, {"Annotations": _annotations(("a.jpg", np.zeros((2, 4))), ("b.jpg", np.zeros((2, 3))))})
    with pytest.raises(ValueError, match=r"Annotations\(2\): expected the name of an image and its boxes, found"):
        read_face_eval_mat(file)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.predictions.sizes import sizes_by_labels, sizes_in_folder


def photograph(file: Path, width: int, height: int) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_png(np.zeros((height, width, 3), np.uint8)))


def test_a_folder_of_images(tmp_path: Path) -> None:
    photograph(tmp_path / "deep/a.png", 40, 30)
    photograph(tmp_path / "b.png", 20, 10)
    assert sizes_in_folder(tmp_path, ["b.png", "x", "a", "deep/a.png"]).tolist() == [
        [20, 10],
        [0, 0],
        [40, 30],
        [40, 30],
    ]
    with pytest.raises(FileNotFoundError, match="--image-folder .*gone: expected a folder, found none"):
        sizes_in_folder(tmp_path / "gone", [])


def test_labels_that_have_sizes_and_images_beside_them(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2,width,height\na.png,1,2,3,4,64,32\nb.png,1,2,3,4,,\nc.png,1,2,3,4,,\n")
    photograph(tmp_path / "images/b.png", 20, 10)
    photograph(tmp_path / "images/a.png", 9, 9)  # the labels are about 64 x 32
    assert sizes_by_labels(labels, ["c.png", "b.png", "a.png", "x"]).tolist() == [[0, 0], [20, 10], [64, 32], [0, 0]]


def test_labels_with_several_kinds_of_objects(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("image,x1,y1,x2,y2,width,height,category\na.png,1,2,3,4,64,32,face\na.png,1,2,3,4,64,32,dog\n")
    assert sizes_by_labels(labels, ["a.png"], "face").tolist() == [[64, 32]]
    with pytest.raises(ValueError, match="--category NAME"):
        sizes_by_labels(labels, ["a.png"])

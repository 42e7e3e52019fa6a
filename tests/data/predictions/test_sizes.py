from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_png
from pipeline.data.predictions.sizes import sizes_in_folder


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

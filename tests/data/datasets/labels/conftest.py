"""A small set of labelled images, as a table that every form can be written from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pipeline.data.datasets.labels.label_table import LabelOptions, LabelTable, LabelTableBuilder
from pipeline.data.images import encode_jpeg

SIZES = {"a.jpg": (160, 120), "deep/b.jpg": (120, 200), "deep/er/c d.jpg": (100, 100)}
POINTS = [12.5, 15, 22, 15.25, 17, 20, 13, 25, 21, 25.5]


@pytest.fixture
def small() -> LabelTable:
    """Two images with faces, of which one is ignored and one has landmarks, and one image without any."""
    builder = LabelTableBuilder()
    places = {name: builder.image(name, size) for name, size in SIZES.items()}
    builder.face(places["a.jpg"], (10, 10.5, 25.25, 30), "face", landmarks=POINTS)
    builder.face(places["a.jpg"], (40, 50, 100, 119.875), "face")
    builder.face(places["deep/b.jpg"], (0, 0, 60, 80), "face")
    builder.face(places["deep/b.jpg"], (70, 90, 90, 120), "face", ignored=True)
    return builder.build(Path("small"), LabelOptions())


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder `images` with the images of `small`."""
    for name, (width, height) in SIZES.items():
        file = tmp_path / "photographs/images" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((height, width, 3), 90, np.uint8)
        file.write_bytes(encode_jpeg(pixels))
    return tmp_path / "photographs"

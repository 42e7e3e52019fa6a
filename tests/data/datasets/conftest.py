"""Small datasets on disk, written for each test."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipeline.data.images import encode_jpeg

WIDER_TEXT = """\
0--Parade/b.jpg
2
10 20 60 70 1 0 1 0 2 0 
5 5 -2 0 0 1 0 1 0 1 
0--Parade/a.jpg
0
0 0 0 0 0 0 0 0 0 0 
1--Handshaking/c.jpg
1
1 2 3 30 0 0 0 0 0 0 
"""


def _write_image(file: Path, width: int = 40, height: int = 30) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(encode_jpeg(np.full((height, width, 3), 90, np.uint8)))
    return file


@pytest.fixture
def write_image() -> Callable[..., Path]:
    """Writes a plain JPEG of (file, width=40, height=30), folders included."""
    return _write_image


@pytest.fixture
def wider_root(tmp_path: Path) -> Path:
    """Three images of WIDER FACE training in the official layout."""
    root = tmp_path / "wider"
    for name in ("0--Parade/a", "0--Parade/b", "1--Handshaking/c"):
        _write_image(root / "WIDER_train" / "images" / f"{name}.jpg")
    (root / "wider_face_split").mkdir()
    (root / "wider_face_split" / "wider_face_train_bbx_gt.txt").write_text(WIDER_TEXT)
    return root

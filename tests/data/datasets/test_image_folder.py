"""A folder of images without labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.datasets import ImageFolder


def test_images_below_a_folder(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for name in ("b.jpg", "sub/a.JPG", "sub/.a.jpg", "notes.txt"):
        write_image(tmp_path / name, 21, 11)
    data = ImageFolder()
    entries = data.entries(str(tmp_path))
    assert [(entry.image_id, entry.path) for entry in entries] == [("b.jpg", "b.jpg"), ("sub/a.JPG", "sub/a.JPG")]
    sample = data.open(str(tmp_path))(entries[1])
    assert (sample.width, sample.height, sample.boxes.shape, sample.error) == (21, 11, (0, 4), None)
    assert data.image_bytes(str(tmp_path), "sub/a.JPG") == (tmp_path / "sub/a.JPG").read_bytes()


def test_no_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image below .*looked for \.jpg"):
        ImageFolder().entries(str(tmp_path))


@pytest.mark.wider
def test_orientation_tags_of_the_real_images(shared: Path) -> None:
    # None of the 513 photographs is turned by its tag, so their published boxes need no turning either.
    from PIL import Image

    root = shared / "data" / "wider_images"
    entries = ImageFolder().entries(str(root))
    assert len(entries) == 513
    tags = set()
    for entry in entries:
        with Image.open(root / entry.path) as image:
            tags.add(image.getexif().get(0x0112, 1))
    assert tags == {1}

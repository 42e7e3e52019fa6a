"""A folder of images without labels."""

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.data.datasets import ImageFolder
from pipeline.data.images import ImageError, decode
from tests.data.photograph_forms import photograph_forms, preview_first


def test_images_below_a_folder(tmp_path: Path, write_image: Callable[..., Path]) -> None:
    for name in ("b.jpg", "sub/a.JPG", "sub/.a.jpg"):
        write_image(tmp_path / name, 21, 11)
    (tmp_path / "notes.txt").write_text("a text")
    data, said = ImageFolder(), list[str]()
    entries = data.entries(str(tmp_path), said.append)
    assert [(entry.image_id, entry.path) for entry in entries] == [("b.jpg", "b.jpg"), ("sub/a.JPG", "sub/a.JPG")]
    assert said == ["skipped 2 files and folders; 1 hidden: sub/.a.jpg; 1 that are no images: notes.txt"]
    sample = data.open(str(tmp_path))(entries[1])
    assert (sample.width, sample.height, sample.boxes.shape, sample.error) == (21, 11, (0, 4), None)
    assert data.image_bytes(str(tmp_path), "sub/a.JPG") == (tmp_path / "sub/a.JPG").read_bytes()


def test_no_image_is_an_error_that_tells_what_there_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no image below .*: expected JPEG, PNG, .*JPEG 2000$"):
        ImageFolder().entries(str(tmp_path))
    (tmp_path / "table.csv").write_text("1,2")
    with pytest.raises(FileNotFoundError, match=r"skipped 1 files and folders; 1 that are no images: table\.csv"):
        ImageFolder().entries(str(tmp_path))


def test_what_an_image_is_its_bytes_tell_and_a_name_that_claims_to_be_one(tmp_path: Path) -> None:
    read = photograph_forms(tmp_path)
    broken = {
        "empty.jpg": ("the file is empty", b""),
        "page.png": ("not an image", b"<html>not found</html>"),
        "iphone.heic": ("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(99)),
        "bare": ("a JPEG XL image, which cannot be read here", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(99)),
        "raw.dng": ("begins with a preview of 32 x 24 pixels", preview_first()),
        "cut.webp": ("damaged", (tmp_path / "a.webp").read_bytes()[:-40]),
    }
    for name, (_, data) in broken.items():
        (tmp_path / name).write_bytes(data)
    none = {
        "clip.mp4": b"\0\0\0\x18ftypisom" + bytes(99),
        "BM.txt": b"BM is no image, and this is a text",
        "nothing": b"",
    }
    for name, data in none.items():
        (tmp_path / name).write_bytes(data)
    said = list[str]()
    entries = ImageFolder().entries(str(tmp_path), said.append)
    assert {entry.path for entry in entries} == read | broken.keys()
    assert said == ["skipped 3 files and folders; 3 that are no images: BM.txt, clip.mp4, nothing"]
    reader = ImageFolder().open(str(tmp_path))
    for entry in entries:
        sample = reader(entry)
        if entry.path in read:
            assert (sample.error, sample.width, sample.height) == (None, 160, 120), entry.path
            assert decode((tmp_path / entry.path).read_bytes()).shape == (120, 160, 3), entry.path
        else:
            assert broken[entry.path][0] in str(sample.error), entry.path
            with pytest.raises(ImageError, match=broken[entry.path][0]):
                decode((tmp_path / entry.path).read_bytes())


@pytest.mark.parametrize("there", [False, True])
def test_pages_that_are_not_used_are_counted(tmp_path: Path, stored: Callable[[Path], str], there: bool) -> None:
    folder = tmp_path / "forms"
    folder.mkdir()
    photograph_forms(folder)
    paths = sorted(file.name for file in folder.iterdir())
    table = pa.table({"path": paths, "width": [160] * len(paths), "height": [120] * len(paths)})
    assert ImageFolder().review(stored(folder) if there else str(folder), [table]) == [
        "only the first page is used of 2 files: moving.gif (2), pages.tiff (2)"
    ]


def test_what_is_an_image_in_a_store_is_read_of_its_first_bytes(tmp_path: Path, stored: Callable[[Path], str]) -> None:
    folder = tmp_path / "forms"
    folder.mkdir()
    photograph_forms(folder)
    (folder / "moving.gif").rename(folder / "unnamed")
    (folder / "empty").write_bytes(b"")
    (folder / "notes.txt").write_text("a text")
    lines: dict[str, list[str]] = {"here": [], "there": []}
    here, there = (
        ImageFolder().entries(root, lines[place].append)
        for place, root in (("here", str(folder)), ("there", stored(folder)))
    )
    assert [each.path for each in there] == [each.path for each in here]
    assert "unnamed" in [each.path for each in there]
    assert lines["there"] == lines["here"]


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

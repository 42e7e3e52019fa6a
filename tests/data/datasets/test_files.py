"""Listing a folder and reading one file of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.datasets.dataset import require_folder
from pipeline.data.datasets.entries import Entry
from pipeline.data.datasets.files import (
    Skipped,
    hash_files,
    hash_labels,
    present_images,
    read_sample,
    scan,
    shortened,
    size_in,
    skipped_line,
    version_of,
)
from pipeline.data.file_path import file_path
from pipeline.engine.fingerprint import hash_bytes

Write = Callable[..., Path]


def test_scan_finds_every_file_and_tells_what_it_leaves_out(tmp_path: Path, write_image: Write) -> None:
    for name in ("a.JPG", "deep/er/b.jpeg", "deep/c.tiff", ".hidden.jpg", ".cache/d.jpg", "e.txt", "jpg"):
        write_image(tmp_path / name)
    (tmp_path / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (tmp_path / "itself.jpg").symlink_to(tmp_path / "itself.jpg")
    (tmp_path / "deep" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "twin").symlink_to(tmp_path / "deep" / "er", target_is_directory=True)
    (tmp_path / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.png").symlink_to(tmp_path / "pipe")
    skipped = Skipped(list)
    found = dict(scan(tmp_path, skipped=skipped))
    # A name that is no UTF-8, a link to itself and a FIFO that is named like an image are files that cannot be read: rows
    # with an error, not passed over.
    odd = ["caf\udce9.jpg", "itself.jpg", "link.png", "pipe.jpg"]
    assert sorted(found) == sorted(["a.JPG", "deep/c.tiff", "deep/er/b.jpeg", "e.txt", "jpg", "twin/b.jpeg", *odd])
    assert found["itself.jpg"].startswith("unreadable:")
    stat = (tmp_path / "a.JPG").stat()
    assert found["a.JPG"] == f"{stat.st_size}:{stat.st_mtime_ns}"
    assert sorted(dict(scan(tmp_path, "deep", lambda folder: folder != "deep/er"))) == [
        "deep/c.tiff",
        *(
            f"deep/up/{name}"
            for name in ("a.JPG", "caf\udce9.jpg", "e.txt", "itself.jpg", "jpg", "link.png", "pipe.jpg", "twin/b.jpeg")
        ),
    ]
    line = skipped_line(skipped)
    assert line.startswith("skipped 5 files and folders; 2 hidden: .cache, .hidden.jpg; ")
    assert "1 that link to a folder around them: deep/up" in line
    for name in ("dangling.jpg", "1 that are no files: pipe"):
        assert name in line


def test_a_long_list_is_shortened() -> None:
    assert shortened(["a", "b"]) == "a, b" and shortened(list("abc"), 2) == "a, b and 1 more"
    assert shortened(["line\nbreak"]) == "'line\\nbreak'"


def test_stamp_sees_a_rewrite_of_equal_size(tmp_path: Path, write_image: Write) -> None:
    file = write_image(tmp_path / "a.jpg")
    before = dict(scan(tmp_path))
    stat = file.stat()
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000_000))
    assert dict(scan(tmp_path)) != before


def test_label_digest_is_short_and_depends_on_content() -> None:
    assert len(hash_labels(b"1 2 3 4")) == 16 and hash_labels(b"1 2 3 4") != hash_labels(b"1 2 3 5")


def test_present_keeps_positions() -> None:
    said = list[str]()
    rows = list(present_images(["a", "b", "c"], {"a": "1", "c": "3"}, Path("list.txt"), "skip", said.append))
    assert rows == [(0, "a", "1"), (2, "c", "3")]
    assert said == ["left out 1 of 3 images named by list.txt, not there: b"]
    advice = r"--set <node>\.dataset\.missing=skip uses only those that are there"
    with pytest.raises(FileNotFoundError, match=rf"5 of 6 .* by list\.txt are missing: b, c, d and 2 more; {advice}$"):
        list(present_images(list("abcdef"), {"a": "1"}, Path("list.txt"), "error"))
    with pytest.raises(FileNotFoundError, match=r"2 of 2 images named by list\.txt are missing: a, b$"):
        list(present_images(["a", "b"], {}, Path("list.txt"), "skip"))
    assert list(present_images([], {}, Path("list.txt"), "error")) == []


def test_read_sample(tmp_path: Path, write_image: Write) -> None:
    data = write_image(tmp_path / "a.jpg", 17, 9).read_bytes()
    sample = read_sample(str(tmp_path), Entry("a", "a.jpg", "1"))
    assert (sample.width, sample.height, sample.content_hash, sample.error) == (17, 9, hash_bytes(data), None)


@pytest.mark.parametrize("root", ["", "/does/not/exist"])
def test_missing_folder_is_named(root: str) -> None:
    with pytest.raises(FileNotFoundError, match=f"dataset folder '{root}' does not exist"):
        require_folder(root)


def test_objects_are_scanned_like_files(tmp_path: Path, stored: Callable[[Path], str]) -> None:
    folder = tmp_path / "set"
    for name in ("a.jpg", "deep/b.jpg", "deep/er/c.jpg", ".hidden", "deep/.git/d.jpg", "other/e.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    root = file_path(stored(folder))
    skipped = Skipped(list)
    found = dict(scan(root, skipped=skipped))
    assert sorted(found) == ["a.jpg", "deep/b.jpg", "deep/er/c.jpg", "other/e.jpg"]
    assert sorted(skipped["hidden"]) == [".hidden", "deep/.git/d.jpg"]
    assert all(found[name] == version_of(root / name) for name in found)
    assert [size_in(found[name]) for name in sorted(found)] == [5, 10, 13, 11]
    for below in ("", "deep"):
        wanted = sorted(dict(scan(folder, below, lambda each: each != "deep/er")))
        assert sorted(dict(scan(root, below, lambda each: each != "deep/er"))) == wanted
    with pytest.raises(FileNotFoundError, match=f"no object below s3://bucket/{tmp_path.name}/set/none"):
        list(scan(root, "none"))


def test_a_version_without_a_size_has_none() -> None:
    assert [size_in(each) for each in ("12:34", "unreadable:13", "7")] == [12, 0, 7]


def test_files_of_a_folder_are_hashed_by_name_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep/b.TXT").write_text("1")
    (tmp_path / "a.jpg").write_text("an image")
    folder = hash_files(tmp_path, (".txt",))
    (tmp_path / "a.jpg").write_text("another one")
    assert hash_files(tmp_path, (".txt",)) == folder
    (tmp_path / "deep/b.TXT").write_text("2")
    changed = hash_files(tmp_path, (".txt",))
    (tmp_path / "deep/b.TXT").rename(tmp_path / "deep/c.TXT")
    assert len({folder, changed, hash_files(tmp_path, (".txt",))}) == 3
    listed = hash_files(tmp_path, (".txt",), lambda name: name.endswith(".jpg"))
    (tmp_path / "a.jpg").write_text("a third one")
    assert hash_files(tmp_path, (".txt",), lambda name: name.endswith(".jpg")) == listed
    (tmp_path / "b.jpg").write_text("")
    assert hash_files(tmp_path, (".txt",), lambda name: name.endswith(".jpg")) != listed
    assert hash_files(tmp_path / "a.jpg", (".txt",)) != hash_files(tmp_path / "deep/c.TXT", ())

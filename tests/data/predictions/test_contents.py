from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from pipeline.data.predictions.contents import contents_of


def test_a_file_has_its_own_beginning(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo\r\n")
    found = contents_of(tmp_path / "a.txt")
    assert (found.single, found.head, found.lines()) == (True, "one\r\n\r\ntwo\r\n", [["one", "two"]])


def test_a_line_that_is_cut_off_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("1234567\n" * 1000)
    lines = contents_of(tmp_path / "a.txt").lines()[0]
    assert len(lines) == 512 - 1 and set(lines) == {"1234567"}


def test_a_folder_and_an_archive_have_some_texts(tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    for number in range(20):
        (folder / str(number % 2)).mkdir(parents=True, exist_ok=True)
        (folder / str(number % 2) / f"{number}.txt").write_text("" if number < 5 else f"n{number}\n0\n")
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    with tarfile.open(tmp_path / "texts.tar.gz", "w:gz") as archive:
        archive.add(folder, "texts")
    for path in (folder, tmp_path / "texts.tar.gz"):
        found = contents_of(path)
        assert (found.single, found.head, len(found.heads)) == (False, "", 8)
        assert all(len(lines) == 2 for lines in found.lines())  # empty ones are not opened


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no predictions at"):
        contents_of(tmp_path / "gone")

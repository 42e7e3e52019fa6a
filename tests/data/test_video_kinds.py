"""Videos by their bytes and by their names, and images that are in containers of the same family."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.data.video_kinds import is_video
from tests.data.photograph_forms import photograph_forms
from tests.data.tiny_video import CONTAINERS, frames_of, write_video


@pytest.mark.parametrize("ending", CONTAINERS)
def test_by_its_bytes_whatever_its_name(ending: str, tmp_path: Path) -> None:
    file = write_video(tmp_path / f"film{ending}", frames_of(3))
    assert is_video(file)
    assert is_video(file.rename(tmp_path / "film"))


def test_no_photograph_is_one(tmp_path: Path) -> None:
    assert not [name for name in photograph_forms(tmp_path) if is_video(tmp_path / name)]
    (tmp_path / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (tmp_path / "photo.mp4").write_bytes((tmp_path / "a.jpg").read_bytes())
    (tmp_path / "text.txt").write_text("free as in text")
    for name in ("phone.heic", "photo.mp4", "text.txt", "gone.jpg"):
        assert not is_video(tmp_path / name), name


def test_by_its_name_where_bytes_say_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.MP4").write_bytes(b"")
    (tmp_path / "page.webm").write_text("<html>")
    for name in ("empty.MP4", "page.webm", "gone.mkv"):
        assert is_video(tmp_path / name), name


def test_a_text_that_begins_with_a_name_of_a_box_is_none(tmp_path: Path) -> None:
    for text in ("the free software", "the wide world", "and skip it"):
        (tmp_path / "text.txt").write_text(text)
        assert not is_video(tmp_path / "text.txt")
    for head in (b"\0\0\0\x08wide\0\0", b"\0\x01\0\0moov\0", b"\x7f\xff\0\0mdat\0"):
        (tmp_path / "film").write_bytes(head)
        assert is_video(tmp_path / "film")

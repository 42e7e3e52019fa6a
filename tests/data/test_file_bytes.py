"""Files that are read as images: regular ones only, without waiting for anything else."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from pipeline.data.file_bytes import NotAFileError, read_file


def test_a_regular_file_is_read_through_links_too(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    assert read_file(tmp_path / "a") == read_file(str(tmp_path / "b")) == b"content"


def test_what_is_no_regular_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "link").symlink_to(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path, kind in (("fifo", "a FIFO"), ("link", "a FIFO"), ("socket", "a socket")):
            with pytest.raises(NotAFileError, match=f"^not a regular file but {kind}$"):
                read_file(tmp_path / path)
    with pytest.raises(NotAFileError, match="^not a regular file but a character device$"):
        read_file("/dev/zero")


def test_trouble_with_the_path_is_the_systems_own(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        read_file(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_file(tmp_path / "none")


def test_a_file_larger_than_any_image_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(3 * 2**30)  # of holes
    with pytest.raises(NotAFileError, match=r"^a file of 3\.0 GB, and none of more than 2147483647 bytes is read$"):
        read_file(tmp_path / "large")
    (tmp_path / "small").write_bytes(bytes(100))
    with pytest.raises(NotAFileError, match="none of more than 99 bytes is read"):
        read_file(tmp_path / "small", 99)

"""One way to files of a disk and of a store."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.data.file_path import (
    address_of,
    common_folder,
    file_path,
    is_object,
    path_below,
    read_ahead,
    read_all,
    read_beginning,
)
from pipeline.data.object_path import ObjectPath


def test_which_texts_are_objects() -> None:
    assert [is_object(each) for each in ("s3://b/x", "gs://b", "az://c/x", "/data", "data", "http://x", "")] == [
        *(True, True, True), *(False,) * 4
    ]  # fmt: skip
    assert isinstance(file_path("s3://bucket/x"), ObjectPath)
    assert file_path("/data/x") == Path("/data/x")
    with pytest.raises(ValueError, match="'http://host/x' is a URL: expected a folder, s3://, gs://, gcs://, az://"):
        file_path("http://host/x")


@pytest.mark.parametrize("there", [False, True])
def test_files_of_both(there: bool, tmp_path: Path, stored: Callable[[Path], str]) -> None:
    folder = tmp_path / "set"
    (folder / "deep").mkdir(parents=True)
    for number in range(80):
        (folder / "deep" / f"{number}.txt").write_text(f"number {number}")
    root = file_path(stored(folder) if there else str(folder))
    files = [root / "deep" / f"{number}.txt" for number in range(80)]
    assert list(read_all(files)) == [f"number {number}".encode() for number in range(80)]
    assert read_beginning(files[7], 6) == b"number"
    assert file_path(address_of(root)) == root
    assert path_below(files[3], root).as_posix() == "deep/3.txt"
    assert path_below(root, root).as_posix() == "."
    assert common_folder(files[0], files[1]) == root / "deep"
    assert common_folder(root / "deep", files[1]) == root / "deep"
    with pytest.raises(FileNotFoundError):
        list(read_all([root / "none"]))


def test_a_disk_and_a_store_hold_nothing_together(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected both on a disk, or both in one store"):
        common_folder(tmp_path, ObjectPath.of("s3://bucket/x"))


def test_reads_from_a_store_are_ahead_and_in_order_and_within_bounds() -> None:
    at_once, most, guard = 0, 0, threading.Lock()

    def read(number: int) -> int:
        nonlocal at_once, most
        with guard:
            at_once += 1
            most = max(most, at_once)
        time.sleep(0.02)
        with guard:
            at_once -= 1
        return number

    begun = time.monotonic()
    assert list(read_ahead("s3://bucket/x", read, range(64))) == list(range(64))
    assert time.monotonic() - begun < 64 * 0.02 / 4
    assert 8 <= most <= 16
    most = 0
    assert list(read_ahead("s3://bucket/x", read, range(8), lambda number: 10.0, 25.0)) == list(range(8))
    assert most <= 3
    most = 0
    assert list(read_ahead("/data/x", read, range(4))) == list(range(4))
    assert most == 1

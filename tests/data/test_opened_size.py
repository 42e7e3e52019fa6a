"""Compressed files are measured before they are in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from pipeline.data.datasets.wider_face.ground_truth import read_mat
from pipeline.data.opened_size import BoundedReader, TooLargeError, check_mat_size


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_a_file_is_read_as_what_it_opens_to(tmp_path: Path, compress) -> None:
    content = bytes(range(256)) * 20
    (tmp_path / "file").write_bytes(compress(content))
    reader = BoundedReader(tmp_path / "file", 1000)
    assert reader.read(1000) == content[:1000]
    assert (reader.seek(4000), reader.tell(), reader.read(7)) == (4000, 4000, content[4000:4007])
    for size in (1001, -1):
        with pytest.raises(TooLargeError, match=f"a part of {size:,} bytes, and none above 1,000 is read"):
            reader.read(size)
    reader.close()


def mat(**variables: np.ndarray) -> bytes:
    sink = io.BytesIO()
    scipy.io.savemat(sink, variables, do_compression=True)
    return sink.getvalue()


def _check(file: Path, most: int) -> None:
    with file.open("rb") as stream:
        check_mat_size(stream, most)


def test_variables_of_a_matlab_file_are_counted_decompressed(tmp_path: Path) -> None:
    file = tmp_path / "a.mat"
    file.write_bytes(mat(one=np.zeros(1000), two=np.arange(500.0)))
    _check(file, 12_200)  # and some tags
    with pytest.raises(TooLargeError, match="its variables open to more than 12,000 bytes"):
        _check(file, 12_000)
    scipy.io.savemat(file, {"plain": np.zeros(1000)})
    _check(file, 10)  # in memory it is what it is on the disk


def test_a_bomb_is_refused_within_a_moment_and_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The count ends at the limit."""
    monkeypatch.setattr("pipeline.data.datasets.wider_face.ground_truth.MOST_MAT_BYTES", 50_000_000)
    deflate, megabyte = zlib.compressobj(), bytes(2**20)
    body = b"".join(deflate.compress(megabyte) for _ in range(100)) + deflate.flush()
    start = mat(event_list=np.zeros(3))[:128]
    file = tmp_path / "bomb.mat"
    file.write_bytes(start + (15).to_bytes(4, "little") + len(body).to_bytes(4, "little") + body)
    with pytest.raises(
        ValueError, match=r"found a MATLAB file: its variables open to more than 50,000,000 bytes"
    ) as caught:
        read_mat(file, "event_list")
    assert "\n" not in str(caught.value)


def test_damage_is_left_to_the_reader(tmp_path: Path) -> None:
    file, data = tmp_path / "a.mat", mat(one=np.arange(9000.0))
    for damaged in (data[:300], data[:200] + bytes(50) + data[250:], b"", b"MATLAB", data[:130]):
        file.write_bytes(damaged)
        _check(file, 10**6)

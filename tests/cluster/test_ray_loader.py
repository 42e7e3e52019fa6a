"""Batches between loader processes and the training: the same and whole."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import ray
from numpy.typing import NDArray

from pipeline.cluster.ray_loader import LARGE_BYTES, packed, unpacked
from pipeline.cluster.session import local_store_bytes
from pipeline.engine.machine_memory import memory_limit


@dataclass(frozen=True)
class Made:
    """A batch: a large array, a small one, and what is none."""

    pixels: NDArray[np.uint8]
    boxes: NDArray[np.float32]
    names: tuple[str, ...]


def a_batch(number: int, size: int = 2 * LARGE_BYTES) -> Made:
    rng = np.random.default_rng(number)
    pixels = np.resize(rng.integers(0, 256, 1009, np.uint8), (2, size // 6, 3))
    return Made(pixels, rng.random((5, 4), np.float32), (f"a{number}", "b"))


def assert_equal(ours: Made, theirs: Made) -> None:
    for field in fields(Made):
        np.testing.assert_array_equal(getattr(ours, field.name), getattr(theirs, field.name))


@pytest.mark.parametrize("size", [6, LARGE_BYTES - 6, 2 * LARGE_BYTES, 40_000_000])
def test_a_batch_comes_out_as_it_went_in(size: int) -> None:
    assert_equal(unpacked(packed(a_batch(1, size))), a_batch(1, size))


def test_only_what_is_large_has_a_column_of_its_own_and_shares_its_memory() -> None:
    batch = a_batch(1)
    head, pixels = packed(batch).columns
    assert head.chunk(0).nbytes < LARGE_BYTES / 100
    assert pixels.chunk(0).buffers()[2].address == batch.pixels.ctypes.data
    assert len(packed(a_batch(1, 6)).columns) == 1


def test_rows_of_one_table_are_their_own_batches() -> None:
    rows = pa.concat_tables([packed(a_batch(number)) for number in (1, 2)]).combine_chunks()
    for place, number in enumerate((1, 2)):
        assert_equal(unpacked(rows.slice(place, 1)), a_batch(number))


def test_what_is_written_into_a_batch_stays_there() -> None:
    row = packed(a_batch(1))
    unpacked(row).pixels[:] = 7
    assert_equal(unpacked(row), a_batch(1))


@pytest.mark.ray
@pytest.mark.usefixtures("cluster")
def test_a_local_cluster_has_room_for_batches_of_many_loaders() -> None:
    """Half of it is Ray Data's: of 24 GB, the room of 17 batches of 43 MB."""
    assert ray.cluster_resources()["object_store_memory"] >= local_store_bytes()


@pytest.mark.parametrize(("free", "expected"), [(10**12, 2 * 10**9), (10**9, 9 * 10**8), (10**6, 5 * 10**8)])
def test_the_store_fits_into_what_may_be_shared(free: int, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.cluster.session.memory_limit", lambda: 32 * 10**9)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=free))
    assert local_store_bytes() == expected


def test_the_store_where_there_is_no_folder_of_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pipeline.cluster.session.SHARED_MEMORY", str(tmp_path / "none"))
    assert local_store_bytes() == max(memory_limit() // 16, 5 * 10**8)

"""Batches depend on seed and step alone, hold every image once an epoch, and are divided among processes."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from pipeline.training.data.batch import Example
from pipeline.training.data.sampler import BatchSampler, Source
from tests.training.in_memory import InMemory, LabelledSource

NO_BOXES, NO_POINTS = np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)


@dataclass(frozen=True)
class Noise(LabelledSource):
    """Six images that differ in every epoch and at every size; those of `broken` cannot be read."""

    broken: tuple[int, ...] = ()

    def __len__(self) -> int:
        return 6

    def __call__(self, index: int, epoch: int, side: int) -> Example:
        if index in self.broken:
            raise (OSError if index % 2 else ValueError)(f"no image {index}")
        rng = np.random.default_rng((index, epoch, side))
        image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        boxes = np.float32([[5, 5, 20, 24]] * (1 + index % 2))
        return Example(self.name(index), image, boxes, np.full((len(boxes), 5, 2), index, np.float32))

    def name(self, index: int) -> str:
        return f"image {index}"


def _batches(source: Source = Noise(), batch: int = 4, seed: int = 3, sides: tuple[int, ...] = (32,)) -> BatchSampler:
    return BatchSampler(source, batch, seed, sides)


def test_any_order_same_bytes() -> None:
    a, b = _batches(sides=(32, 40)), _batches(sides=(32, 40))
    forward = [pickle.dumps(a(step)) for step in range(5)]
    assert [pickle.dumps(b(step)) for step in (4, 0, 2)] == [forward[4], forward[0], forward[2]]
    elsewhere = pickle.loads(pickle.dumps(a))
    assert pickle.dumps(elsewhere(1)) == forward[1]
    assert len(set(forward)) == 5


def test_every_image_once_an_epoch_in_a_new_order() -> None:
    batches = _batches()
    names = [name for step in range(6) for name in batches(step).image_ids]
    epochs = [names[i : i + 6] for i in range(0, 24, 6)]
    assert all(Counter(epoch) == Counter(f"image {i}" for i in range(6)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 1


def test_an_image_differs_in_the_next_epoch() -> None:
    first, second = {}, {}
    for step, seen in ((0, first), (1, first), (2, second), (3, second)):
        batch = _batches(batch=3)(step)
        seen.update(zip(batch.image_ids, [pixels.tobytes() for pixels in batch.pixels], strict=True))
    assert len(first) == 6 and set(first) == set(second)
    assert all(first[name] != second[name] for name in first)


def test_a_batch_may_be_larger_than_the_set() -> None:
    assert Counter(_batches(batch=12)(0).image_ids) == {f"image {index}": 2 for index in range(6)}


def test_seed_changes_the_order() -> None:
    assert [_batches(seed=s)(0).image_ids for s in (1, 2, 3)] != [_batches(seed=1)(0).image_ids] * 3


def test_every_step_samples_one_of_several_sides() -> None:
    batches = _batches(sides=(32, 40, 48))
    sampled = [batches(step).pixels.shape for step in range(30)]
    assert {shape[1] for shape in sampled} == {32, 40, 48}
    assert all(shape == (4, shape[1], shape[1], 3) for shape in sampled)
    # The share of another process has the same size.
    assert all(batches(step, 1, 2).pixels.shape[1] == sampled[step][1] for step in range(30))


@pytest.mark.parametrize("processes", [1, 2, 3, 4])
def test_shares_are_the_batch_cut_into_pieces(processes: int) -> None:
    batches = _batches(batch=4, sides=(32, 40))
    for step in range(3):
        whole, shares = batches(step), [batches(step, rank, processes) for rank in range(processes)]
        assert whole.image_ids == tuple(name for share in shares for name in share.image_ids)
        np.testing.assert_array_equal(whole.pixels, np.concatenate([share.pixels for share in shares]))
        np.testing.assert_array_equal(whole.boxes, np.concatenate([share.boxes for share in shares]))
        sizes = [len(share.image_ids) for share in shares]
        assert max(sizes) - min(sizes) <= 1
        assert all(share.step == step for share in shares)


def test_more_processes_than_images_are_refused() -> None:
    with pytest.raises(ValueError, match="5 processes cannot share a batch of 4: use fewer workers"):
        _batches()(0, 0, 5)


def test_an_unreadable_image_is_blank_and_named() -> None:
    batches = _batches(Noise(broken=(2, 3)), batch=6)
    got = batches(0)
    assert sorted(got.errors) == ["image 2: no image 2", "image 3: no image 3"]
    assert got.errors == tuple(
        f"{name}: no image {name[-1]}" for name in got.image_ids if name in ("image 2", "image 3")
    )
    for name, count, pixels in zip(got.image_ids, got.counts, got.pixels, strict=True):
        broken = name in ("image 2", "image 3")
        assert (count == 0, not pixels.any()) == (broken, broken)
    assert not _batches()(0).errors


def test_other_errors_are_raised() -> None:
    class Wrong(Noise):
        def __call__(self, index: int, epoch: int, side: int) -> Example:
            raise KeyError(index)

    with pytest.raises(KeyError):
        _batches(Wrong())(0)


def test_refuses_sizes_that_cannot_be_stacked() -> None:
    pool = [Example(str(side), np.zeros((side, side, 3), np.uint8), NO_BOXES, NO_POINTS) for side in (40, 48)]
    with pytest.raises(ValueError, match=r"images of one batch differ in size: \[\(40, 40, 3\), \(48, 48, 3\)\]"):
        _batches(InMemory(pool), batch=2)(0)


def test_refuses_an_empty_source_and_an_empty_batch() -> None:
    with pytest.raises(ValueError, match="batch of 4 cannot be sampled from 0 images"):
        _batches(InMemory([]))
    with pytest.raises(ValueError, match="batch of 0 cannot"):
        _batches(batch=0)


def test_workers_that_make_batches_load_no_torch() -> None:
    code = (
        "import sys, pipeline.training.data.sampler, pipeline.training.data.detector_dataset; "
        "print(sorted({'torch', 'cv2', 'ray'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

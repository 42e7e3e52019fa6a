"""A ranker's batch: pictures and tables stay together, travel, and are normalised on the device."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.data.ranker_collate import RankerExample, RankerPixelBatch

NORMAL = Normalisation((104.0, 117.0, 123.0), (0.5, 0.25, 2.0), rgb=True)


def _example(index: int, side: int = 24, rows: int = 7) -> RankerExample:
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    table, truth = rng.random((rows, 5)).astype(np.float32), rng.random(rows).astype(np.float32)
    return RankerExample(f"image {index}", image, table, truth, index)


def test_everything_stays_with_its_picture() -> None:
    examples = [_example(index) for index in range(3)]
    pixels = RankerPixelBatch.of(7, examples, ["image 1: cut off"])
    assert (pixels.step, pixels.errors, pixels.valid.tolist()) == (7, ("image 1: cut off",), [0, 1, 2])
    batch = pixels.to_batch(NORMAL)
    assert batch.image_ids == ("image 0", "image 1", "image 2")
    assert (batch.valid.dtype, batch.tables.dtype, batch.truths.dtype) == (torch.int64, torch.float32, torch.float32)
    for index, example in enumerate(examples):
        np.testing.assert_array_equal(batch.tables[index].numpy(), example.table)
        np.testing.assert_array_equal(batch.truths[index].numpy(), example.truth)
        assert batch.valid[index].item() == example.valid
        wanted = (example.image.astype(np.float32) - np.float32([104, 117, 123])) * np.float32([0.5, 0.25, 2])
        np.testing.assert_array_equal(batch.images[index].permute(1, 2, 0).numpy(), wanted[..., ::-1])
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_it_travels() -> None:
    pixels = RankerPixelBatch.of(3, [_example(0), _example(5)])
    twin = pickle.loads(pickle.dumps(pixels, protocol=5))
    one, other = twin.to_batch(NORMAL), pixels.to_batch(NORMAL)
    assert (twin.step, one.image_ids) == (3, other.image_ids)
    assert all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "tables", "truths", "valid")
    )


def test_sizes_and_rows_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images of one batch differ in size: \[\(16, 16, 3\), \(24, 24, 3\)\]"):
        RankerPixelBatch.of(0, [_example(0), _example(1, side=16)])
    with pytest.raises(ValueError, match=r"tables of one batch differ in rows: \[7, 8\]"):
        RankerPixelBatch.of(0, [_example(0), _example(1, rows=8)])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"image": np.zeros((4, 4, 3), np.float32)}, "image is float32"),
        ({"image": np.zeros((4, 4), np.uint8)}, "expected uint8"),
        ({"table": np.zeros((7, 4), np.float32)}, "do not go together"),
        ({"truth": np.zeros(6, np.float32)}, "do not go together"),
        ({"valid": 8}, "8 boxes in a table of 7 rows"),
    ],
)
def test_examples_that_do_not_fit_are_refused(change: dict[str, object], words: str) -> None:
    good = _example(1)
    fields = {name: getattr(good, name) for name in ("image_id", "image", "table", "truth", "valid")}
    with pytest.raises(ValueError, match=f"image 1: .*{words}"):
        RankerExample(**{**fields, **change})

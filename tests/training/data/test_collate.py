"""Batches of pixels become batches of a step: normalised, channels-last, faces and tables with their own image."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from pipeline.models.detectors.detector import Normalisation
from pipeline.training.data.batch import Example, RankerExample
from pipeline.training.data.collate import PixelBatch, RankerPixelBatch

NORMAL = Normalisation((104.0, 117.0, 123.0))
RGB = Normalisation((104.0, 117.0, 123.0), (0.5, 0.25, 2.0), rgb=True)
NAN = float("nan")


def _examples(dtype: type = np.uint8) -> list[Example]:
    """Two faces, none, one; the first of the two has no landmarks, the third face lacks one of them."""
    rng = np.random.default_rng(0)
    examples = []
    for index, faces in enumerate((2, 0, 1)):
        image = rng.integers(0, 256, (32, 40, 3)).astype(dtype)
        points = rng.uniform(0, 30, (faces, 5, 2)).astype(np.float32)
        if index == 0:
            points[0] = NAN
        if index == 2:
            points[0, 3, 1] = NAN
        boxes = rng.uniform(0, 30, (faces, 4)).astype(np.float32)
        examples.append(Example(f"image {index}", image, boxes, points))
    return examples


def test_faces_stay_with_their_image() -> None:
    examples = _examples()
    pixels = PixelBatch.of(7, examples, ["image 1: cut off"])
    assert (pixels.step, pixels.errors) == (7, ("image 1: cut off",))
    assert pixels.counts.tolist() == [2, 0, 1] and pixels.boxes.shape == (3, 4)
    batch = pixels.to_batch(NORMAL)
    assert batch.image_ids == ("image 0", "image 1", "image 2")
    for example, faces in zip(examples, batch.faces, strict=True):
        np.testing.assert_array_equal(faces.boxes.numpy(), example.boxes)
        np.testing.assert_array_equal(faces.landmarks.numpy(), example.landmarks)


def test_faces_without_all_landmarks_are_unmarked() -> None:
    marked = [faces.marked.tolist() for faces in PixelBatch.of(0, _examples()).to_batch(NORMAL).faces]
    assert marked == [[False, True], [], [False]]


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_pixels_are_normalised(dtype: type) -> None:
    examples = _examples(dtype)
    pixels = PixelBatch.of(0, examples)
    assert pixels.pixels.dtype == dtype
    images = pixels.to_batch(NORMAL).images
    assert images.shape == (3, 3, 32, 40) and images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    for example, image in zip(examples, images, strict=True):
        wanted = example.image.astype(np.float32) - np.float32([104, 117, 123])
        np.testing.assert_array_equal(image.permute(1, 2, 0).numpy(), wanted)
    half = pixels.to_batch(Normalisation(NORMAL.mean_bgr, 0.5)).images
    torch.testing.assert_close(half, images * 0.5)
    red_first = pixels.to_batch(Normalisation((0, 0, 0), rgb=True)).images
    np.testing.assert_array_equal(red_first[0, 0].numpy(), examples[0].image[..., 2].astype(np.float32))


def test_a_batch_without_any_face() -> None:
    pixels = PixelBatch.of(0, _examples()[1:2])
    assert pixels.boxes.shape == (0, 4) and pixels.landmarks.shape == (0, 5, 2)
    (faces,) = pixels.to_batch(NORMAL).faces
    assert faces.boxes.shape == (0, 4) and faces.marked.shape == (0,)


def test_a_batch_can_be_pickled() -> None:
    pixels = PixelBatch.of(3, _examples())
    twin = pickle.loads(pickle.dumps(pixels, protocol=5))
    assert torch.equal(twin.to_batch(NORMAL).images, pixels.to_batch(NORMAL).images)
    assert (twin.step, twin.image_ids) == (3, pixels.image_ids)


def test_sizes_that_differ_are_refused() -> None:
    small = Example(
        "small", np.zeros((8, 8, 3), np.uint8), np.zeros((0, 4), np.float32), np.zeros((0, 5, 2), np.float32)
    )
    with pytest.raises(ValueError, match=r"differ in size: \[\(8, 8, 3\), \(32, 40, 3\)\]"):
        PixelBatch.of(0, [*_examples(), small])


def _ranker_example(index: int, side: int = 24, rows: int = 7) -> RankerExample:
    rng = np.random.default_rng(index)
    image = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
    table, truth = rng.random((rows, 5)).astype(np.float32), rng.random(rows).astype(np.float32)
    return RankerExample(f"image {index}", image, table, truth, index)


def test_tables_stay_with_their_image() -> None:
    examples = [_ranker_example(index) for index in range(3)]
    pixels = RankerPixelBatch.of(7, examples, ["image 1: cut off"])
    assert (pixels.step, pixels.errors, pixels.valid.tolist()) == (7, ("image 1: cut off",), [0, 1, 2])
    batch = pixels.to_batch(RGB)
    assert batch.image_ids == ("image 0", "image 1", "image 2")
    assert (batch.valid.dtype, batch.tables.dtype, batch.truths.dtype) == (torch.int64, torch.float32, torch.float32)
    for index, example in enumerate(examples):
        np.testing.assert_array_equal(batch.tables[index].numpy(), example.table)
        np.testing.assert_array_equal(batch.truths[index].numpy(), example.truth)
        assert batch.valid[index].item() == example.valid
        wanted = (example.image.astype(np.float32) - np.float32([104, 117, 123])) * np.float32([0.5, 0.25, 2])
        np.testing.assert_array_equal(batch.images[index].permute(1, 2, 0).numpy(), wanted[..., ::-1])
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_a_rankers_batch_can_be_pickled() -> None:
    pixels = RankerPixelBatch.of(3, [_ranker_example(0), _ranker_example(5)])
    twin = pickle.loads(pickle.dumps(pixels, protocol=5))
    one, other = twin.to_batch(RGB), pixels.to_batch(RGB)
    assert (twin.step, one.image_ids) == (3, other.image_ids)
    assert all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "tables", "truths", "valid")
    )


def test_sizes_and_numbers_of_rows_that_differ_are_refused() -> None:
    with pytest.raises(ValueError, match=r"images of one batch differ in size: \[\(16, 16, 3\), \(24, 24, 3\)\]"):
        RankerPixelBatch.of(0, [_ranker_example(0), _ranker_example(1, side=16)])
    with pytest.raises(ValueError, match=r"tables of one batch differ in rows: \[7, 8\]"):
        RankerPixelBatch.of(0, [_ranker_example(0), _ranker_example(1, rows=8)])


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
    good = _ranker_example(1)
    fields = {name: getattr(good, name) for name in ("image_id", "image", "table", "truth", "valid")}
    with pytest.raises(ValueError, match=f"image 1: .*{words}"):
        RankerExample(**{**fields, **change})

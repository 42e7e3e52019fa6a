"""A ranker gets the same input of an image in training, in validation and in use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.data.images import encode_png
from pipeline.data.labelled_candidates import LabelledCandidateReader, LabelledCandidates
from pipeline.data.records import ScoredBoxes
from pipeline.inference.rerank import Reranker
from pipeline.models.rankers.ranker import Ranker
from pipeline.models.weights import open_ranker
from pipeline.training.data.collate import RankerPixelBatch
from pipeline.training.data.ranker_dataset import RankerDataset
from pipeline.training.recipes.ranker import RankerRecipe
from pipeline.training.tasks.ranker import RankerTask
from stages.validators.ranker import RankerValidator
from tests.data.stored_labelled import stored

Inputs = tuple[Tensor, Tensor, Tensor]
SIZES = {"wide": (100, 70), "high": (60, 100), "square": (64, 64), "thin": (130, 9)}
RECIPE = RankerRecipe(num_candidates=12, pairs=2, colour_jitter=False, flip_prob=0.0)
RANKERS_SEEN = ("crface_mobilenet", "roi_mobilenet")


def pixels_of(name: str) -> np.ndarray:
    width, height = SIZES[name]
    return np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def ranking_of(name: str) -> LabelledCandidates:
    """Boxes of which some reach out of the image on each side, one is outside altogether and one has no area."""
    width, height = SIZES[name]
    shares = [[0.1, 0.1, 0.5, 0.6], [-0.2, 0.3, 0.3, 1.2], [0.6, -0.1, 1.3, 0.5], [0.9, 0.9, 1.4, 1.1]]
    shares += [[1.2, 0.1, 1.4, 0.3], [0.5, 0.5, 0.5, 0.8], [0.2, 0.4, 0.9, 0.97]]
    boxes = np.float32(shares) * np.float32([width, height] * 2)
    scores = np.linspace(0.9, 0.1, len(boxes)).astype(np.float32)
    overlaps = np.float32([0.7, 0.0, 0.6, 0.0, 0.0, 0.1, 0.3])
    return LabelledCandidates(name, f"{name}.png", width, height, (len(boxes),), boxes, scores, overlaps)


def read(path: str) -> bytes:
    return encode_png(pixels_of(path.removesuffix(".png")))


@contextmanager
def num_neighbours(ranker: Ranker) -> Iterator[list[Inputs]]:
    """Gives the inputs of every pass through a ranker of this kind, or through a copy of it: images, tables, valid."""
    kind, images, inputs = type(ranker), [], []  # type: ignore[var-annotated]
    maps, residual = kind.maps, kind.residual

    def seen(self: Ranker, given: Tensor) -> list[Tensor]:
        images.append(given.detach().clone())
        return maps(self, given)

    def ranked(self: Ranker, found: list[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        assert sides == tuple(images[-1].shape[2:])
        inputs.append((images[-1], tables.detach().clone(), valid.detach().clone()))
        return residual(self, found, sides, tables, valid)

    kind.maps, kind.residual = seen, ranked  # type: ignore[method-assign, assignment]
    try:
        yield inputs
    finally:
        kind.maps, kind.residual = maps, residual  # type: ignore[method-assign]
    assert len(images) == len(inputs)


def in_training(task: RankerTask, model: Ranker, name: str, folder: Path) -> Inputs:
    labelled = LabelledCandidateReader(stored(folder, [ranking_of(name)]))
    dataset = RankerDataset(labelled, read, task.recipe, model.normalisation.mean_bgr)
    batch = RankerPixelBatch.of(0, [dataset(0, 5, task.recipe.crop)]).to_batch(model.normalisation)
    with num_neighbours(model) as inputs:
        task.forward(model, batch)
    (only,) = inputs
    return only


def in_validation(task: RankerTask, model: Ranker, name: str) -> Inputs:
    with num_neighbours(model) as inputs:
        RankerValidator([ranking_of(name)], read, task.recipe)(model, 0, 1)  # type: ignore[arg-type]
    (only,) = inputs
    return only


def in_use(task: RankerTask, model: Ranker, image: np.ndarray, boxes: np.ndarray, scores: np.ndarray) -> Inputs:
    """By way of the checkpoint, which is all that is left of a training."""
    reranker = Reranker(open_ranker(task.save(model))[1])
    with num_neighbours(reranker.ranker) as inputs:
        reranker(image, ScoredBoxes(boxes, scores))
    (only,) = inputs
    return only


def same(one: Inputs, other: Inputs) -> None:
    for mine, yours in zip(one, other, strict=True):
        assert mine.shape == yours.shape
        assert torch.equal(mine, yours)


@pytest.mark.parametrize("ranker", RANKERS_SEEN)
@pytest.mark.parametrize("crop", [48, 100, 160])
@pytest.mark.parametrize("name", SIZES)
def test_whole_images(tmp_path: Path, ranker: str, crop: int, name: str) -> None:
    task = RankerTask(ranker, replace(RECIPE, whole=True, crop=crop))
    ranking, model = ranking_of(name), task.build().eval()
    used = in_use(task, model, pixels_of(name), ranking.boxes, ranking.scores)
    assert used[0].shape[2:] == (crop, crop) and used[2].tolist() == [7]
    same(in_training(task, model, name, tmp_path), used)
    same(in_validation(task, model, name), used)


@pytest.mark.parametrize("name", SIZES)
def test_mirrored_images_are_images_seen_in_a_mirror(tmp_path: Path, name: str) -> None:
    """Mirrored after it was put into its square, a high image would lie on the other side of it."""
    task = RankerTask("crface_mobilenet", replace(RECIPE, whole=True, crop=80, flip_prob=1.0))
    ranking, width, model = ranking_of(name), np.float32(SIZES[name][0]), task.build().eval()
    turned = ranking.boxes.copy()
    turned[:, [0, 2]] = width - ranking.boxes[:, [2, 0]]
    used = in_use(task, model, np.ascontiguousarray(pixels_of(name)[:, ::-1]), turned, ranking.scores)
    same(in_training(task, model, name, tmp_path), used)


@pytest.mark.parametrize("name", ["wide", "high", "square"])
def test_squares_cut_out_are_images_of_their_own(tmp_path: Path, name: str) -> None:
    """What the network is given of a crop is what it would be given of it in use; the validator gets whole images."""
    task = RankerTask("crface_mobilenet", replace(RECIPE, crop=48, crop_scales=(1.0,)))
    model = task.build().eval()
    images, tables, valid = in_training(task, model, name, tmp_path)
    dataset = RankerDataset(
        LabelledCandidateReader(stored(tmp_path / "again", [ranking_of(name)])),
        read,
        task.recipe,
        model.normalisation.mean_bgr,
    )
    example = dataset(0, 5, 48)
    boxes = example.table[: example.valid, :4] * np.float32(48)
    boxes[:, 2:] += boxes[:, :2]
    used = in_use(task, model, example.image, boxes, example.table[: example.valid, 4])
    assert torch.equal(images, used[0]) and torch.equal(valid, used[2])
    torch.testing.assert_close(tables, used[1], atol=1e-6, rtol=0)
    ranking = ranking_of(name)
    same(in_validation(task, model, name), in_use(task, model, pixels_of(name), ranking.boxes, ranking.scores))


def test_a_size_on_request_keeps_the_square() -> None:
    task = RankerTask("crface_mobilenet", replace(RECIPE, whole=True, crop=48))
    from pipeline.data.canvas import Canvas

    opened = open_ranker(task.save(task.build()))[1]
    assert Reranker(opened, canvas=Canvas(96)).preprocessing.size(100, 70) == (96, 96)
    assert Reranker(opened).preprocessing.size(100, 70) == (48, 48) == task.recipe.preprocessing.size(100, 70)


def test_a_device_makes_the_same_image() -> None:
    """A grey level apart at most, where an image is resized on a GPU; here on the CPU's tensors."""
    task = RankerTask("crface_mobilenet", replace(RECIPE, whole=True, crop=160))
    reranker = Reranker(task.build())
    for name in SIZES:
        device, host = reranker._enlarged(torch.from_numpy(pixels_of(name))), reranker._pixels(pixels_of(name))
        assert device.shape == host.shape and device.dtype == host.dtype
        assert (device.int() - host.int()).abs().max() <= 1

"""The validator of rankers counts pairs of whole images, in any number of processes; outputs may be not finite."""

from __future__ import annotations

import math
import pickle
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.boxes.closest_face import closest_overlap
from pipeline.data.datasets.synthetic.dataset import Synthetic
from pipeline.data.labelled_candidates import LabelledCandidates
from pipeline.models.detectors.detector import Normalisation
from pipeline.models.rankers.ranker import Ranker
from pipeline.training.recipes.ranker import RankerRecipe
from stages.validators.ranker import RankerValidator

DRAWINGS = Synthetic(images=3, width=96, height=80)
RECIPE = RankerRecipe(num_candidates=40, pairs=2)
read = partial(DRAWINGS.image_bytes, "")


class ByWidth(Ranker):
    """Adds to a box's score a multiple of its width and the image's first pixel."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.normalisation, self.num_candidates = Normalisation((0.0, 0.0, 0.0), 1 / 255), RECIPE.num_candidates
        self.factor = nn.Parameter(torch.tensor(factor))

    def maps(self, images: Tensor) -> list[Tensor]:
        return [images]

    def residual(self, maps: Sequence[Tensor], sides: tuple[int, int], tables: Tensor, valid: Tensor) -> Tensor:
        residual = self.factor * tables[..., 2] * (1 + maps[0][:, 0, 0, 0, None])
        return torch.where(self.real(tables, valid), residual, 0.0)


def labelled() -> list[LabelledCandidates]:
    """Of two detectors; the second one has fewer boxes, in one image none."""
    reader, rng, rows = DRAWINGS.open(), np.random.default_rng(2), []
    for number, sample in enumerate(reader(entry) for entry in DRAWINGS.entries()):
        found = []
        for count in (50, 12 * (number > 0)):
            low = rng.uniform(0, 60, (count, 2))
            boxes = np.hstack([low, low + rng.uniform(8, 40, (count, 2))]).astype(np.float32)
            scores = np.sort(rng.uniform(0, 1, count).astype(np.float32))[::-1]
            found.append((boxes, scores, closest_overlap(boxes, sample.boxes)))
        parts = [np.concatenate(each) for each in zip(*found, strict=True)]
        counts = tuple(len(scores) for _, scores, _ in found)
        rows.append(LabelledCandidates(sample.image_id, sample.path, sample.width, sample.height, counts, *parts))
    return rows


@pytest.fixture(scope="module")
def validator() -> RankerValidator:
    return RankerValidator(labelled(), read, RECIPE)  # type: ignore[arg-type]


def shares(scores: np.ndarray, truth: np.ndarray, near: int) -> list[int]:
    """Returns untied and right pairs, of all and of near ones, by comparing every two."""
    counts = [0, 0, 0, 0]
    for i in range(len(scores)):
        for j in range(i + 1, len(scores)):
            if truth[i] != truth[j]:
                right = (scores[i] >= scores[j]) == (truth[i] > truth[j])
                counts = [counts[0] + 1, counts[1] + right, counts[2], counts[3]]
                if j - i <= near:
                    counts = [*counts[:2], counts[2] + 1, counts[3] + right]
    return counts


def test_the_metrics_are_what_comparing_every_two_boxes_gives(validator: RankerValidator) -> None:
    metrics = validator.metrics([validator(ByWidth(0.7), 0, 1)])
    before, after = np.zeros(4), np.zeros(4)
    for number, row in enumerate(validator.labelled[i] for i in range(3)):
        first = 1 + DRAWINGS.draw(number)[0][0, 0, 0] / 255
        for place in range(2):
            boxes, scores, truth = (values[:40] for values in row.of_detector(place))
            refined = scores + np.float32(0.7) * (boxes[:, 2] - boxes[:, 0]) / 96 * np.float32(first)
            before += shares(scores, truth, 2)
            after += shares(refined, truth, 2)
    assert metrics["before"] == pytest.approx(before[1] / before[0])
    assert metrics["near_before"] == pytest.approx(before[3] / before[2])
    assert metrics["after"] == pytest.approx(after[1] / after[0], abs=2e-3)
    assert metrics["near_after"] == pytest.approx(after[3] / after[2], abs=2e-2)
    assert metrics["after"] != metrics["before"]
    assert validator.score(metrics) == metrics["after"]
    assert metrics["loss_before"] != metrics["loss_after"] > 0


def test_a_ranker_without_residual_changes_nothing(validator: RankerValidator) -> None:
    metrics = validator.metrics([validator(ByWidth(0.0), 0, 1)])
    assert [metrics[name] for name in ("after", "near_after", "loss_after")] == [
        metrics[name] for name in ("before", "near_before", "loss_before")
    ]


@pytest.mark.parametrize("processes", [2, 5])
def test_shares_together_are_the_whole(validator: RankerValidator, processes: int) -> None:
    ranker = ByWidth(0.7)
    whole = validator.metrics([validator(ranker, 0, 1)])
    found = pickle.loads(pickle.dumps([validator(ranker, rank, processes) for rank in range(processes)]))
    assert validator.metrics(found) == pytest.approx(whole, rel=1e-9)


def test_images_that_cannot_be_read_or_are_others_are_left_out(validator: RankerValidator) -> None:
    rows = list(labelled())
    rows[1] = replace(rows[1], width=95)

    def partly(path: str) -> bytes:
        if path == rows[2].path:
            raise OSError("gone")
        return read(path)

    ranker = ByWidth(0.7)
    found = replace(validator, labelled=rows, read=partly)(ranker, 0, 1)
    only = replace(validator, labelled=rows[:1])(ranker, 0, 1)
    assert validator.metrics([found]) == validator.metrics([only])
    assert found.before.images == 2


def test_outputs_that_are_not_finite_have_score_0(validator: RankerValidator) -> None:
    metrics = validator.metrics([validator(ByWidth(math.nan), 0, 1)])
    assert metrics["after"] == metrics["near_after"] == 0 == validator.score(metrics)
    assert math.isnan(metrics["loss_after"]) and metrics["before"] > 0
    nothing = validator.metrics([replace(validator, labelled=[])(ByWidth(0.0), 0, 1)])
    assert math.isnan(nothing["after"]) and validator.score(nothing) == 0


@pytest.mark.parametrize(("whole", "size"), [(False, (80, 96)), (True, (192, 192))])
def test_images_are_as_large_as_those_of_training(whole: bool, size: tuple[int, int]) -> None:
    seen = set()

    class Watching(ByWidth):
        def forward(self, images: Tensor, tables: Tensor, valid: Tensor) -> Tensor:
            seen.add(tuple(images.shape[2:]))
            return super().forward(images, tables, valid)

    recipe = replace(RECIPE, whole=whole, crop=192)
    RankerValidator(labelled(), read, recipe)(Watching(0.7), 0, 1)  # type: ignore[arg-type]
    assert seen == {size}
